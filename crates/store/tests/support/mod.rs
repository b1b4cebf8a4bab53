//! What the suites share: a small world of few names, so that random acts meet
//! each other, and the plain comparison of two sets of tables.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use iryonet_domain::{
    Acceptance, AccountName, Actor, AgreementId, CaseId, Circuit, DeviceId, Digest, Endpoint,
    Fingerprint, GatewayId, InstitutionCode, InstitutionKind, LineId, LineKind, NetworkPrefix,
    Officer, ParticipantKind, ParticipantNumber, Prefecture, Protocol, Purpose, Role, ScoreTable,
    ServiceId, TrafficClass, UnixMillis, Validity,
};
use iryonet_ledger::Verifier;
use iryonet_registry::case::command::{
    AnyCase, CaseReason, ConcludeExamination, Judgements, ReceiveApplication, SeenCase,
};
use iryonet_registry::case::{
    Admission, Application, Judgement, Recommendation, SiteWish, Verdict,
};
use iryonet_registry::recheck::{RecheckLimits, RecheckSlot, Tick, slot_of};
use iryonet_registry::rules::RuleText;
use iryonet_registry::{
    Act, CertificateFacts, CodeHash, Command, Event, Home, ListId, ListRow, Login, MemoryTables,
    Offer, RevocationReason, Serial, SpeaksFor, Subject, apply, permission,
};
use iryonet_rules::RuleVersion;
use iryonet_store::{
    AccountQuery, AgreementQuery, CaseQuery, ParticipantQuery, Reader, Store, StoreError, act, look,
};
use proptest::prelude::*;

pub(crate) const NOW: UnixMillis = UnixMillis(1_756_000_000_000);
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The machine, which admits.
pub(crate) fn actor() -> Actor {
    "system:suite".parse().unwrap()
}

/// Somebody who may do this for anybody.
pub(crate) fn actor_of(command: &Command) -> Actor {
    let role = permission::whose_duty(Act::from(command)).unwrap();
    // Each duty is somebody else's: four eyes are four names.
    Actor::new(role, role.as_str()).unwrap()
}

pub(crate) fn network() -> NetworkPrefix {
    "2001:db8::/32".parse().unwrap()
}

pub(crate) fn gateway(n: u8) -> GatewayId {
    format!("gw-{n}").parse().unwrap()
}

/// The n-th number of block 1.
pub(crate) fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(0x1_0000 + n).unwrap()
}

pub(crate) fn code(serial: u16) -> InstitutionCode {
    InstitutionCode::generate(Prefecture::new(13).unwrap(), ScoreTable::Medical, 5, serial)
}

pub(crate) fn code_hash(n: u8) -> CodeHash {
    hex::encode([n; 32]).parse().unwrap()
}

pub(crate) fn certificate(n: u8, now: UnixMillis) -> CertificateFacts {
    CertificateFacts {
        fingerprint: Fingerprint([n; 32]),
        serial: Serial::from_octets(&[0x10, n]).unwrap(),
        not_before: now,
        not_after: now.plus_ms(365 * DAY_MS),
    }
}

pub(crate) fn endpoint(provider: u32, port: u16) -> Endpoint {
    Endpoint {
        address: network().site(number(provider), 0).host(0x80),
        protocol: Protocol::Tcp,
        port,
    }
}

pub(crate) fn clinic() -> ParticipantKind {
    ParticipantKind::Institution(InstitutionKind::Clinic)
}

/// Acts and insists that it is accepted.
pub(crate) fn must(store: &dyn Store, command: &Command, now: UnixMillis) -> Vec<Event> {
    act(store, &actor_of(command), command, now)
        .unwrap()
        .events()
        .unwrap_or_else(|refusal| panic!("{command:?} was refused: {refusal}"))
}

/// Acts and insists that it is refused; tells the refusal's name.
pub(crate) fn refused(store: &dyn Store, command: &Command, now: UnixMillis) -> &'static str {
    match act(store, &actor_of(command), command, now)
        .unwrap()
        .events()
    {
        Ok(events) => panic!("{command:?} was accepted: {events:?}"),
        Err(refusal) => {
            assert!(!refusal.ja().is_empty() && !refusal.to_string().is_empty());
            refusal.code()
        }
    }
}

