//! アカウント: who holds which role, who decides it, and that nobody decides it
//! for themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{
    AgreementId, Endpoint, InstitutionKind, ParticipantKind, ParticipantNumber, Protocol, Purpose,
    Role, ServiceId, TrafficClass, UnixMillis, Validity,
};
use iryonet_registry::limits::{ACCOUNTS_PER_PARTICIPANT, LOCK_OUT_MAX_MS, LOGIN_CODE_LIFE_MAX_MS};
use iryonet_registry::{
    Account, AccountStanding, Command, DecideError, Event, Home, Login, LoginMethod, MemoryTables,
    Refusal, SpeaksFor, View, apply, decide,
};

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

struct World(MemoryTables);

impl World {
    /// Two clinics and a provider, a security officer, and one officer each.
    fn new() -> Self {
        let mut world = Self(MemoryTables::default());
        world.must(
            "system:suite",
            &Command::FoundNetwork {
                network: "2001:db8::/32".parse().unwrap(),
            },
        );
        world.must(
            "operator:suzuki",
            &Command::RegisterGateway {
                gateway: "gw-a".parse().unwrap(),
                backbone: "2001:db8::1".parse().unwrap(),
                blocks: vec![1],
            },
        );
        let clinic = ParticipantKind::Institution(InstitutionKind::Clinic);
        for kind in [clinic, clinic, ParticipantKind::Provider] {
            world.must(
                "system:suite",
                &Command::AdmitParticipant {
                    kind,
                    name: "さくら".to_owned(),
                    code: None,
                    home: Home::Block(1),
                },
            );
        }
        // At the machine itself: there is no account yet.
        world.must(
            "security-officer:console",
            &create("kuroda", &[Role::SecurityOfficer], None),
        );
        for (n, name) in ["tanaka", "nakata", "teikyo"].into_iter().enumerate() {
            world.must("security-officer:kuroda", &officer(name, n as u32));
        }
        world
    }

    fn act(&mut self, actor: &str, command: &Command) -> Result<Vec<Event>, Refusal> {
        match decide(&self.0, &actor.parse().unwrap(), command, NOW) {
            Ok(events) => {
                for event in &events {
                    apply(&mut self.0, event, NOW).unwrap();
                }
                Ok(events)
            }
            Err(DecideError::Refused(refusal)) => {
                assert!(!refusal.ja().is_empty());
                Err(refusal)
            }
            Err(DecideError::View(error)) => panic!("{error}"),
        }
    }

    fn must(&mut self, actor: &str, command: &Command) -> Vec<Event> {
        self.act(actor, command)
            .unwrap_or_else(|refusal| panic!("{actor} {command:?}: {refusal}"))
    }

    fn refused(&mut self, actor: &str, command: &Command) -> &'static str {
        match self.act(actor, command) {
            Ok(events) => panic!("{actor} {command:?}: {events:?}"),
            Err(refusal) => refusal.code(),
        }
    }

    fn account(&self, name: &str) -> Account {
        self.0.account(&name.parse().unwrap()).unwrap().unwrap()
    }
}

fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(0x1_0000 + n).unwrap()
}

fn create(name: &str, roles: &[Role], speaks_for: Option<SpeaksFor>) -> Command {
    Command::CreateAccount {
        account: name.parse().unwrap(),
        person: format!("{name} さん"),
        roles: roles.to_vec(),
        speaks_for,
    }
}

fn officer(name: &str, of: u32) -> Command {
    create(
        name,
        &[Role::Officer],
        Some(SpeaksFor::Participant(number(of))),
    )
}

fn grant(name: &str, role: Role) -> Command {
    Command::GrantRole {
        account: name.parse().unwrap(),
        role,
    }
}

fn take(name: &str, role: Role) -> Command {
    Command::TakeRole {
        account: name.parse().unwrap(),
        role,
    }
}

fn lock(name: &str) -> Command {
    Command::LockAccount {
        account: name.parse().unwrap(),
        reason: "休職".to_owned(),
    }
}

fn unlock(name: &str) -> Command {
    Command::UnlockAccount {
        account: name.parse().unwrap(),
    }
}

fn retire(name: &str) -> Command {
    Command::RetireAccount {
        account: name.parse().unwrap(),
        reason: "退職".to_owned(),
    }
}

