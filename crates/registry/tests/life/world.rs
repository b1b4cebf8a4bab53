//! A network with one gateway, the shipped rules, and the people of a center.

use iryonet_domain::{
    Actor, CaseId, DeviceId, Digest, Fingerprint, InstitutionCode, InstitutionKind, LineKind,
    Officer, ParticipantKind, ParticipantNumber, Prefecture, ScoreTable, UnixMillis,
};
use iryonet_registry::case::command::{
    ApproveCase, CaseReason, ConcludeExamination, Judgements, ReceiveApplication, SeenCase,
};
use iryonet_registry::case::{
    Admission, Application, Document, Judgement, Recommendation, SiteWish, Verdict,
};
use iryonet_registry::rules::RuleText;
use iryonet_registry::{
    Case, CaseEvent, CertificateFacts, CodeHash, Command, DecideError, Event, Home, MemoryTables,
    Participant, Refusal, Serial, Subject, View, apply, decide,
};
use iryonet_rules::shipped::VERSION_1;
use iryonet_rules::{EvidenceKind, Profile, Rule, RuleSet};

pub(crate) const BEGIN: UnixMillis = UnixMillis(1_756_000_000_000);
pub(crate) const DAY_MS: u64 = 86_400_000;
pub(crate) const CLINIC: ParticipantKind = ParticipantKind::Institution(InstitutionKind::Clinic);

