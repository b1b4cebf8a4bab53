//! Versions, suites, groups, and what of the protocol should be off.

use crate::group::Group;
use crate::report::{Gap, Report, Told};
use crate::rules::{Finding, Outcome, Profile, Rule, Ruling, Source};
use crate::suite::{HIGH_SECURITY, Suite, TLS13};
use crate::text::Text;
use crate::version::Version;

pub(super) fn judge(report: &Report, profile: Profile) -> Vec<Finding> {
    let mut findings = vec![
        tls12(report, profile),
        tls13(report, profile),
        old_versions(report, profile),
        suites(report, profile),
        curves(report, profile),
        fields(report),
    ];
    findings.push(RENEGOTIATION_SECURE.find(renegotiation_secure(report)));
    findings.push(RENEGOTIATION_CLIENT.find(renegotiation_client(report)));
    findings.push(COMPRESSION.find(compression(report)));
    findings.push(RESUMPTION.find(resumption(report)));
    findings
}

fn version_source(profile: Profile) -> Source {
    match profile {
        Profile::Guideline43 => Source::Q29,
        Profile::Guideline60 { .. } => Source::Guideline60,
    }
}

fn spoken(report: &Report, version: Version) -> Told {
    report
        .version(version)
        .map_or(Told::No, |seen| seen.offered.clone())
}

/// Whether a version is spoken, as it should (not) be; `None`: either is right.
fn version(report: &Report, version: Version, should: Option<bool>) -> Ruling {
    let told = spoken(report, version);
    let (ja, en) = match &told {
        Told::Yes => (format!("{version} を話す"), format!("{version} is spoken")),
        Told::No => {
            let how = report
                .version(version)
                .and_then(|seen| seen.refusal.clone());
            let how = how.map_or_else(String::new, |how| format!(" ({how})"));
            (
                format!("{version} を拒否する{how}"),
                format!("{version} is refused{how}"),
            )
        }
        Told::Unknown(gap) => return Ruling::untold(gap.text()),
    };
    let right = should.is_none_or(|should| (told == Told::Yes) == should);
    let outcome = if right { Outcome::Pass } else { Outcome::Fail };
    Ruling::new(outcome, ja, en)
}

fn tls12(report: &Report, profile: Profile) -> Finding {
    let (right, should) = match profile {
        Profile::Guideline43 => (("TLS 1.2 を話すこと", "TLS 1.2 is spoken"), Some(true)),
        Profile::Guideline60 {
            tls12_exception: false,
        } => (
            (
                "TLS 1.2 は記録された例外がある場合に限る",
                "TLS 1.2 only by a recorded exception",
            ),
            Some(false),
        ),
        Profile::Guideline60 {
            tls12_exception: true,
        } => {
            // With the exception it may carry everything, or nothing.
            let alone = spoken(report, Version::Tls13) != Told::Yes;
            (
                (
                    "例外により TLS 1.2 を話してよい（TLS 1.3 を話さない場合は必須）",
                    "by the exception TLS 1.2 may be spoken, and must be where TLS 1.3 is not",
                ),
                alone.then_some(true),
            )
        }
    };
    Rule {
        id: "version-tls12",
        title: ("TLS 1.2", "TLS 1.2"),
        right,
        source: version_source(profile),
    }
    .find(version(report, Version::Tls12, should))
}

fn tls13(report: &Report, profile: Profile) -> Finding {
    let (right, should) = match profile {
        Profile::Guideline43 => (
            (
                "TLS 1.2 のみに限定すること（TLS 1.3 を話さない）",
                "TLS 1.2 only: TLS 1.3 is not spoken",
            ),
            Some(false),
        ),
        Profile::Guideline60 {
            tls12_exception: false,
        } => (("TLS 1.3 を話すこと", "TLS 1.3 is spoken"), Some(true)),
        Profile::Guideline60 {
            tls12_exception: true,
        } => (
            (
                "TLS 1.3 を話すこと（例外により必須ではない）",
                "TLS 1.3 is spoken; by the exception it need not be",
            ),
            None,
        ),
    };
    Rule {
        id: "version-tls13",
        title: ("TLS 1.3", "TLS 1.3"),
        right,
        source: version_source(profile),
    }
    .find(version(report, Version::Tls13, should))
}

