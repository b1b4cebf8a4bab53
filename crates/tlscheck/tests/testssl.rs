//! Two servers as testssl.sh finds them: it is thorough and slow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::look;
use common::nginx::{Nginx, changed};
use common::pki::{Leaf, Pki};
use common::testssl::Testssl;
use iryonet_tlscheck::Told;

const PARTS: [&str; 5] = [
    "--protocols",
    "--each-cipher",
    "--server-defaults",
    "--renegotiation",
    "--crime",
];

#[tokio::test]
async fn a_good_server() {
    let pki = Pki::new(&Leaf::rsa(2048));
    // It cannot test what lies behind a demand for a client certificate.
    let nginx = Nginx::start(
        &pki,
        &changed(&["ssl_client_certificate", "ssl_verify_client"]),
    );
    let report = look(nginx.address, &pki).await;
    let testssl = Testssl::of(nginx.address, pki.path(), &PARTS);
    testssl.agrees_with(&report);
}

#[tokio::test]
async fn a_server_with_old_versions_and_sessions() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            // No TLS 1.3: its tickets come after the handshake, and whether
            // testssl.sh's client still waits for them is luck.
            "ssl_protocols TLSv1 TLSv1.1 TLSv1.2",
            "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA:AES128-SHA:@SECLEVEL=0",
            "ssl_session_cache shared:sessions:1m",
            "ssl_session_tickets on",
            "ssl_client_certificate",
            "ssl_verify_client",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    let testssl = Testssl::of(nginx.address, pki.path(), &PARTS);
    testssl.agrees_with(&report);
    assert_eq!(report.resumption.session_id, Some(Told::Yes));
    assert_eq!(report.resumption.ticket, Some(Told::Yes));
}