/// The people, each with their duty.
pub(crate) const SATO: &str = "officer:sato";
pub(crate) const KATO: &str = "examiner:kato";
pub(crate) const ONO: &str = "examiner:ono";
pub(crate) const MORI: &str = "approver:mori";
pub(crate) const SUZUKI: &str = "operator:suzuki";
pub(crate) const ITO: &str = "security-officer:ito";
pub(crate) const CENTER: &str = "system:center-1";

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) tables: MemoryTables,
    pub(crate) now: UnixMillis,
    given: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            tables: MemoryTables::default(),
            now: BEGIN,
            given: 0,
        };
        world.must(
            CENTER,
            &Command::FoundNetwork {
                network: "2001:db8::/32".parse().unwrap(),
            },
        );
        world.must(
            SUZUKI,
            &Command::RegisterGateway {
                gateway: "gw-east-1".parse().unwrap(),
                backbone: "2001:db8::1".parse().unwrap(),
                blocks: vec![1],
            },
        );
        world
    }

    /// With the shipped rules published.
    pub(crate) fn with_rules() -> Self {
        let mut world = Self::new();
        world.must(ITO, &publish(&VERSION_1));
        world
    }

    pub(crate) fn act(&mut self, actor: &str, command: &Command) -> Result<Vec<Event>, Refusal> {
        let actor: Actor = actor.parse().unwrap();
        match decide(&self.tables, &actor, command, self.now) {
            Ok(events) => {
                for event in &events {
                    // As it stands in the ledger, years later.
                    let line = serde_json::to_string(event).unwrap();
                    let read: Event = serde_json::from_str(&line).unwrap();
                    assert_eq!(&read, event);
                    apply(&mut self.tables, &read, self.now).unwrap();
                }
                Ok(events)
            }
            Err(DecideError::Refused(refusal)) => {
                assert!(!refusal.ja().is_empty() && !refusal.to_string().is_empty());
                Err(refusal)
            }
            Err(DecideError::View(error)) => panic!("{error}"),
        }
    }

    pub(crate) fn must(&mut self, actor: &str, command: &Command) -> Vec<Event> {
        self.act(actor, command)
            .unwrap_or_else(|refusal| panic!("{actor}: {command:?}: {refusal}"))
    }

    /// The name of the refusal.
    pub(crate) fn refused(&mut self, actor: &str, command: &Command) -> &'static str {
        match self.act(actor, command) {
            Err(refusal) => refusal.code(),
            Ok(events) => panic!("{actor}: {command:?} was done: {events:?}"),
        }
    }

    pub(crate) fn pass(&mut self, milliseconds: u64) {
        self.now = self.now.plus_ms(milliseconds);
    }

    pub(crate) fn case(&self, case: CaseId) -> Case {
        self.tables.case(case).unwrap().unwrap()
    }

    pub(crate) fn seen(&self, case: CaseId) -> SeenCase {
        let version = self.case(case).version;
        SeenCase { case, version }
    }

    pub(crate) fn participant(&self, number: ParticipantNumber) -> Participant {
        self.tables.participant(number).unwrap().unwrap()
    }

    pub(crate) fn receive(&mut self, actor: &str, wish: ReceiveApplication) -> CaseId {
        let events = self.must(actor, &Command::ReceiveApplication(wish));
        match &events[..] {
            [Event::Case(CaseEvent::CaseReceived { case, .. })] => *case,
            other => panic!("{other:?}"),
        }
    }

    /// Accepted and in examination by Kato.
    pub(crate) fn examine(&mut self, case: CaseId) {
        let seen = self.seen(case);
        self.must(KATO, &Command::AcceptApplication(seen));
        let seen = self.seen(case);
        self.must(KATO, &Command::BeginExamination(seen));
    }

    /// The items of a case, as its rules have them.
    pub(crate) fn items(&self, case: CaseId, opening: bool) -> Vec<Rule> {
        let case = self.case(case);
        let published = self.tables.rules(case.rules.unwrap()).unwrap().unwrap();
        let set: RuleSet = published.read().unwrap();
        let kind = match (&case.application, case.participant) {
            (Application::Admission(wish), _) => wish.participant_kind,
            (_, Some(number)) => self.participant(number).kind,
            (_, None) => panic!("a case about nobody"),
        };
        let mut lines = case.lines_wanted();
        if let Some(number) = case.participant {
            let of = self.tables.lines_of(number).unwrap();
            lines.extend(of.iter().map(|line| line.kind));
        }
        let profile = Profile {
            kind,
            lines: &lines,
            case: case.kind(),
        };
        if opening {
            set.opening_items(profile).cloned().collect()
        } else {
            set.items(profile).cloned().collect()
        }
    }

    /// What an examiner says who finds everything in order.
    pub(crate) fn all_met(&self, case: CaseId, opening: bool) -> Vec<Judgement> {
        let sha256 = self.case(case).documents.first().map(|d| d.sha256);
        self.items(case, opening)
            .iter()
            .map(|rule| match_evidence(rule, sha256))
            .collect()
    }

    pub(crate) fn judge(&mut self, actor: &str, case: CaseId, judgements: Vec<Judgement>) {
        let SeenCase { case, version } = self.seen(case);
        let wish = Judgements {
            case,
            version,
            judgements,
        };
        self.must(actor, &Command::JudgeItems(wish));
    }

    pub(crate) fn conclude(&mut self, actor: &str, case: CaseId) {
        let command = self.conclusion(case, Recommendation::Approve, None);
        self.must(actor, &command);
    }

    pub(crate) fn conclusion(
        &self,
        case: CaseId,
        recommendation: Recommendation,
        note: Option<&str>,
    ) -> Command {
        let SeenCase { case, version } = self.seen(case);
        Command::ConcludeExamination(ConcludeExamination {
            case,
            version,
            recommendation,
            note: note.map(str::to_owned),
        })
    }

    pub(crate) fn approval(&self, case: CaseId) -> Command {
        let SeenCase { case, version } = self.seen(case);
        let admission = matches!(self.case(case).application, Application::Admission(_));
        Command::ApproveCase(ApproveCase {
            case,
            version,
            home: admission.then_some(Home::Block(1)),
        })
    }

    pub(crate) fn rejection(&self, case: CaseId, reason: &str) -> Command {
        let SeenCase { case, version } = self.seen(case);
        Command::RejectCase(CaseReason {
            case,
            version,
            reason: reason.to_owned(),
        })
    }

    /// Examined by Kato with everything in order.
    pub(crate) fn approve_up_to_decision(&mut self, case: CaseId) {
        self.examine(case);
        let judgements = self.all_met(case, false);
        self.judge(KATO, case, judgements);
        self.conclude(KATO, case);
    }

    /// From its receipt to its approval, by Kato and Mori.
    pub(crate) fn approve(&mut self, case: CaseId) -> Vec<Event> {
        self.approve_up_to_decision(case);
        let approval = self.approval(case);
        self.must(MORI, &approval)
    }

    /// A code is handed out and turned into a certificate.
    pub(crate) fn enrol(&mut self, participant: ParticipantNumber) -> DeviceId {
        self.given += 1;
        let code_hash = CodeHash::try_from(format!("{:064x}", self.given)).unwrap();
        self.must(
            SUZUKI,
            &Command::IssueEnrolmentCode {
                subject: Subject::Participant(participant),
                code_hash: code_hash.clone(),
                expires_at: self.now.plus_ms(DAY_MS),
            },
        );
        let last = self.tables.last_device(participant).unwrap();
        let device = DeviceId(last.map_or(1, |last| last.0 + 1));
        self.given += 1;
        let certificate = CertificateFacts {
            fingerprint: print(self.given),
            serial: Serial::from_octets(&self.given.to_be_bytes()).unwrap(),
            not_before: self.now,
            not_after: self.now.plus_ms(365 * DAY_MS),
        };
        self.must(
            CENTER,
            &Command::EnrolDevice {
                code_hash,
                device,
                certificate,
            },
        );
        device
    }

    pub(crate) fn test_and_open(&mut self, case: CaseId) {
        let SeenCase { case, version } = self.seen(case);
        let judgements = self.all_met(case, true);
        let wish = Judgements {
            case,
            version,
            judgements,
        };
        self.must(SUZUKI, &Command::RecordOpeningTest(wish));
        let seen = self.seen(case);
        self.must(SUZUKI, &Command::OpenConnection(seen));
    }

    /// A clinic that went the whole way; its number.
    pub(crate) fn open_clinic(&mut self, n: u16) -> ParticipantNumber {
        let case = self.receive(SATO, application(n));
        self.approve(case);
        let number = self.case(case).participant.unwrap();
        self.enrol(number);
        self.test_and_open(case);
        number
    }

    /// Admitted by the machine, without a case.
    pub(crate) fn admit(&mut self, kind: ParticipantKind, name: &str) -> ParticipantNumber {
        let events = self.must(
            CENTER,
            &Command::AdmitParticipant {
                kind,
                name: name.to_owned(),
                code: None,
                home: Home::Block(1),
            },
        );
        match &events[..] {
            [Event::ParticipantAdmitted { number, .. }] => *number,
            other => panic!("{other:?}"),
        }
    }

    /// About a participant that is there.
    pub(crate) fn about(
        &mut self,
        participant: ParticipantNumber,
        application: Application,
    ) -> CaseId {
        self.receive(
            SUZUKI,
            ReceiveApplication {
                participant: Some(participant),
                application,
                officer: Some(officer()),
                documents: vec![document(1)],
            },
        )
    }
}