const KURODA: &str = "security-officer:kuroda";

#[test]
fn nobody_decides_about_their_own_account() {
    let mut world = World::new();
    world.must(KURODA, &create("shiro", &[Role::SecurityOfficer], None));
    for command in [
        grant("kuroda", Role::Operator),
        take("kuroda", Role::SecurityOfficer),
        lock("kuroda"),
        retire("kuroda"),
        Command::HandOutLoginCode {
            account: "kuroda".parse().unwrap(),
            expires_at: NOW.plus_ms(1_000),
        },
        Command::LinkLogin {
            account: "kuroda".parse().unwrap(),
            login: login("x"),
        },
    ] {
        assert_eq!(world.refused(KURODA, &command), "own-account");
    }
    world.must("security-officer:shiro", &grant("kuroda", Role::Operator));
    assert_eq!(
        world.account("kuroda").roles,
        [Role::Operator, Role::SecurityOfficer]
    );
}

#[test]
fn the_last_security_officer_in_service_stays() {
    let mut world = World::new();
    // Nobody at the machine can take it away either.
    for command in [
        take("kuroda", Role::SecurityOfficer),
        lock("kuroda"),
        retire("kuroda"),
    ] {
        assert_eq!(
            world.refused("security-officer:console", &command),
            "last-security-officer"
        );
    }
    world.must(KURODA, &create("shiro", &[Role::SecurityOfficer], None));
    world.must(KURODA, &lock("shiro"));
    // One that is locked is not in service.
    assert_eq!(
        world.refused("security-officer:console", &lock("kuroda")),
        "last-security-officer"
    );
    world.must(KURODA, &unlock("shiro"));
    world.must("security-officer:shiro", &retire("kuroda"));
    assert_eq!(world.account("kuroda").standing, AccountStanding::Retired);
    assert_eq!(
        world.refused(
            "security-officer:shiro",
            &create("kuroda", &[Role::Auditor], None)
        ),
        "account-exists"
    );
}

#[test]
fn auditor_and_officer_exclude_every_other_role_and_examiner_and_approver_do_not() {
    let mut world = World::new();
    for roles in [
        &[Role::Auditor, Role::Operator][..],
        &[Role::Officer, Role::Examiner],
        &[Role::Auditor, Role::Officer],
    ] {
        assert_eq!(
            world.refused(KURODA, &create("sato", roles, None)),
            "role-alone"
        );
    }
    assert_eq!(
        world.refused(KURODA, &create("sato", &[Role::System], None)),
        "role-of-machines"
    );
    assert_eq!(world.refused(KURODA, &create("sato", &[], None)), "no-role");
    world.must(
        KURODA,
        &create("sato", &[Role::Examiner, Role::Approver], None),
    );
    assert_eq!(
        world.refused(KURODA, &grant("sato", Role::Auditor)),
        "role-alone"
    );
    assert_eq!(
        world.refused(KURODA, &grant("tanaka", Role::Operator)),
        "role-alone"
    );
    assert_eq!(
        world.refused(KURODA, &grant("sato", Role::Examiner)),
        "role-held"
    );
    assert_eq!(
        world.refused(KURODA, &take("sato", Role::Operator)),
        "role-not-held"
    );
}

#[test]
fn an_officer_speaks_for_one_participant_and_the_staff_for_none() {
    let mut world = World::new();
    let sakura = Some(SpeaksFor::Participant(number(0)));
    assert_eq!(
        world.refused(KURODA, &create("x1", &[Role::Officer], None)),
        "officer-of-nobody"
    );
    assert_eq!(
        world.refused(KURODA, &create("x1", &[Role::Examiner], sakura)),
        "staff-speaks-for-nobody"
    );
    assert_eq!(
        world.refused(KURODA, &officer("x1", 99)),
        "participant-unknown"
    );
    let bind = |name: &str, n| Command::BindAccount {
        account: name.parse().unwrap(),
        speaks_for: SpeaksFor::Participant(number(n)),
    };
    assert_eq!(world.refused(KURODA, &bind("tanaka", 0)), "bound-already");
    world.must(KURODA, &bind("tanaka", 1));
    assert_eq!(
        world.account("tanaka").speaks_for,
        Some(SpeaksFor::Participant(number(1)))
    );
    for n in 0..ACCOUNTS_PER_PARTICIPANT {
        world.must(KURODA, &officer(&format!("officer{n}"), 0));
    }
    assert_eq!(
        world.refused(KURODA, &officer("one-more", 0)),
        "too-many-officers"
    );
}