pub(crate) fn admit(kind: ParticipantKind, code: Option<InstitutionCode>) -> Command {
    Command::AdmitParticipant {
        kind,
        name: "さくら診療所".into(),
        code,
        home: Home::Block(1),
    }
}

pub(crate) fn validity(now: UnixMillis, days: u64) -> Validity {
    Validity {
        from: now,
        until: now.plus_ms(days * DAY_MS),
    }
}

/// Network, two gateways, a provider (number 0) with a service on port 443, a
/// clinic (number 1) with a site, a line and an enrolled device.
pub(crate) fn small_world(store: &dyn Store) {
    for command in [
        Command::FoundNetwork { network: network() },
        Command::RegisterGateway {
            gateway: gateway(1),
            backbone: "2001:db8::1".parse().unwrap(),
            blocks: vec![1],
        },
        Command::RegisterGateway {
            gateway: gateway(2),
            backbone: "2001:db8::2".parse().unwrap(),
            blocks: vec![3, 2],
        },
        admit(ParticipantKind::Provider, None),
        admit(clinic(), Some(code(1))),
        Command::AddSite {
            participant: number(1),
            site: None,
            name: "本院".into(),
        },
        Command::AddLine {
            participant: number(1),
            site: 0,
            kind: LineKind::Ethernet,
            circuit: Circuit {
                gateway: gateway(1),
                interface: "line1".into(),
            },
        },
        Command::IssueEnrolmentCode {
            subject: Subject::Participant(number(1)),
            code_hash: code_hash(1),
            expires_at: NOW.plus_ms(DAY_MS),
        },
        Command::EnrolDevice {
            code_hash: code_hash(1),
            device: DeviceId(1),
            certificate: certificate(1, NOW),
        },
        Command::RegisterService {
            provider: number(0),
            name: "地域医療連携".into(),
            class: TrafficClass::Interactive,
            purposes: vec![Purpose::REFERRAL, Purpose::REGIONAL_COLLABORATION],
            endpoints: vec![endpoint(0, 443)],
            eligible: vec![],
            offer: iryonet_registry::Offer::default(),
        },
    ] {
        must(store, &command, NOW);
    }
}

pub(crate) fn propose() -> Command {
    Command::ProposeAgreement {
        participant: number(1),
        service: ServiceId::new(1).unwrap(),
        purpose: Purpose::REFERRAL,
        validity: validity(NOW, 100),
        by: number(1),
    }
}

/// One random act: which, and small numbers for its names.
pub(crate) type Step = (u8, u8, u8, u8);

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u8..41, 0u8..6, 0u8..4, 0u8..4), 1..160)
}

const ROLES: [&[Role]; 4] = [
    &[Role::Officer],
    &[Role::SecurityOfficer],
    &[Role::Examiner, Role::Approver],
    &[Role::Auditor],
];

pub(crate) fn account(n: u8) -> AccountName {
    format!("person{n}").parse().unwrap()
}

pub(crate) fn login(n: u8) -> Login {
    Login {
        issuer: "https://login.example.jp".into(),
        subject: n.to_string(),
    }
}