/// By the first kind of evidence that a person, or the center, can bring.
pub(crate) fn match_evidence(rule: &Rule, sha256: Option<Digest>) -> Judgement {
    let by_hand = rule.evidence.iter().find(|kind| !kind.is_automatic());
    let evidence = *by_hand.unwrap_or(&rule.evidence[0]);
    Judgement {
        rule: rule.id.clone(),
        verdict: Verdict::Met,
        evidence: Some(evidence),
        note: None,
        documents: match evidence {
            EvidenceKind::Document => sha256.into_iter().collect(),
            _ => Vec::new(),
        },
    }
}

pub(crate) fn publish(files: &[(&str, &str)]) -> Command {
    Command::PublishRules {
        files: files
            .iter()
            .map(|(name, text)| RuleText::new(name, text))
            .collect(),
    }
}

pub(crate) fn code(n: u16) -> InstitutionCode {
    InstitutionCode::generate(Prefecture::new(13).unwrap(), ScoreTable::Medical, 1, n)
}

pub(crate) fn print(n: u64) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Fingerprint(bytes)
}

pub(crate) fn document(n: u8) -> Document {
    Document {
        sha256: Digest([n; 32]),
        name: format!("開設届の写し{n}.pdf"),
        media_type: "application/pdf".to_owned(),
        bytes: 120_000,
    }
}

pub(crate) fn officer() -> Officer {
    Officer::new(
        "佐藤 花子",
        Some("03-1234-5678"),
        Some("sato@clinic.example.jp"),
    )
    .unwrap()
}

pub(crate) fn admission(n: u16) -> Admission {
    Admission {
        participant_kind: CLINIC,
        name: format!("さくら診療所{n}"),
        code: Some(code(n)),
        area: None,
        sites: vec![SiteWish {
            name: "本院".to_owned(),
            lines: vec![LineKind::Ethernet],
        }],
        services: Vec::new(),
    }
}

pub(crate) fn application(n: u16) -> ReceiveApplication {
    ReceiveApplication {
        participant: None,
        application: Application::Admission(admission(n)),
        officer: Some(officer()),
        documents: vec![document(1), document(2)],
    }
}