#[test]
fn an_operator_administers_officers_and_not_the_staff() {
    let mut world = World::new();
    world.must(KURODA, &create("suzuki", &[Role::Operator], None));
    world.must(KURODA, &create("sato", &[Role::Approver], None));
    for actor in ["operator:suzuki", "approver:sato"] {
        let name = format!("officer.of.{}", &actor[..3]);
        world.must(actor, &officer(&name, 0));
        world.must(actor, &lock(&name));
        world.must(actor, &unlock(&name));
        world.must(
            actor,
            &Command::HandOutLoginCode {
                account: name.parse().unwrap(),
                expires_at: NOW.plus_ms(LOGIN_CODE_LIFE_MAX_MS),
            },
        );
        assert_eq!(world.refused(actor, &lock("kuroda")), "staff-account");
        assert_eq!(
            world.refused(actor, &create("x1", &[Role::Operator], None)),
            "staff-account"
        );
        assert_eq!(
            world.refused(actor, &grant(&name, Role::Operator)),
            "role-may-not"
        );
        assert_eq!(world.refused(actor, &lock("nobody")), "account-unknown");
    }
}

#[test]
fn a_name_that_is_an_accounts_acts_as_the_account_may() {
    let mut world = World::new();
    world.must(KURODA, &create("suzuki", &[Role::Operator], None));
    let quarantine = Command::QuarantineParticipant {
        participant: number(0),
        reason: "malware".to_owned(),
    };
    assert_eq!(
        world.refused("security-officer:suzuki", &quarantine),
        "role-not-held"
    );
    world.must(KURODA, &lock("suzuki"));
    assert_eq!(
        world.refused("operator:suzuki", &quarantine),
        "account-locked"
    );
    world.must(KURODA, &retire("suzuki"));
    assert_eq!(
        world.refused("operator:suzuki", &quarantine),
        "account-retired"
    );
    // Break-glass: under a name that is nobody's account, at the machine itself.
    world.must("operator:console", &quarantine);
}

#[test]
fn an_officer_acts_for_its_own_participant_and_others_are_as_good_as_not_there() {
    let mut world = World::new();
    let endpoint = |port| Endpoint {
        address: "2001:db8:100:200::10".parse().unwrap(),
        protocol: Protocol::Tcp,
        port,
    };
    let register = |provider| Command::RegisterService {
        provider,
        name: "地域連携".to_owned(),
        class: TrafficClass::Interactive,
        purposes: vec![Purpose::REGIONAL_COLLABORATION],
        endpoints: vec![endpoint(443)],
        eligible: vec![],
        offer: iryonet_registry::Offer::default(),
    };
    assert_eq!(
        world.refused("officer:tanaka", &register(number(2))),
        "speaks-for-another"
    );
    world.must("officer:teikyo", &register(number(2)));
    let service = ServiceId::new(1).unwrap();
    for command in [
        Command::RetireService { service },
        Command::ChangeServiceEndpoints {
            service,
            endpoints: vec![endpoint(80)],
        },
    ] {
        assert_eq!(world.refused("officer:tanaka", &command), "service-unknown");
    }
    let propose = |by| Command::ProposeAgreement {
        participant: number(0),
        service,
        purpose: Purpose::REGIONAL_COLLABORATION,
        validity: Validity {
            from: NOW,
            until: NOW.plus_ms(86_400_000),
        },
        by,
    };
    let agreement = AgreementId(1);
    let accept = |by| Command::AcceptAgreement { agreement, by };
    let end = |by| Command::EndAgreement {
        agreement,
        by,
        at: None,
    };
    assert_eq!(
        world.refused("officer:nakata", &propose(number(0))),
        "speaks-for-another"
    );
    world.must("officer:tanaka", &propose(number(0)));
    // The other side's yes is the other side's to give.
    assert_eq!(
        world.refused("officer:tanaka", &accept(number(2))),
        "speaks-for-another"
    );
    assert_eq!(
        world.refused("officer:tanaka", &accept(number(0))),
        "not-the-other-side"
    );
    assert_eq!(
        world.refused("operator:suzuki", &accept(number(2))),
        "role-may-not"
    );
    // A stranger learns nothing of it.
    for command in [
        accept(number(1)),
        end(Some(number(1))),
        Command::AcceptAgreement {
            agreement: AgreementId(77),
            by: number(1),
        },
    ] {
        assert_eq!(
            world.refused("officer:nakata", &command),
            "agreement-unknown"
        );
    }
    world.must("officer:teikyo", &accept(number(2)));
    assert_eq!(
        world.refused("officer:tanaka", &end(None)),
        "side-not-named"
    );
    world.must("officer:tanaka", &end(Some(number(0))));
}