/// The command of a step; names repeat often enough to collide.
pub(crate) fn command(step: Step, now: UnixMillis) -> Command {
    let (what, a, b, c) = step;
    let participant = number(u32::from(a));
    let service = ServiceId::new(u32::from(b) + 1).unwrap();
    let subject = if a == 5 {
        Subject::Gateway(gateway(b % 3))
    } else {
        Subject::Participant(participant)
    };
    match what {
        0 => Command::FoundNetwork { network: network() },
        1 => Command::RegisterGateway {
            gateway: gateway(b),
            backbone: format!("2001:db8::{:x}", c + 1).parse().unwrap(),
            blocks: vec![a + 4],
        },
        4 if c % 2 == 0 => Command::AdmitParticipants {
            rows: [b, c]
                .iter()
                .map(|n| iryonet_registry::AdmissionRow {
                    kind: clinic(),
                    name: format!("診療所{n}"),
                    code: (a > 2).then(|| code(u16::from(*n))),
                    area: None,
                    home: Home::Block(1),
                    site: "本院".into(),
                })
                .collect(),
        },
        2..=4 => admit(
            if c == 0 {
                ParticipantKind::Provider
            } else {
                clinic()
            },
            (c > 1).then(|| code(u16::from(b))),
        ),
        5 => Command::AddSite {
            participant,
            site: (c > 0).then_some(b),
            name: format!("拠点{b}"),
        },
        6 | 7 => Command::AddLine {
            participant,
            site: b % 2,
            kind: LineKind::Ethernet,
            circuit: Circuit {
                gateway: gateway(1),
                interface: format!("line{c}"),
            },
        },
        8 => Command::RemoveLine {
            line: LineId(u32::from(a)),
        },
        9 | 10 => Command::IssueEnrolmentCode {
            subject,
            code_hash: code_hash(b * 2 + c % 2 + 8),
            expires_at: now.plus_ms(u64::from(c) * 600),
        },
        11 | 12 => Command::EnrolDevice {
            code_hash: code_hash(b * 2 + c % 2 + 8),
            device: DeviceId(u32::from(a) % 2 + 1),
            certificate: certificate(a * 16 + b * 4 + c, now),
        },
        13 => Command::CertifyGateway {
            code_hash: code_hash(b * 2 + c % 2 + 8),
            certificate: certificate(a * 16 + b * 4 + c, now),
        },
        14 => Command::RevokeDevice {
            participant,
            device: DeviceId(u32::from(b)),
            reason: RevocationReason::KeyCompromise,
        },
        15 => match c {
            0 => Command::QuarantineParticipant {
                participant,
                reason: "疑い".into(),
            },
            1 => Command::ReleaseParticipant { participant },
            2 => Command::RevokeGatewayCertificate {
                gateway: gateway(b),
                fingerprint: Fingerprint([a * 16 + b * 5; 32]),
                reason: RevocationReason::Superseded,
            },
            _ if b == 0 => Command::CloseParticipant {
                participant,
                reason: "閉院".into(),
            },
            _ => Command::RevokeGatewayCertificate {
                gateway: gateway(b),
                fingerprint: certificate(80 + b * 4 + 3, now).fingerprint,
                reason: RevocationReason::Superseded,
            },
        },
        16 => Command::RegisterService {
            provider: participant,
            name: format!("サービス{c}"),
            class: TrafficClass::Bulk,
            purposes: vec![Purpose::ONLINE_CLAIMS, Purpose::REFERRAL],
            endpoints: vec![endpoint(u32::from(a), 443 + u16::from(b))],
            eligible: if c == 3 { vec![clinic()] } else { vec![] },
            offer: iryonet_registry::Offer::default(),
        },
        17 => match c {
            0 => Command::RetireService { service },
            _ => Command::ChangeServiceEndpoints {
                service,
                endpoints: vec![endpoint(u32::from(a), 443 + u16::from(c))],
            },
        },
        18 | 19 => Command::ProposeAgreement {
            participant,
            service,
            purpose: if c == 3 {
                Purpose::VIDEO
            } else {
                Purpose::REFERRAL
            },
            validity: Validity {
                from: now,
                until: now.plus_ms(u64::from(c) * 1_500),
            },
            by: if a < 3 { participant } else { number(0) },
        },
        20 => {
            if c == 3 {
                Command::EndAgreement {
                    agreement: AgreementId(u64::from(b) + 1),
                    by: (a != 0).then_some(participant),
                    at: None,
                }
            } else {
                Command::AcceptAgreement {
                    agreement: AgreementId(u64::from(b) + 1),
                    by: number(u32::from(a % 2)),
                }
            }
        }
        22 => Command::ChangeServiceOffer {
            service,
            offer: Offer {
                dns: (c > 0).then(|| format!("s{c}.example.jp").parse().unwrap()),
                areas: if c == 3 {
                    vec![Prefecture::new(13).unwrap()]
                } else {
                    vec![]
                },
                acceptance: if a % 2 == 0 {
                    Acceptance::ByHand
                } else {
                    Acceptance::Automatic(vec![clinic()])
                },
                ..Offer::default()
            },
        },
        23 => {
            let agreement = AgreementId(u64::from(b) + 1);
            match c {
                0 => Command::ExpireAgreement { agreement },
                1 => Command::NoticeAgreement { agreement },
                _ => Command::EndAgreement {
                    agreement,
                    by: None,
                    at: Some(now.plus_ms(700)),
                },
            }
        }
        24 => Command::ListVanished {
            list: ListId::of(ScoreTable::Medical),
            file_sha256: Digest([8; 32]),
            codes: vec![code(u16::from(a))],
        },
        25..=30 => case_command(what, a, b, c),
        31 => Command::RecheckSlot(RecheckSlot {
            tick: Tick::at(now),
            limits: RecheckLimits::default(),
        }),
        32 | 33 => Command::CreateAccount {
            account: account(a),
            person: format!("担当{b}"),
            roles: ROLES[usize::from(b)].to_vec(),
            speaks_for: match c {
                0 | 1 => Some(SpeaksFor::Participant(number(u32::from(c)))),
                2 => Some(SpeaksFor::Applicant),
                _ => None,
            },
        },
        34 => Command::GrantRole {
            account: account(a),
            role: ROLES[usize::from(b)][0],
        },
        35 => Command::TakeRole {
            account: account(a),
            role: ROLES[usize::from(b)][0],
        },
        36 => Command::BindAccount {
            account: account(a),
            speaks_for: match c {
                0 => SpeaksFor::Application(CaseId(u64::from(b) + 1)),
                _ => SpeaksFor::Participant(number(u32::from(b))),
            },
        },
        37 => Command::LockAccount {
            account: account(a),
            reason: "休職".into(),
        },
        38 => match b {
            0 => Command::RetireAccount {
                account: account(a),
                reason: "退職".into(),
            },
            1 => Command::LockOutAccount {
                account: account(a),
                failures: 5,
                from: "192.0.2.1".into(),
                until: now.plus_ms(30_000),
            },
            _ => Command::UnlockAccount {
                account: account(a),
            },
        },
        39 | 40 if b == 3 => Command::UnlinkLogin {
            account: account(a),
            login: login(c),
        },
        39 | 40 => Command::LinkLogin {
            account: account(a),
            login: login(c),
        },
        _ => Command::ListApplicants {
            list: ListId::of(ScoreTable::Medical),
            file_sha256: hex::encode([7; 32]),
            rows: vec![
                ListRow::new(
                    code(u16::from(a)),
                    &format!("診療所{b}"),
                    "1000001",
                    &format!("東京都{c}"),
                )
                .unwrap(),
            ],
        },
    }
}