fn old_versions(report: &Report, profile: Profile) -> Finding {
    let old = [Version::Ssl3, Version::Tls10, Version::Tls11];
    let mut on = Vec::new();
    let mut untold = None;
    for version in old {
        match spoken(report, version) {
            Told::Yes => on.push(version.as_str()),
            Told::No => {}
            Told::Unknown(gap) => untold = Some(gap.text()),
        }
    }
    let ruling = match (on.is_empty(), untold) {
        (true, Some(text)) => Ruling::untold(text),
        (true, None) => Ruling::new(
            Outcome::Pass,
            "古いバージョンはすべて拒否される",
            "all old versions are refused",
        ),
        (false, _) => Ruling::plain(false, on.join(", ")),
    };
    Rule {
        id: "version-old",
        title: ("古いバージョン", "old versions"),
        right: (
            "SSL 3.0、TLS 1.0、TLS 1.1 を拒否すること",
            "SSL 3.0, TLS 1.0 and TLS 1.1 are refused",
        ),
        source: version_source(profile),
    }
    .find(ruling)
}

fn suites(report: &Report, profile: Profile) -> Finding {
    let tls13_judged = profile != Profile::Guideline43;
    let mut wrong: Vec<Suite> = Vec::new();
    let mut right: Vec<Suite> = Vec::new();
    for suite in report.versions.iter().flat_map(|seen| &seen.suites) {
        let allowed = if suite.is_tls13() {
            // Under 4.3 the version itself is the fault.
            !tls13_judged || TLS13.contains(suite)
        } else {
            HIGH_SECURITY.contains(suite)
        };
        let list = if allowed { &mut right } else { &mut wrong };
        if !list.contains(suite) {
            list.push(*suite);
        }
    }
    let ruling = if !wrong.is_empty() {
        wrong_suites(&wrong)
    } else if right.is_empty() {
        Ruling::new(
            Outcome::Fail,
            "受け入れる暗号スイートがない",
            "no suite is taken",
        )
    } else {
        let names: Vec<String> = right.iter().map(ToString::to_string).collect();
        Ruling::plain(true, names.join(", "))
    };
    Rule {
        id: "suite-listed",
        title: ("暗号スイート", "cipher suites"),
        right: if tls13_judged {
            (
                "TLS 1.3 の5スイートと、TLS 1.2 では高セキュリティ型の12スイートのみ",
                "only the five suites of TLS 1.3 and, in TLS 1.2, the twelve of the high security type",
            )
        } else {
            (
                "高セキュリティ型の12スイート（ECDHE または DHE と AES-GCM または Camellia-GCM）のみ",
                "only the twelve of the high security type: ECDHE or DHE with AES-GCM or Camellia-GCM",
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

/// Whether no suite is taken in any version: then nothing can be told of how
/// keys are agreed on.
fn nothing_taken(report: &Report) -> bool {
    report.versions.iter().all(|seen| seen.suites.is_empty())
}

/// Names suites that should not be there, each with what stands against it.
pub(in crate::rules) fn wrong_suites(wrong: &[Suite]) -> Ruling {
    let told = |language: fn(&Text) -> &str| {
        wrong
            .iter()
            .map(|suite| {
                let faults = suite.faults();
                let words: Vec<Text> = faults.into_iter().map(|fault| fault.text()).collect();
                let words: Vec<&str> = words.iter().map(language).collect();
                format!("{} ({:04X}: {})", suite, suite.0, words.join(", "))
            })
            .collect::<Vec<_>>()
            .join("; ")
    };
    Ruling::new(Outcome::Fail, told(|text| &text.ja), told(|text| &text.en))
}

/// The smallest field of a curve, in bits.
const CURVE_BITS_MIN: u16 = 256;
/// The smallest prime of DHE, in bits.
const FIELD_BITS_MIN: u32 = 2048;

fn curves(report: &Report, profile: Profile) -> Finding {
    let judged13 = profile != Profile::Guideline43;
    let seen = &report.key_exchange;
    let mut groups: Vec<Group> = seen.curves.clone();
    if judged13 {
        groups.extend(
            seen.groups13
                .iter()
                .filter(|group| !group.is_finite_field()),
        );
    }
    groups.sort_unstable();
    groups.dedup();
    // By the letter of 4.3, X25519's 255 bits are too few, and it stands on
    // none of CRYPTREC's lists of that time; the TLS guide v3 has it.
    let least = if judged13 {
        Group::X25519.bits()
    } else {
        CURVE_BITS_MIN
    };
    let small: Vec<Group> = groups
        .iter()
        .copied()
        .filter(|group| group.bits() < least)
        .collect();
    let list = |groups: &[Group]| {
        groups
            .iter()
            .map(|group| format!("{group} ({} bit)", group.bits()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let ruling = if seen.explicit_curve {
        Ruling::new(
            Outcome::Fail,
            "名前のない曲線を提示する",
            "a curve described by numbers is proposed",
        )
    } else if !small.is_empty() {
        Ruling::plain(false, list(&small))
    } else if nothing_taken(report) {
        Ruling::untold(Gap::NoCommonHandshake.text())
    } else if groups.is_empty() {
        Ruling::new(Outcome::Pass, "ECDHE を使わない", "no ECDHE is used")
    } else {
        Ruling::plain(true, list(&groups))
    };
    Rule {
        id: "curve-size",
        title: ("ECDHE の鍵長", "ECDHE key size"),
        right: if judged13 {
            (
                "X25519 または256ビット以上の曲線",
                "X25519, or curves of 256 bits or more",
            )
        } else {
            (
                "256ビット以上の曲線（P-256、P-384 など）",
                "curves of 256 bits or more (P-256, P-384 and the like)",
            )
        },
        source: Source::HighSecurity,
    }
    .find(ruling)
}

fn fields(report: &Report) -> Finding {
    let mut sizes = report.key_exchange.dhe_bits.clone();
    sizes.extend(
        report
            .key_exchange
            .groups13
            .iter()
            .filter(|group| group.is_finite_field())
            .map(|group| u32::from(group.bits())),
    );
    sizes.sort_unstable();
    sizes.dedup();
    let words: Vec<String> = sizes.iter().map(|bits| format!("{bits} bit")).collect();
    let ruling = if nothing_taken(report) {
        Ruling::untold(Gap::NoCommonHandshake.text())
    } else if sizes.is_empty() {
        Ruling::new(Outcome::Pass, "DHE を使わない", "no DHE is used")
    } else {
        Ruling::plain(
            sizes.iter().all(|bits| *bits >= FIELD_BITS_MIN),
            words.join(", "),
        )
    };
    Rule {
        id: "dhe-size",
        title: ("DHE の鍵長", "DHE key size"),
        right: ("2048ビット以上", "2048 bits or more"),
        source: Source::HighSecurity,
    }
    .find(ruling)
}

const RENEGOTIATION_SECURE: Rule = Rule {
    id: "renegotiation-secure",
    title: ("安全な再ネゴシエーション", "secure renegotiation"),
    right: (
        "RFC 5746 に対応すること",
        "RFC 5746 (\"renegotiation_info\") is understood",
    ),
    source: Source::Network,
};

fn renegotiation_secure(report: &Report) -> Ruling {
    match &report.renegotiation.secure {
        None => not_in_tls13(report),
        Some(Told::Yes) => Ruling::new(Outcome::Pass, "RFC 5746 に対応", "RFC 5746 is understood"),
        Some(Told::No) => Ruling::new(
            Outcome::Fail,
            "RFC 5746 に非対応",
            "RFC 5746 is not understood",
        ),
        Some(Told::Unknown(gap)) => Ruling::untold(gap.text()),
    }
}

const RENEGOTIATION_CLIENT: Rule = Rule {
    id: "renegotiation-client",
    title: (
        "クライアントからの再ネゴシエーション",
        "renegotiation started by clients",
    ),
    right: (
        "拒否すること（負荷攻撃の手段となる）",
        "refused: it lets clients make the server work for nothing",
    ),
    source: Source::Network,
};

fn renegotiation_client(report: &Report) -> Ruling {
    match &report.renegotiation.client_initiated {
        None => not_in_tls13(report),
        Some(Told::Yes) => Ruling::new(
            Outcome::Fail,
            "2回目のハンドシェイクが始まる",
            "a second handshake begins",
        ),
        Some(Told::No) => Ruling::new(Outcome::Pass, "拒否される", "refused"),
        Some(Told::Unknown(gap)) => Ruling::untold(gap.text()),
    }
}

fn not_in_tls13(report: &Report) -> Ruling {
    if report.speaks(Version::Tls13) {
        Ruling::new(Outcome::Pass, "TLS 1.3 には存在しない", "TLS 1.3 has none")
    } else {
        Ruling::untold(Gap::NoCommonHandshake.text())
    }
}

const COMPRESSION: Rule = Rule {
    id: "compression",
    title: ("TLS 圧縮", "TLS compression"),
    right: ("無効であること", "off"),
    source: Source::Network,
};

fn compression(report: &Report) -> Ruling {
    match &report.compression {
        Told::No => Ruling::new(Outcome::Pass, "無効", "off"),
        Told::Yes => Ruling::new(Outcome::Fail, "DEFLATE が選ばれる", "DEFLATE is agreed on"),
        Told::Unknown(gap) => Ruling::untold(gap.text()),
    }
}

const RESUMPTION: Rule = Rule {
    id: "resumption",
    title: ("セッション再開", "session resumption"),
    right: (
        "再開しないこと（失効後も使われ得る）",
        "no session is resumed: it would outlive a revocation",
    ),
    source: Source::Network,
};

fn resumption(report: &Report) -> Ruling {
    let seen = &report.resumption;
    let ways = [
        (
            &seen.session_id,
            "TLS 1.2 セッションID",
            "TLS 1.2 session id",
        ),
        (&seen.ticket, "TLS 1.2 チケット", "TLS 1.2 ticket"),
        (&seen.ticket13, "TLS 1.3 チケット", "TLS 1.3 ticket"),
    ];
    let resumed: Vec<_> = ways
        .iter()
        .filter(|(told, ..)| **told == Some(Told::Yes))
        .collect();
    if !resumed.is_empty() {
        let join = |pick: fn(&(&Option<Told>, &'static str, &'static str)) -> &'static str| {
            resumed
                .iter()
                .map(|way| pick(way))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let life = seen
            .ticket_lifetime_s
            .filter(|_| seen.session_id != Some(Told::Yes) || resumed.len() > 1)
            .map_or_else(String::new, |seconds| format!(" ({seconds} s)"));
        return Ruling::new(
            Outcome::Fail,
            format!("再開される: {}{life}", join(|way| way.1)),
            format!("resumed by {}{life}", join(|way| way.2)),
        );
    }
    let untold = ways.iter().find_map(|(told, ..)| match told {
        Some(Told::Unknown(gap)) => Some(gap.text()),
        _ => None,
    });
    match untold {
        Some(text) => Ruling::untold(text),
        None if ways.iter().all(|(told, ..)| told.is_none()) => {
            Ruling::untold(Gap::NoCommonHandshake.text())
        }
        None => Ruling::new(Outcome::Pass, "再開されない", "not resumed"),
    }
}
