//! 権限: each role does what its duty is and nothing else; what belongs to
//! others is as good as not there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{Actor, Role, UnixMillis};
use iryonet_registry::permission::{self, Scope};
use iryonet_registry::{Act, Command, DecideError, MemoryTables, Refusal, decide};

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

/// The table that an operating body reads and signs. A change of it is a
/// decision: look at the difference, then write it with IRYONET_WRITE_GOLDEN=1.
#[test]
fn the_table_is_the_one_that_was_agreed() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/roles.txt");
    let printed = permission::printed();
    if std::env::var_os("IRYONET_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap();
    assert!(
        agreed == printed,
        "the table of roles changed; it says now:\n{printed}"
    );
}

/// One command of every sort, as the history's own test keeps them.
fn one_of_each() -> Vec<Command> {
    include_str!("golden/commands.jsonl")
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_wrong_role_is_refused_before_anything_is_looked_at() {
    let nothing_there = MemoryTables::default();
    for command in one_of_each() {
        let act = Act::from(&command);
        for role in Role::ALL {
            let actor = Actor::new(role, "sato").unwrap();
            let decided = decide(&nothing_there, &actor, &command, NOW);
            let refused = matches!(
                &decided,
                Err(DecideError::Refused(
                    Refusal::RoleMayNot { .. } | Refusal::AuditorActs
                ))
            );
            assert_eq!(
                refused,
                permission::may(role, act).is_none(),
                "{role:?} {act:?}: {decided:?}"
            );
        }
    }
}

#[test]
fn the_auditor_changes_nothing() {
    for command in one_of_each() {
        let act = Act::from(&command);
        let may = permission::may(Role::Auditor, act);
        // But come in, go, and keep the own credentials.
        assert!(matches!(may, None | Some(Scope::Oneself)), "{act:?}");
    }
}

#[test]
fn an_act_has_somebody_whose_duty_it_is() {
    for command in one_of_each() {
        let act = Act::from(&command);
        let row = permission::row(act);
        assert!(!row.is_empty(), "{act:?} is nobody's");
        let mut roles: Vec<Role> = row.iter().map(|(role, _)| *role).collect();
        roles.sort();
        roles.dedup();
        assert_eq!(roles.len(), row.len(), "{act:?} names a role twice");
    }
}

#[test]
fn an_officer_who_speaks_for_nobody_does_nothing() {
    let tables = MemoryTables::default();
    let officer: Actor = "officer:tanaka".parse().unwrap();
    for command in one_of_each() {
        let decided = decide(&tables, &officer, &command, NOW);
        assert!(
            matches!(decided, Err(DecideError::Refused(_))),
            "{command:?}: {decided:?}"
        );
    }
}