/// An act on a case, by somebody who may have seen it.
fn case_command(what: u8, a: u8, b: u8, c: u8) -> Command {
    let case = CaseId(u64::from(b) + 1);
    let version = u32::from(c) + 1;
    let seen = SeenCase { case, version };
    match what {
        25 | 26 => Command::ReceiveApplication(ReceiveApplication {
            participant: (a != 5).then(|| number(u32::from(a))),
            application: match (a, c) {
                (5, _) => Application::Admission(Admission {
                    participant_kind: clinic(),
                    name: "さくら診療所".into(),
                    code: Some(code(u16::from(b))),
                    area: None,
                    sites: vec![SiteWish {
                        name: "本院".into(),
                        lines: vec![LineKind::Ethernet],
                    }],
                    services: vec![],
                }),
                (_, 0) => Application::SecondDevice {
                    reason: "予備機".into(),
                },
                (_, 1) => Application::Suspension {
                    reason: "改装".into(),
                    from: Some(NOW.plus_ms(50)),
                },
                _ => Application::Audit {
                    reason: "監査".into(),
                },
            },
            officer: Some(officer()),
            documents: vec![],
        }),
        27 => Command::AcceptApplication(seen),
        28 => Command::BeginExamination(seen),
        29 => match a {
            0 => Command::WithdrawApplication(seen),
            1 => Command::ConcludeExamination(ConcludeExamination {
                case,
                version,
                recommendation: Recommendation::Reject,
                note: Some("否".into()),
            }),
            2 => Command::RejectCase(CaseReason {
                case,
                version,
                reason: "否".into(),
            }),
            _ => Command::JudgeItems(Judgements {
                case,
                version,
                judgements: vec![Judgement {
                    rule: "site.closed".parse().unwrap(),
                    verdict: Verdict::NotMet,
                    evidence: None,
                    note: Some("確認できない".into()),
                    documents: vec![],
                }],
            }),
        },
        _ => Command::LapseCase(AnyCase { case }),
    }
}

