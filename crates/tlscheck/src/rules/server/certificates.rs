//! The server's own certificates.

use crate::certificate::{Certificate, Chain, KeyKind};
use crate::client::ClientReport;
use crate::report::{Gap, Report, Told};
use crate::rules::{Finding, Outcome, Rule, Ruling, Source};
use crate::text::Text;
use iryonet_domain::UnixMillis;

pub(super) fn judge(report: &Report) -> Vec<Finding> {
    let chains = &report.chains;
    let now = report.probed_at;
    vec![
        KEY.find(each(chains, weak_key)),
        SIGNATURE.find(each(chains, weak_signature)),
        VALIDITY.find(each(chains, |certificate| out_of_time(certificate, now))),
        ORDER.find(order(chains)),
        TRUSTED.find(told(chains, |chain| {
            (&chain.trusted, chain.trust_problem.clone())
        })),
        NAME.find(told(chains, |chain| {
            let names = chain.leaf().map(|leaf| leaf.names.join(", "));
            (&chain.names_target, names)
        })),
        PROVED.find(proved(report)),
    ]
}

/// The certificates that a client shows; nothing when it was not asked for any.
pub(in crate::rules) fn judge_client(report: &ClientReport) -> Vec<Finding> {
    let now = report.heard_at;
    let chains: &[Chain] = report.chain.as_slice();
    let proved = match &report.key_proved {
        Told::Yes => Ruling::new(Outcome::Pass, "確認", "proved"),
        Told::No => Ruling::new(Outcome::Fail, "署名が合わない", "the signature is wrong"),
        Told::Unknown(gap) => Ruling::untold(gap.text()),
    };
    let rulings = vec![
        (&KEY, each(chains, weak_key)),
        (&SIGNATURE, each(chains, weak_signature)),
        (
            &VALIDITY,
            each(chains, |certificate| out_of_time(certificate, now)),
        ),
        (&ORDER, order(chains)),
        (
            &TRUSTED,
            told(chains, |chain| {
                (&chain.trusted, chain.trust_problem.clone())
            }),
        ),
        (&PROVED, proved),
    ];
    let not_asked = report.certificate_shown == Told::Unknown(Gap::NeedsServerCertificate);
    rulings
        .into_iter()
        .map(|(rule, mut ruling)| {
            if not_asked {
                let text = Gap::NeedsServerCertificate.text();
                ruling = Ruling::new(Outcome::NotAsked, text.ja, text.en);
            }
            let mut finding = rule.find(ruling);
            finding.rule = format!("client-{}", finding.rule);
            finding
        })
        .collect()
}

const KEY: Rule = Rule {
    id: "certificate-key",
    title: ("証明書の鍵", "certificate keys"),
    right: (
        "RSA 2048ビット以上、または ECDSA 256ビット以上",
        "RSA of 2048 bits or more, or ECDSA of 256 bits or more",
    ),
    source: Source::HighSecurity,
};

fn weak_key(certificate: &Certificate) -> Result<String, Text> {
    let key = &certificate.key;
    let strong = match key.kind {
        KeyKind::Rsa => key.bits >= 2048,
        KeyKind::Ecdsa => key.bits >= 256,
        KeyKind::EdDsa | KeyKind::Dsa | KeyKind::Other => false,
    };
    if strong {
        Ok(key.to_string())
    } else {
        Err(Text::same(key.to_string()))
    }
}

const SIGNATURE: Rule = Rule {
    id: "certificate-signature",
    title: ("証明書の署名", "certificate signatures"),
    right: (
        "SHA-256 以上で署名されていること",
        "signed with SHA-256 or better",
    ),
    source: Source::HighSecurity,
};

fn weak_signature(certificate: &Certificate) -> Result<String, Text> {
    // Nobody relies on the signature of a root.
    if certificate.is_self_issued && certificate.is_ca {
        return Ok(String::new());
    }
    let signature = &certificate.signature;
    if signature.strong == Some(true) {
        Ok(signature.name.clone())
    } else {
        Err(Text::same(signature.name.clone()))
    }
}

const VALIDITY: Rule = Rule {
    id: "certificate-validity",
    title: ("証明書の有効期間", "certificate validity"),
    right: ("有効期間内であること", "within its validity"),
    source: Source::Network,
};

fn out_of_time(certificate: &Certificate, now: UnixMillis) -> Result<String, Text> {
    const DAY_MS: u64 = 86_400_000;
    if now < certificate.not_before {
        return Err(Text::new("有効期間前", "not valid yet"));
    }
    if now > certificate.not_after {
        let days = (now.0 - certificate.not_after.0) / DAY_MS;
        return Err(Text::new(
            format!("{days}日前に期限切れ"),
            format!("expired {days} days ago"),
        ));
    }
    let days = (certificate.not_after.0 - now.0) / DAY_MS;
    Ok(format!("{days} d"))
}