fn login(subject: &str) -> Login {
    Login {
        issuer: "https://login.example.jp".to_owned(),
        subject: subject.to_owned(),
    }
}

#[test]
fn an_issuers_subject_is_one_persons() {
    let mut world = World::new();
    let link = |name: &str, subject: &str| Command::LinkLogin {
        account: name.parse().unwrap(),
        login: login(subject),
    };
    world.must(KURODA, &link("tanaka", "42"));
    assert_eq!(world.refused(KURODA, &link("nakata", "42")), "login-taken");
    assert_eq!(
        world.0.account_of_login(&login("42")).unwrap(),
        Some("tanaka".parse().unwrap())
    );
    let unlink = Command::UnlinkLogin {
        account: "tanaka".parse().unwrap(),
        login: login("42"),
    };
    world.must(KURODA, &unlink);
    assert_eq!(world.refused(KURODA, &unlink), "login-unknown");
    assert_eq!(world.0.account_of_login(&login("42")).unwrap(), None);
    world.must(KURODA, &link("nakata", "42"));
}

#[test]
fn who_logs_in_is_the_account_and_in_a_role_that_it_holds() {
    let mut world = World::new();
    let log_in = |name: &str| Command::LogIn {
        account: name.parse().unwrap(),
        method: LoginMethod::PasswordAndTotp,
    };
    world.must("officer:tanaka", &log_in("tanaka"));
    assert_eq!(
        world.refused("officer:tanaka", &log_in("nakata")),
        "not-oneself"
    );
    assert_eq!(
        world.refused("operator:tanaka", &log_in("tanaka")),
        "role-not-held"
    );
    assert_eq!(
        world.refused("operator:nobody", &log_in("nobody")),
        "account-unknown"
    );
    world.must(KURODA, &create("kansa", &[Role::Auditor], None));
    world.must("auditor:kansa", &log_in("kansa"));
    world.must(KURODA, &lock("tanaka"));
    assert_eq!(
        world.refused("officer:tanaka", &log_in("tanaka")),
        "account-locked"
    );
}

#[test]
fn what_ends_sessions_changes_the_generation_and_a_stranger_cannot() {
    let mut world = World::new();
    world.must(KURODA, &create("sato", &[Role::Examiner], None));
    let mut before = world.account("sato").generation;
    for command in [
        grant("sato", Role::Approver),
        take("sato", Role::Approver),
        lock("sato"),
        unlock("sato"),
        retire("sato"),
    ] {
        world.must(KURODA, &command);
        let after = world.account("sato").generation;
        assert!(after > before, "{command:?}");
        before = after;
    }
    let lock_out = |until| Command::LockOutAccount {
        account: "tanaka".parse().unwrap(),
        failures: 5,
        from: "192.0.2.1".to_owned(),
        until,
    };
    let before = world.account("tanaka").generation;
    world.must("system:center-1", &lock_out(NOW.plus_ms(30_000)));
    assert_eq!(world.account("tanaka").generation, before);
    assert_eq!(
        world.account("tanaka").locked_out_until,
        Some(NOW.plus_ms(30_000))
    );
    assert_eq!(
        world.refused(
            "system:center-1",
            &lock_out(NOW.plus_ms(LOCK_OUT_MAX_MS + 1))
        ),
        "lock-out-life"
    );
    world.must(KURODA, &unlock("tanaka"));
    assert_eq!(world.account("tanaka").locked_out_until, None);
    assert_eq!(
        world.refused(KURODA, &unlock("tanaka")),
        "account-not-locked"
    );
}
