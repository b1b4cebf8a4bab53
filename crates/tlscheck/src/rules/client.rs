//! A client's rules.

use super::server::certificates;
use super::{Finding, Outcome, Profile, Rule, Ruling, Source};
use crate::client::ClientReport;
use crate::group::Group;
use crate::report::{Gap, Told};
use crate::suite::{HIGH_SECURITY, Suite, TLS13};
use crate::text::Text;
use crate::version::Version;

pub(super) fn judge(report: &ClientReport, profile: Profile) -> Vec<Finding> {
    let mut findings = vec![
        newest(report, profile),
        old_versions(report, profile),
        suites(report, profile),
        groups(report, profile),
        COMPRESSION.find(if report.compression {
            Ruling::new(Outcome::Fail, "DEFLATE を提示する", "DEFLATE is offered")
        } else {
            Ruling::new(Outcome::Pass, "提示しない", "not offered")
        }),
        RENEGOTIATION.find(renegotiation(report)),
    ];
    findings.push(shown(report, profile));
    findings.extend(certificates::judge_client(report));
    findings
}

fn version_source(profile: Profile) -> Source {
    match profile {
        Profile::Guideline43 => Source::Q29,
        Profile::Guideline60 { .. } => Source::Guideline60,
    }
}

fn listed(versions: &[Version]) -> String {
    let names: Vec<&str> = versions.iter().map(|version| version.as_str()).collect();
    names.join(", ")
}

fn newest(report: &ClientReport, profile: Profile) -> Finding {
    let offers = |version| report.versions.contains(&version);
    let (right, passes) = match profile {
        Profile::Guideline43 => (
            (
                "TLS 1.2 のみを提示すること",
                "TLS 1.2 and not TLS 1.3 is offered",
            ),
            offers(Version::Tls12) && !offers(Version::Tls13),
        ),
        Profile::Guideline60 {
            tls12_exception: false,
        } => (
            (
                "TLS 1.3 のみを提示すること",
                "TLS 1.3 and not TLS 1.2 is offered",
            ),
            offers(Version::Tls13) && !offers(Version::Tls12),
        ),
        Profile::Guideline60 {
            tls12_exception: true,
        } => (
            (
                "TLS 1.3 または例外により TLS 1.2 を提示すること",
                "TLS 1.3 is offered or, by the exception, TLS 1.2",
            ),
            offers(Version::Tls13) || offers(Version::Tls12),
        ),
    };
    Rule {
        id: "client-version",
        title: ("クライアントのバージョン", "the client's versions"),
        right,
        source: version_source(profile),
    }
    .find(Ruling::plain(passes, listed(&report.versions)))
}

fn old_versions(report: &ClientReport, profile: Profile) -> Finding {
    let old: Vec<Version> = report
        .versions
        .iter()
        .copied()
        .filter(|version| *version < Version::Tls12)
        .collect();
    let ruling = if !old.is_empty() {
        Ruling::plain(false, listed(&old))
    } else if report.versions_listed
        || report
            .suites
            .iter()
            .all(|suite| suite.oldest_version() >= Version::Tls12)
    {
        // Without a list, suites that older versions cannot use rule them out.
        Ruling::new(Outcome::Pass, "提示されない", "none is offered")
    } else {
        Ruling::untold(Text::new(
            "バージョンの一覧がなく、古いバージョンでも使えるスイートが提示されている",
            "versions are not listed, and suites are offered that older versions can use",
        ))
    };
    Rule {
        id: "client-version-old",
        title: ("古いバージョン", "old versions"),
        right: (
            "SSL 3.0、TLS 1.0、TLS 1.1 を提示しないこと",
            "SSL 3.0, TLS 1.0 and TLS 1.1 are not offered",
        ),
        source: version_source(profile),
    }
    .find(ruling)
}

