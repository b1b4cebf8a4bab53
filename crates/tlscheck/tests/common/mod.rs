//! Real servers with certificates made by openssl, each in a directory of its
//! own, on a port of the kernel's choice.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its part of what is shared"
)]

pub mod foreign;
pub mod nginx;
pub mod pki;
pub mod sslscan;
pub mod testssl;

use iryonet_domain::UnixMillis;
use iryonet_tlscheck::{
    Application, Evidence, Limits, Outcome, OwnIdentity, Profile, Report, Roots, Settings, Target,
    check_server, evidence,
};
use pki::Pki;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name of the server that is checked.
pub const NAME: &str = "claims.example";

/// The profile that is the default.
pub const G43: Profile = Profile::Guideline43;

pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(u64::try_from(since.as_millis()).unwrap())
}

/// Limits that a loaded machine keeps, with the pause left out.
pub fn limits() -> Limits {
    Limits {
        pause: Duration::ZERO,
        answer: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// Looks at a server as the network's own client, with the network's root.
pub async fn look(address: SocketAddr, pki: &Pki) -> Report {
    let client = pki.client();
    look_as(address, pki, Some(client)).await
}

pub async fn look_as(address: SocketAddr, pki: &Pki, client: Option<OwnIdentity>) -> Report {
    let target = Target {
        address,
        server_name: Some(NAME.to_owned()),
        application: Application::Http,
    };
    let settings = Settings {
        limits: limits(),
        now: now(),
        seed: [42; 32],
        roots: Some(Roots::from_pem(&pki.root()).unwrap()),
        client,
    };
    check_server(&target, &settings).await.unwrap()
}

/// Exactly these rules fail, and exactly these could not be told.
#[track_caller]
pub fn assert_rules(evidence: &Evidence, fail: &[&str], untold: &[&str]) {
    let shown = || {
        let mut text = String::new();
        for finding in &evidence.findings {
            text += &format!(
                "{:<30} {:<15} {}\n",
                finding.rule,
                finding.outcome.as_str(),
                finding.seen.en
            );
        }
        text
    };
    assert_eq!(evidence.rules(Outcome::Fail), fail, "\n{}", shown());
    assert_eq!(
        evidence.rules(Outcome::CouldNotTell),
        untold,
        "\n{}",
        shown()
    );
}

/// Judged by the default profile.
pub fn g43(report: &Report) -> Evidence {
    evidence(report, G43)
}

/// Judged by guideline 6.0, without or with the exception.
pub fn g60(report: &Report, tls12_exception: bool) -> Evidence {
    evidence(report, Profile::Guideline60 { tls12_exception })
}
