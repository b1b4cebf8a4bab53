//! Any bytes, to each reader of what comes from outside of a ledger: they
//! answer. Run it once for each corpus: `cargo +nightly fuzz run ledger
//! corpus/checkpoint` (`proof`, `export`, `cosign-request`, `range`).
#![no_main]

use iryonet_ledger::export::verify_lines;
use iryonet_ledger::proof_file::EntryProof;
use iryonet_ledger::range::Range;
use iryonet_ledger::witness::Request;
use iryonet_ledger::{Signed, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = Signed::parse(bytes) {
        // What is read is written as it was.
        assert_eq!(signed.to_string().as_bytes(), bytes);
    }
    let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        .parse()
        .unwrap();
    // Nobody here has the secret.
    assert!(Signed::open(bytes, &key).is_err());
    if let Ok(proof) = EntryProof::parse(bytes) {
        assert!(proof.verify(&key).is_err());
    }
    let _ = Request::parse(bytes);
    if let Ok(range) = Range::parse(bytes) {
        assert_eq!(range.to_string().as_bytes(), bytes);
    }
    let _ = verify_lines(&mut &*bytes);
    let _ = std::str::from_utf8(bytes).map(str::parse::<VerifierKey>);
});
