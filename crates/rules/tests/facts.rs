//! What gathered facts prove, and what they do not.

#![allow(
    clippy::unwrap_used,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{
    Fingerprint, InstitutionCode, InstitutionKind, ParticipantKind, ParticipantNumber, Prefecture,
    ScoreTable, UnixMillis,
};
use iryonet_rules::Facts;
use iryonet_rules::facts::ReverseAnswer;
use proptest::prelude::*;
use std::net::Ipv6Addr;

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

fn passed(facts: &Facts) -> bool {
    facts.judge(NOW).passed
}

#[test]
fn a_code_of_pharmacies_shows_nothing_about_a_clinic() {
    let code = |table| {
        Some(InstitutionCode::generate(
            Prefecture::new(13).unwrap(),
            table,
            1,
            1,
        ))
    };
    let facts = |code| Facts::CodeCheckDigit {
        participant_kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        code,
    };
    assert!(passed(&facts(code(ScoreTable::Medical))));
    assert!(!passed(&facts(code(ScoreTable::Dispensing))));
    assert!(!passed(&facts(None)));
}

#[test]
fn a_list_that_names_it_no_more_shows_that_it_is_gone() {
    let facts = |listed: Option<&str>, vanished_at| Facts::PublicListPresence {
        name: "さくら診療所".into(),
        listed: listed.map(str::to_owned),
        vanished_at,
    };
    assert!(passed(&facts(Some("さくら　診療所"), None)));
    assert!(passed(&facts(Some("医療法人 さくら診療所"), None)));
    assert!(!passed(&facts(Some("さくら診療所"), Some(NOW))));
    assert!(!passed(&facts(None, None)));
    // The examiner is told of the other name.
    let other = facts(Some("医療法人 さくら診療所"), None).judge(NOW);
    assert!(
        other.text.ja.contains("申請は「さくら診療所」"),
        "{}",
        other.text.ja
    );
}

#[test]
fn one_rule_of_the_profile_that_is_not_met_fails_the_check() {
    let facts = |failed: &[&str]| Facts::TlsCheckOfService {
        target: "referral.example.jp:443".into(),
        profile: "guideline-4.3".into(),
        failed: failed.iter().map(|rule| (*rule).to_owned()).collect(),
    };
    assert!(passed(&facts(&[])));
    let failed = facts(&["tls-1.0-offered"]).judge(NOW);
    assert!(!failed.passed && failed.text.en.contains("tls-1.0-offered"));
}

fn domain(stated: &[Ipv6Addr], found: &[Ipv6Addr]) -> Facts {
    Facts::DomainReverseCheck {
        name: "referral.example.jp".parse().unwrap(),
        stated: stated.to_vec(),
        found: found.to_vec(),
    }
}

proptest! {
    /// A name shows nothing unless it leads exactly where was stated.
    #[test]
    fn a_name_passes_when_it_leads_to_the_stated_addresses_and_no_others(
        stated in proptest::collection::btree_set(0u128..8, 0..5),
        found in proptest::collection::btree_set(0u128..8, 0..5),
    ) {
        let list = |set: &std::collections::BTreeSet<u128>| set.iter().copied().map(Ipv6Addr::from).collect::<Vec<_>>();
        prop_assert_eq!(passed(&domain(&list(&stated), &list(&found))), !stated.is_empty() && stated == found);
    }
}

#[test]
fn every_address_leads_back_to_the_name_or_none_counts() {
    let facts = |names: &[&[&str]]| Facts::AddressReverseCheck {
        name: "referral.example.jp".parse().unwrap(),
        found: names
            .iter()
            .enumerate()
            .map(|(n, names)| ReverseAnswer {
                address: Ipv6Addr::from(n as u128),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            })
            .collect(),
    };
    assert!(passed(&facts(&[&[
        "other.example.jp",
        "Referral.example.jp."
    ]])));
    assert!(!passed(&facts(&[&["referral.example.jp"], &[]])));
    assert!(!passed(&facts(&[])));
}

#[test]
fn a_certificate_counts_for_its_holder_while_it_lives() {
    let number = |n| ParticipantNumber::new(n).unwrap();
    let facts = |holder, not_after, revoked| Facts::CertificateValid {
        participant: Some(number(7)),
        holder: Some(number(holder)),
        fingerprint: Some(Fingerprint([1; 32])),
        not_after: Some(UnixMillis(not_after)),
        revoked,
    };
    assert!(passed(&facts(7, NOW.0 + 1, false)));
    assert!(!passed(&facts(8, NOW.0 + 1, false)));
    assert!(!passed(&facts(7, NOW.0, false)));
    assert!(!passed(&facts(7, NOW.0 + 1, true)));
}

#[test]
fn what_the_registry_knows_itself_is_taken_from_nobody_else() {
    let code = Facts::CodeCheckDigit {
        participant_kind: ParticipantKind::Provider,
        code: None,
    };
    assert!(!code.are_from_outside());
    assert!(domain(&[], &[]).are_from_outside());
    let many = vec![Ipv6Addr::LOCALHOST; 65];
    assert!(domain(&many, &[]).are_too_many() && !domain(&[], &[]).are_too_many());
}