/// Asks every certificate of every chain.
fn each(chains: &[Chain], ask: impl Fn(&Certificate) -> Result<String, Text>) -> Ruling {
    let mut good: Vec<String> = Vec::new();
    let mut bad: Vec<(String, Text)> = Vec::new();
    let mut any = false;
    for certificate in chains.iter().flat_map(|chain| &chain.certificates) {
        any = true;
        match ask(certificate) {
            Ok(words) if words.is_empty() || good.contains(&words) => {}
            Ok(words) => good.push(words),
            Err(text) => bad.push((certificate.subject.clone(), text)),
        }
    }
    let unreadable = chains.iter().any(|chain| chain.unreadable > 0);
    if !bad.is_empty() {
        let join = |language: fn(&Text) -> &String| {
            bad.iter()
                .map(|(subject, text)| format!("{} [{subject}]", language(text)))
                .collect::<Vec<_>>()
                .join("; ")
        };
        return Ruling::new(Outcome::Fail, join(|text| &text.ja), join(|text| &text.en));
    }
    if unreadable {
        return Ruling::new(
            Outcome::Fail,
            "読めない証明書がある",
            "a certificate cannot be read",
        );
    }
    if !any {
        return no_certificate();
    }
    Ruling::plain(true, good.join(", "))
}

fn no_certificate() -> Ruling {
    Ruling::untold(Text::new("証明書が示されない", "no certificate was shown"))
}

const ORDER: Rule = Rule {
    id: "chain-order",
    title: ("証明書チェーンの順序", "order of the chain"),
    right: (
        "サーバ証明書から順に、次の証明書が発行者であること",
        "the leaf first, each one issued by the next",
    ),
    source: Source::Network,
};

fn order(chains: &[Chain]) -> Ruling {
    if chains.is_empty() {
        return no_certificate();
    }
    let lengths: Vec<String> = chains
        .iter()
        .map(|chain| chain.certificates.len().to_string())
        .collect();
    if chains.iter().all(|chain| chain.in_order) {
        Ruling::new(
            Outcome::Pass,
            format!("順序どおり（{} 枚）", lengths.join(", ")),
            format!("in order ({} certificates)", lengths.join(", ")),
        )
    } else {
        let subjects = |chain: &Chain| {
            chain
                .certificates
                .iter()
                .map(|certificate| certificate.subject.clone())
                .collect::<Vec<_>>()
                .join(" < ")
        };
        let wrong: Vec<String> = chains
            .iter()
            .filter(|chain| !chain.in_order)
            .map(subjects)
            .collect();
        Ruling::plain(false, wrong.join("; "))
    }
}

const TRUSTED: Rule = Rule {
    id: "chain-trusted",
    title: ("信頼できる証明書チェーン", "trusted chain"),
    right: (
        "示された証明書だけで、信頼するルートに至ること",
        "leads to a given root by what is shown alone",
    ),
    source: Source::Network,
};

const NAME: Rule = Rule {
    id: "certificate-name",
    title: ("証明書の名前", "certificate name"),
    right: (
        "接続先の名前またはアドレスの証明書であること",
        "for the name or address that is connected to",
    ),
    source: Source::Network,
};

/// A question about each chain that was answered when it was read.
fn told<'a>(chains: &'a [Chain], ask: impl Fn(&'a Chain) -> (&'a Told, Option<String>)) -> Ruling {
    if chains.is_empty() {
        return no_certificate();
    }
    let mut untold = None;
    for chain in chains {
        match ask(chain) {
            (Told::Yes, _) => {}
            (Told::No, why) => {
                let subject = chain
                    .leaf()
                    .map_or_else(String::new, |leaf| leaf.subject.clone());
                let why = why.unwrap_or_default();
                return Ruling::plain(false, format!("{subject}: {why}"));
            }
            (Told::Unknown(gap), _) => untold = Some(gap.text()),
        }
    }
    match untold {
        Some(text) => Ruling::untold(text),
        None => {
            let subjects: Vec<String> = chains
                .iter()
                .filter_map(Chain::leaf)
                .map(|leaf| leaf.subject.clone())
                .collect();
            Ruling::plain(true, subjects.join("; "))
        }
    }
}

const PROVED: Rule = Rule {
    id: "certificate-proved",
    title: ("証明書の鍵の所持", "possession of the key"),
    right: (
        "ハンドシェイクが証明書の鍵で署名されていること",
        "the handshake is signed with the certificate's key",
    ),
    source: Source::Network,
};

fn proved(report: &Report) -> Ruling {
    match &report.key_proved {
        Told::Yes => Ruling::new(Outcome::Pass, "確認", "proved"),
        Told::No => Ruling::new(Outcome::Fail, "署名が合わない", "the signature is wrong"),
        Told::Unknown(gap) => Ruling::untold(gap.text()),
    }
}
