//! The table against the rule and against itself.

use super::*;

#[test]
fn the_twelve_of_the_rule_are_known_by_code_and_name() {
    // As FACTS of Q-29 and CRYPTREC's guide list them.
    let listed = [
        (0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        (0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
        (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0xC07C, "TLS_DHE_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
        (0xC07D, "TLS_DHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
        (0xC086, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256"),
        (0xC087, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384"),
        (0xC08A, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
        (0xC08B, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    ];
    assert_eq!(listed.len(), HIGH_SECURITY.len());
    for (code, name) in listed {
        let suite = Suite(code);
        assert!(HIGH_SECURITY.contains(&suite), "{name}");
        assert_eq!(suite.name(), name);
        assert!(suite.faults().is_empty(), "{name}");
        assert_eq!(suite.oldest_version(), Version::Tls12);
    }
}

#[test]
fn every_other_suite_has_a_stated_fault_or_belongs_to_tls_1_3() {
    for suite in Suite::classic().into_iter().chain(Suite::tls13()) {
        let allowed = HIGH_SECURITY.contains(&suite) || TLS13.contains(&suite);
        // The DSS and static twins of allowed suites are told by those words.
        assert!(
            allowed || !suite.faults().is_empty() || suite.key_exchange() == KeyExchange::Other,
            "{suite} is not allowed and nothing stands against it"
        );
    }
}

#[test]
fn what_an_operator_meets_is_called_by_its_fault() {
    let cases = [
        (0x009C, vec![Fault::StaticKeyExchange]),
        (0x002F, vec![Fault::StaticKeyExchange, Fault::Cbc]),
        (0xC013, vec![Fault::Cbc]),
        (0x0005, vec![Fault::StaticKeyExchange, Fault::Rc4]),
        (0xC012, vec![Fault::SmallBlocks, Fault::Cbc]),
        (0x003B, vec![Fault::StaticKeyExchange, Fault::NoEncryption]),
        (
            0x0003,
            vec![
                Fault::StaticKeyExchange,
                Fault::Export,
                Fault::Rc4,
                Fault::Md5,
            ],
        ),
        (0x00A6, vec![Fault::Anonymous]),
        (0xC018, vec![Fault::Anonymous, Fault::Cbc]),
        (0xCCA8, vec![Fault::ChaCha20]),
        (0xC09E, vec![Fault::Ccm]),
        (0xC02E, vec![Fault::StaticKeyExchange]),
        (0xFFFE, vec![Fault::OtherCipher]),
    ];
    for (code, faults) in cases {
        assert_eq!(Suite(code).faults(), faults, "{}", Suite(code));
    }
}

#[test]
fn names_are_in_the_order_of_codes_so_that_they_are_found() {
    assert!(names::NAMES.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(
        Suite::classic().len() + Suite::tls13().len(),
        names::NAMES.len()
    );
}
