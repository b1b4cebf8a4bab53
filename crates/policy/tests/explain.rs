//! "Why can A (not) reach B?": the answer against the plain rule, and its words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: a broken fixture may stop a test at once"
)]

mod plain;

use iryonet_domain::*;
use iryonet_policy::{Explanation, Finding, Model, Target};
use iryonet_registry::{AgreementState, Event};
use iryonet_wire::feed::Condition;
use plain::history::{act, entries, history};
use plain::*;
use proptest::prelude::*;

/// The rule of the network in one place, from rows alone.
fn may_reach(plain: &Plain, from: ParticipantNumber, to: &Endpoint, now: u64) -> bool {
    let attached = |n: ParticipantNumber, site: Option<u8>| {
        plain.participants.contains_key(&n)
            && plain.condition(n) == Condition::Live
            && (plain.devices.values()).any(|d| d.participant == n && now < d.not_after.0)
            && (plain.lines.values())
                .any(|l| l.participant == n && site.is_none_or(|site| l.site == site))
    };
    let Some(service) = plain.services.values().find(|s| s.endpoints.contains(to)) else {
        return false;
    };
    let in_force = plain
        .agreements
        .get(&(from, service.service))
        .is_some_and(|a| {
            a.state == AgreementState::Accepted && a.validity.holds_at(UnixMillis(now))
        });
    in_force && attached(from, None) && attached(service.provider, Some(to.address.octets()[7]))
}