pub(crate) fn officer() -> Officer {
    Officer::new("佐藤 花子", Some("03-1234-5678"), None).unwrap()
}

/// The shipped rules.
pub(crate) fn publish() -> Command {
    Command::PublishRules {
        files: iryonet_rules::shipped::VERSION_1
            .iter()
            .map(|(name, text)| RuleText::new(name, text))
            .collect(),
    }
}

/// The tables that the ledger alone gives, the chain being verified on the way.
pub(crate) fn replayed(reader: &dyn Reader) -> Result<MemoryTables, StoreError> {
    let mut memory = MemoryTables::default();
    let mut verifier = Verifier::new();
    let mut from = 1;
    loop {
        // Pages smaller than the ledger, so that paging is under test too.
        let page = reader.entries(from, 7)?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            verifier.take(&entry).unwrap();
            from = entry.sequence + 1;
            if let iryonet_ledger::Outcome::Accepted { events } = &entry.outcome {
                for event in serde_json::from_str::<Vec<Event>>(events).unwrap() {
                    apply(&mut memory, &event, entry.at).unwrap();
                }
            }
        }
    }
    verifier.finish(Some(reader.tip()?)).unwrap();
    Ok(memory)
}

/// Insists that every listing and every way to look up says what memory says.
pub(crate) fn assert_same(store: &dyn Store, memory: &MemoryTables, now: UnixMillis) {
    look(store, |reader| {
        let all = usize::MAX;
        let query = ParticipantQuery::default();
        assert_eq!(
            reader.participants(&query, None, all)?,
            memory.participants().cloned().collect::<Vec<_>>()
        );
        assert_eq!(
            reader.gateways()?,
            memory.gateways().cloned().collect::<Vec<_>>()
        );
        assert_eq!(
            reader.lines(None, all)?,
            memory.lines().cloned().collect::<Vec<_>>()
        );
        assert_eq!(
            reader.services(None, all)?,
            memory.services().cloned().collect::<Vec<_>>()
        );
        assert_eq!(
            reader.agreements(&AgreementQuery::default(), None, all)?,
            memory.agreements().cloned().collect::<Vec<_>>()
        );
        let mut sites = Vec::new();
        reader.each_site(&mut |site| {
            sites.push(site);
            Ok(())
        })?;
        assert_eq!(sites, memory.sites().cloned().collect::<Vec<_>>());
        let mut devices = Vec::new();
        reader.each_unrevoked_device(&mut |device| {
            devices.push(device);
            Ok(())
        })?;
        assert_eq!(
            devices,
            memory
                .devices()
                .filter(|device| device.revoked.is_none())
                .cloned()
                .collect::<Vec<_>>()
        );
        let mut agreements = Vec::new();
        reader.each_accepted_agreement(&mut |agreement| {
            agreements.push(agreement);
            Ok(())
        })?;
        assert_eq!(
            agreements,
            memory
                .agreements()
                .filter(|it| it.state == iryonet_registry::AgreementState::Accepted)
                .cloned()
                .collect::<Vec<_>>()
        );
        assert_eq!(
            reader.cases(&CaseQuery::default(), None, all)?,
            memory.cases().cloned().collect::<Vec<_>>()
        );
        assert_eq!(
            reader.all_rules()?,
            memory.all_rules().cloned().collect::<Vec<_>>()
        );
        let mut revoked = Vec::new();
        reader.each_revoked(&mut |certificate| {
            revoked.push(certificate.serial);
            Ok(())
        })?;
        let mut expected: Vec<Serial> = memory
            .devices()
            .filter(|it| it.revoked.is_some())
            .map(|it| it.serial.clone())
            .chain(
                memory
                    .gateway_certificates()
                    .filter(|it| it.revoked.is_some())
                    .map(|it| it.serial.clone()),
            )
            .collect();
        expected.sort();
        assert_eq!(revoked, expected);
        for code in memory.enrolment_codes() {
            assert_eq!(reader.enrolment_code(&code.code_hash)?.as_ref(), Some(code));
        }
        assert_eq!(
            reader.accounts(&AccountQuery::default(), None, all)?,
            memory.accounts().cloned().collect::<Vec<_>>()
        );
        for applicant in memory.applicants() {
            assert_eq!(reader.applicant(applicant.code)?.as_ref(), Some(applicant));
        }
        for certificate in memory.gateway_certificates() {
            assert_eq!(
                reader
                    .gateway_certificate(certificate.fingerprint)?
                    .as_ref(),
                Some(certificate)
            );
        }
        same_view(reader, memory, now);
        Ok(())
    })
    .unwrap();
}