fn suites(report: &ClientReport, profile: Profile) -> Finding {
    let tls13_judged = profile != Profile::Guideline43;
    let allowed = |suite: &Suite| {
        if suite.is_tls13() {
            // Under 4.3 the version itself is the fault.
            !tls13_judged || TLS13.contains(suite)
        } else {
            HIGH_SECURITY.contains(suite)
        }
    };
    let wrong: Vec<Suite> = report
        .suites
        .iter()
        .copied()
        .filter(|suite| !allowed(suite))
        .collect();
    let ruling = if wrong.is_empty() {
        let names: Vec<String> = report.suites.iter().map(ToString::to_string).collect();
        Ruling::plain(!names.is_empty(), names.join(", "))
    } else {
        super::server::wrong_suites(&wrong)
    };
    Rule {
        id: "client-suite-listed",
        title: ("クライアントの暗号スイート", "the client's suites"),
        right: if tls13_judged {
            (
                "TLS 1.3 の5スイートと、高セキュリティ型の12スイートのみを提示すること",
                "only the five suites of TLS 1.3 and the twelve of the high security type are offered",
            )
        } else {
            (
                "高セキュリティ型の12スイートのみを提示すること",
                "only the twelve of the high security type are offered",
            )
        },
        source: if tls13_judged {
            Source::TlsGuide
        } else {
            Source::HighSecurity
        },
    }
    .find(ruling)
}

fn groups(report: &ClientReport, profile: Profile) -> Finding {
    let least = if profile == Profile::Guideline43 {
        256
    } else {
        Group::X25519.bits()
    };
    let small: Vec<String> = report
        .groups
        .iter()
        .filter(|group| group.bits() < least)
        .map(|group| format!("{group} ({} bit)", group.bits()))
        .collect();
    let ruling = if small.is_empty() {
        let names: Vec<String> = report.groups.iter().map(ToString::to_string).collect();
        Ruling::plain(true, names.join(", "))
    } else {
        Ruling::plain(false, small.join(", "))
    };
    Rule {
        id: "client-curve-size",
        title: (
            "クライアントの ECDHE の鍵長",
            "the client's ECDHE key sizes",
        ),
        right: if profile == Profile::Guideline43 {
            (
                "256ビット以上の曲線のみを提示すること",
                "only curves of 256 bits or more are offered",
            )
        } else {
            (
                "X25519 または256ビット以上の曲線のみを提示すること",
                "only X25519 or curves of 256 bits or more are offered",
            )
        },
        source: Source::HighSecurity,
    }
    .find(ruling)
}

const COMPRESSION: Rule = Rule {
    id: "client-compression",
    title: ("TLS 圧縮", "TLS compression"),
    right: ("提示しないこと", "not offered"),
    source: Source::Network,
};

const RENEGOTIATION: Rule = Rule {
    id: "client-renegotiation-secure",
    title: ("安全な再ネゴシエーション", "secure renegotiation"),
    right: (
        "RFC 5746 に対応すること（TLS 1.3 のみの場合は不要）",
        "RFC 5746 is understood; TLS 1.3 alone needs it not",
    ),
    source: Source::Network,
};

fn renegotiation(report: &ClientReport) -> Ruling {
    if report.secure_renegotiation {
        Ruling::new(Outcome::Pass, "RFC 5746 に対応", "RFC 5746 is understood")
    } else if report.versions == [Version::Tls13] {
        Ruling::new(Outcome::Pass, "TLS 1.3 には存在しない", "TLS 1.3 has none")
    } else {
        Ruling::new(
            Outcome::Fail,
            "RFC 5746 に非対応",
            "RFC 5746 is not understood",
        )
    }
}

fn shown(report: &ClientReport, profile: Profile) -> Finding {
    let ruling = match &report.certificate_shown {
        Told::Yes => Ruling::new(Outcome::Pass, "提示される", "shown"),
        Told::No => Ruling::new(Outcome::Fail, "提示されない", "none is shown"),
        Told::Unknown(gap @ Gap::NeedsServerCertificate) => {
            let text = gap.text();
            Ruling::new(Outcome::NotAsked, text.ja, text.en)
        }
        Told::Unknown(gap) => Ruling::untold(gap.text()),
    };
    Rule {
        id: "client-certificate-shown",
        title: ("クライアント証明書の提示", "client certificate shown"),
        right: (
            "クライアント証明書を提示すること",
            "a client certificate is shown",
        ),
        source: version_source(profile),
    }
    .find(ruling)
}