/// Does what decides fit what the gateway counts?
fn fits(explanation: &Explanation) -> bool {
    let Some(check) = explanation.checks.iter().find(|c| c.verdict != "pass") else {
        return explanation.findings.is_empty();
    };
    let Some(first) = explanation.findings.first() else {
        return false;
    };
    use Finding as F;
    match (check.hook, check.verdict) {
        ("line-in", "not-attached") => matches!(
            first.finding,
            F::UnknownParticipant { .. }
                | F::Closed { .. }
                | F::Quarantined { .. }
                | F::NotOpenYet { .. }
                | F::Suspended { .. }
                | F::OnHold { .. }
                | F::NoDevice { .. }
                | F::DevicesRunOut { .. }
                | F::NoLine { site: None, .. }
        ),
        ("line-in", "quarantined") => matches!(first.finding, F::Quarantined { .. }),
        ("line-in", "no-such-service") => first.finding == F::NoSuchService,
        ("line-in", "port-not-in-service") => matches!(first.finding, F::WrongPort { .. }),
        ("line-in", "no-agreement") => matches!(
            first.finding,
            F::NoAgreement { .. }
                | F::NotAccepted { .. }
                | F::NotYetValid { .. }
                | F::NoLongerValid { .. }
        ),
        ("line-in", "not-live") => matches!(
            first.finding,
            F::NotOpenYet { .. } | F::Suspended { .. } | F::OnHold { .. }
        ),
        ("line-in", "peer-not-live") => matches!(
            first.finding,
            F::Quarantined { .. }
                | F::NoDevice { .. }
                | F::NotOpenYet { .. }
                | F::Suspended { .. }
                | F::OnHold { .. }
        ),
        ("line-out", "not-attached") => matches!(
            first.finding,
            F::NoLine { site: Some(_), .. } | F::DevicesRunOut { .. }
        ),
        ("line-in", "outside-network") => first.finding == F::OutsideNetwork,
        ("line-in", "not-a-base-service") => first.finding == F::Infrastructure,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_and_the_words_agree_with_the_rule_for_everybody_and_everything(
        more in entries(),
        now in 0u64..1500,
        strange in any::<bool>(),
    ) {
        let mut plain = Plain::default();
        let mut model = Model::new(network());
        for (index, entry) in history(more).into_iter().enumerate() {
            let events: Vec<Event> = entry.into_iter().flat_map(|a| act(&mut plain, a)).collect();
            model.apply(index as u64 + 1, &events);
        }
        let numbers: Vec<_> = plain.participants.keys().copied().chain([number(9)]).collect();
        let mut targets: Vec<Endpoint> = Vec::new();
        for provider in &numbers {
            targets.extend([(0, 80), (0, 81), (1, 80), (1, 81)].map(|(h, p)| endpoint(*provider, h, p)));
        }
        if strange {
            for address in [network().infrastructure(1, 1), "2001:db9::1".parse().unwrap()] {
                targets.push(Endpoint { address, protocol: Protocol::Udp, port: 53 });
            }
        }
        for from in numbers {
            for to in &targets {
                let said = model.explain(from, Target::Endpoint(*to), UnixMillis(now));
                prop_assert_eq!(said.reachable, may_reach(&plain, from, to, now), "{:#?}", said);
                prop_assert!(fits(&said), "{:#?}", said);
            }
            for (id, service) in &plain.services {
                let said = model.explain(from, Target::Service(*id), UnixMillis(now));
                let all = !service.endpoints.is_empty()
                    && service.endpoints.iter().all(|to| may_reach(&plain, from, to, now));
                prop_assert_eq!(said.reachable, all, "{:#?}", said);
            }
        }
    }
}

/// A clinic and a provider, each with a line and a device, and a service.
fn two() -> (Model, u64) {
    let mut model = Model::new(network());
    let mut revision = 0;
    let mut tell = |event: Event| {
        revision += 1;
        model.apply(revision, &[event]);
    };
    for (index, name) in ["east", "west"].into_iter().enumerate() {
        tell(Event::GatewayRegistered {
            gateway: name.parse().unwrap(),
            backbone: network().infrastructure(1, index as u64 + 1),
            blocks: vec![index as u8 + 1],
        });
        let n = number((index as u32 + 1) << 16);
        tell(Event::ParticipantAdmitted {
            number: n,
            kind: ParticipantKind::Provider,
            name: "名".into(),
            code: None,
            area: None,
        });
        tell(Event::LineAdded {
            line: LineId(index as u32),
            kind: LineKind::Ethernet,
            participant: n,
            site: 0,
            circuit: Circuit {
                gateway: name.parse().unwrap(),
                interface: "ac0".into(),
            },
        });
        tell(Event::DeviceEnrolled {
            participant: n,
            device: DeviceId(1),
            fingerprint: Fingerprint([index as u8; 32]),
            serial: serial(),
            not_before: UnixMillis(0),
            not_after: UnixMillis(u64::MAX),
        });
    }
    tell(Event::ServiceRegistered {
        service: ServiceId::new(1).unwrap(),
        provider: number(2 << 16),
        name: "電子紹介状".into(),
        class: TrafficClass::Interactive,
        purposes: vec![Purpose::REFERRAL],
        endpoints: vec![
            endpoint(number(2 << 16), 0x10, 443),
            Endpoint {
                protocol: Protocol::Udp,
                ..endpoint(number(2 << 16), 0x10, 443)
            },
            Endpoint {
                protocol: Protocol::Echo,
                port: 0,
                ..endpoint(number(2 << 16), 0x10, 443)
            },
        ],
        eligible: vec![],
    });
    (model, revision)
}

#[test]
fn the_answer_names_the_agreement_that_opens_the_path_or_what_is_missing() {
    let (mut model, mut revision) = two();
    let clinic = number(1 << 16);
    let service = ServiceId::new(1).unwrap();
    let at = |secs: u64| UnixMillis(secs * 1_000);
    let ask = |model: &Model, now| model.explain(clinic, "1".parse().unwrap(), now);

    let said = ask(&model, at(0));
    assert!(!said.reachable);
    assert_eq!(
        said.english,
        "No. There is no agreement about service 1 with its provider, participant 131072."
    );
    assert_eq!(
        said.japanese,
        "到達できません。サービス1について、提供事業者（参加者131072）との利用合意がありません。"
    );

    let validity = Validity {
        from: at(1_775_001_600),
        until: at(1_806_537_600),
    };
    let mut tell = |model: &mut Model, event| {
        revision += 1;
        model.apply(revision, &[event]);
    };
    tell(
        &mut model,
        Event::AgreementProposed {
            agreement: AgreementId(7),
            participant: clinic,
            service,
            purpose: Purpose::REFERRAL,
            validity,
            by: clinic,
            officer: None,
        },
    );
    let said = ask(&model, at(1_775_001_600));
    assert_eq!(
        said.english,
        "No. Agreement 7 is proposed; participant 131072 has not accepted it yet."
    );
    tell(
        &mut model,
        Event::AgreementAccepted {
            agreement: AgreementId(7),
            participant: clinic,
            service,
            validity,
            by: number(2 << 16),
            officer: None,
            automatic: false,
        },
    );
    let said = ask(&model, at(1_775_001_599));
    assert_eq!(
        said.english,
        "No. Agreement 7 begins at 2026-04-01 09:00 JST."
    );
    let said = ask(&model, at(1_775_001_600));
    assert!(said.reachable);
    assert_eq!(
        said.japanese,
        "到達できます。利用合意7（referral）により、参加者65536に2027-04-01 09:00 JSTまで開かれています。"
    );
    // Two locks for each endpoint, each at its own gateway.
    let locks: Vec<_> = (said.checks.iter())
        .map(|c| (c.gateway.as_ref().unwrap().to_string(), c.hook, c.verdict))
        .collect();
    let [near, far] = [("east", "line-in"), ("west", "line-out")]
        .map(|(gateway, hook)| (gateway.to_owned(), hook, "pass"));
    assert_eq!(
        locks,
        [
            near.clone(),
            far.clone(),
            near.clone(),
            far.clone(),
            near,
            far
        ]
    );
    let said = ask(&model, at(1_806_537_600));
    assert_eq!(
        said.english,
        "No. Agreement 7 ended at 2027-04-01 09:00 JST."
    );

    let wrong = "tcp:[2001:db8:200::10]:22".parse().unwrap();
    let said = model.explain(clinic, wrong, at(1_775_001_600));
    let json = serde_json::to_value(&said).unwrap();
    assert_eq!(json["findings"][0]["code"], "wrong-port");
    assert_eq!(
        json["findings"][0]["offered"][0],
        "tcp [2001:db8:200::10]:443"
    );
    assert_eq!(json["checks"][0]["verdict"], "port-not-in-service");
    assert_eq!(json["to"], "tcp:[2001:db8:200::10]:22");
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let (mut model, revision) = two();
    let clinic = number(1 << 16);
    model.apply(
        revision + 1,
        &[
            Event::ParticipantQuarantined {
                participant: clinic,
                reason: "疑い".into(),
            },
            Event::ParticipantQuarantined {
                participant: number(2 << 16),
                reason: "疑い".into(),
            },
        ],
    );
    let said = model.explain(clinic, "1".parse().unwrap(), UnixMillis(1));
    let codes: Vec<_> = (said.findings.iter())
        .map(|f| serde_json::to_value(f).unwrap()["code"].clone())
        .collect();
    assert_eq!(codes, ["quarantined", "no-agreement", "quarantined"]);
    assert_eq!(said.checks[0].verdict, "quarantined");
    let said = model.explain(clinic, "99".parse().unwrap(), UnixMillis(1));
    assert_eq!(
        said.english,
        "No. There is no service 99: never registered, or retired."
    );
}