/// Every question of a decision, about every name of the small world.
fn same_view(reader: &dyn Reader, memory: &MemoryTables, now: UnixMillis) {
    use iryonet_registry::View;
    macro_rules! same {
        ($method:ident ( $($argument:expr),* )) => {
            assert_eq!(
                View::$method(reader, $($argument),*).unwrap(),
                memory.$method($($argument),*).unwrap(),
                stringify!($method)
            )
        };
    }
    same!(network());
    for n in 0..6 {
        same!(account(&account(n)));
        same!(account_of_login(&login(n)));
        same!(accounts_of(SpeaksFor::Participant(number(n.into()))));
        same!(accounts_of(SpeaksFor::Application(CaseId(u64::from(n)))));
    }
    for role in Role::ALL {
        same!(active_accounts(role));
    }
    same!(gateway_count());
    same!(last_line());
    same!(last_service());
    same!(last_agreement());
    same!(last_case());
    same!(latest_rules());
    same!(rules(RuleVersion(1)));
    same!(recheck_state());
    for n in 0..6u8 {
        same!(gateway(&gateway(n)));
        same!(gateway_of_block(n));
        same!(last_number(n));
        same!(gateway_of_backbone(
            format!("2001:db8::{n:x}").parse().unwrap()
        ));
        same!(valid_gateway_certificates(&gateway(n), now));
        same!(line(LineId(u32::from(n))));
        same!(line_at(&Circuit {
            gateway: gateway(1),
            interface: format!("line{n}"),
        }));
        same!(agreement(AgreementId(u64::from(n))));
        same!(case(CaseId(u64::from(n))));
        same!(open_admission_of(code(u16::from(n))));
        same!(service_by_dns(&format!("s{n}.example.jp").parse().unwrap()));
        same!(holder_of_code(code(u16::from(n))));
        same!(waiting_codes(&Subject::Gateway(gateway(n)), now));
        let participant = number(u32::from(n));
        same!(participant(participant));
        same!(sites_of(participant));
        same!(open_cases_of(participant));
        same!(recheck_subjects(slot_of(participant)));
        same!(lines_of(participant));
        same!(services_of(participant));
        same!(open_agreements_of(participant, 2));
        same!(valid_devices(participant, now));
        same!(last_device(participant));
        same!(waiting_codes(&Subject::Participant(participant), now));
        for m in 0..6u8 {
            let service = ServiceId::new(u32::from(m) + 1).unwrap();
            same!(site(participant, m));
            same!(device(participant, DeviceId(u32::from(m))));
            same!(open_agreement(participant, service));
            same!(service(service));
            same!(open_agreements_about(service, 2));
            same!(service_at(&endpoint(u32::from(n), 443 + u16::from(m))));
        }
    }
    for n in 0..96u8 {
        let facts = certificate(n, now);
        same!(serial_is_used(&facts.serial));
        same!(device_by_fingerprint(facts.fingerprint));
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
