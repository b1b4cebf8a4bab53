//! 自動検査: what gathered facts prove, as pure functions. Somebody else asks
//! the registry, a resolver or a server; here it is said what the answers mean.

use crate::evidence::EvidenceKind;
use crate::rule::Text;
use iryonet_domain::{
    DnsName, Fingerprint, InstitutionCode, ParticipantKind, ParticipantNumber, UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv6Addr;

/// Most addresses of one look-up, and most names or failures that are kept.
pub const ANSWERS_MAX: usize = 64;

/// What was found out, for one kind of automatic evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Facts {
    /// The code that the applicant gave. (It passed the reading of its own
    /// prefecture when it was read; a code that did not is none.)
    CodeCheckDigit {
        /// What the applicant is.
        participant_kind: ParticipantKind,
        /// Its code.
        code: Option<InstitutionCode>,
    },
    /// What the public lists say about the code.
    PublicListPresence {
        /// The name under which the applicant applies.
        name: String,
        /// The name in the list; none where the code stands in no list.
        listed: Option<String>,
        /// Since when the newest list names it no more.
        vanished_at: Option<UnixMillis>,
    },
    /// How a server fared in the check of a TLS profile.
    TlsCheckOfService {
        /// Name or address, and port.
        target: String,
        /// By which profile it was checked.
        profile: String,
        /// Names of the rules of the profile that it does not meet.
        failed: Vec<String>,
    },
    /// What the addresses of a service lead back to.
    AddressReverseCheck {
        /// The name that they should lead to.
        name: DnsName,
        /// Address by address, the names found (RFC 1035, section 3.5).
        found: Vec<ReverseAnswer>,
    },
    /// What the name of a service leads to.
    DomainReverseCheck {
        /// The name.
        name: DnsName,
        /// The addresses that were stated.
        stated: Vec<Ipv6Addr>,
        /// The addresses found.
        found: Vec<Ipv6Addr>,
    },
    /// A device's certificate, as the registry knows it.
    CertificateValid {
        /// The participant that the case is about; nobody before an admission.
        participant: Option<ParticipantNumber>,
        /// Whose the certificate is.
        holder: Option<ParticipantNumber>,
        /// Which certificate; none where the participant has none.
        fingerprint: Option<Fingerprint>,
        /// First millisecond after its life.
        not_after: Option<UnixMillis>,
        /// Was it taken back?
        revoked: bool,
    },
}

/// The names that an address leads back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseAnswer {
    /// The address.
    pub address: Ipv6Addr,
    /// The names, as found.
    pub names: Vec<String>,
}

/// What the facts prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of evidence it is.
    pub kind: EvidenceKind,
    /// Does it show that the rule is met?
    pub passed: bool,
    /// In a sentence.
    pub text: Text,
}

impl Facts {
    /// Which kind of evidence they are for.
    #[must_use]
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::CodeCheckDigit { .. } => EvidenceKind::CodeCheckDigit,
            Self::PublicListPresence { .. } => EvidenceKind::PublicListPresence,
            Self::TlsCheckOfService { .. } => EvidenceKind::TlsCheckOfService,
            Self::AddressReverseCheck { .. } => EvidenceKind::AddressReverseCheck,
            Self::DomainReverseCheck { .. } => EvidenceKind::DomainReverseCheck,
            Self::CertificateValid { .. } => EvidenceKind::CertificateValid,
        }
    }

    /// Can somebody outside the registry have gathered them? What the registry
    /// knows itself is taken from nobody else.
    #[must_use]
    pub fn are_from_outside(&self) -> bool {
        matches!(
            self,
            Self::TlsCheckOfService { .. }
                | Self::AddressReverseCheck { .. }
                | Self::DomainReverseCheck { .. }
        )
    }

    /// The texts in them that come from outside.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::TlsCheckOfService {
                target,
                profile,
                failed,
            } => [target, profile]
                .into_iter()
                .chain(failed)
                .map(String::as_str)
                .collect(),
            Self::AddressReverseCheck { found, .. } => found
                .iter()
                .flat_map(|answer| answer.names.iter().map(String::as_str))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Are there more answers than are kept, or longer ones?
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        let long = |text: &String| text.chars().count() > 253;
        match self {
            Self::TlsCheckOfService {
                target,
                profile,
                failed,
            } => {
                failed.len() > ANSWERS_MAX
                    || long(target)
                    || long(profile)
                    || failed.iter().any(long)
            }
            Self::AddressReverseCheck { found, .. } => {
                found.len() > ANSWERS_MAX
                    || found.iter().any(|answer| {
                        answer.names.len() > ANSWERS_MAX || answer.names.iter().any(long)
                    })
            }
            Self::DomainReverseCheck { stated, found, .. } => {
                stated.len() > ANSWERS_MAX || found.len() > ANSWERS_MAX
            }
            _ => false,
        }
    }

    /// What they prove at `now`.
    #[must_use]
    pub fn judge(&self, now: UnixMillis) -> Finding {
        let (passed, ja, en) = match self {
            Self::CodeCheckDigit {
                participant_kind,
                code,
            } => code_check_digit(*participant_kind, *code),
            Self::PublicListPresence {
                name,
                listed,
                vanished_at,
            } => presence(name, listed.as_deref(), *vanished_at),
            Self::TlsCheckOfService {
                target,
                profile,
                failed,
            } => tls(target, profile, failed),
            Self::AddressReverseCheck { name, found } => addresses(name, found),
            Self::DomainReverseCheck {
                name,
                stated,
                found,
            } => domain(name, stated, found),
            Self::CertificateValid {
                participant,
                holder,
                fingerprint,
                not_after,
                revoked,
            } => certificate(
                (*participant, *holder),
                *fingerprint,
                *not_after,
                *revoked,
                now,
            ),
        };
        Finding {
            kind: self.kind(),
            passed,
            text: Text { ja, en },
        }
    }
}

type Judged = (bool, String, String);

fn judged(passed: bool, ja: impl Into<String>, en: impl Into<String>) -> Judged {
    (passed, ja.into(), en.into())
}

fn code_check_digit(kind: ParticipantKind, code: Option<InstitutionCode>) -> Judged {
    let table = match kind {
        ParticipantKind::Institution(kind) => kind.score_table(),
        ParticipantKind::Provider => None,
    };
    match (code, table) {
        (None, _) => judged(false, "医療機関コードがありません", "no code was given"),
        (Some(code), Some(table)) if code.score_table() == table => judged(
            true,
            format!(
                "{code} は{}の読み方で正しいコードです",
                code.prefecture().name()
            ),
            format!(
                "{code} is right by the reading of prefecture {}",
                code.prefecture()
            ),
        ),
        (Some(code), _) => judged(
            false,
            format!(
                "{code} は{}のコードで、種別 {} に合いません",
                code.score_table().name_ja(),
                kind.name_ja()
            ),
            format!(
                "{code} is a code of {}, which does not fit the kind {kind}",
                code.score_table().name_ja()
            ),
        ),
    }
}

fn presence(name: &str, listed: Option<&str>, vanished_at: Option<UnixMillis>) -> Judged {
    match (listed, vanished_at) {
        (None, _) => judged(
            false,
            "公的名簿に掲載がありません",
            "the code stands in no public list",
        ),
        (Some(_), Some(_)) => judged(
            false,
            "最新の公的名簿から消えています",
            "the newest public list names it no more",
        ),
        (Some(listed), None) if same_name(name, listed) => judged(
            true,
            format!("公的名簿に「{listed}」として掲載されています"),
            format!("the public list names it {listed:?}"),
        ),
        // Lists shorten names and add the form of the company: that it is the
        // same house is for the examiner to say.
        (Some(listed), None) => judged(
            true,
            format!("公的名簿に「{listed}」として掲載されています（申請は「{name}」）"),
            format!("the public list names it {listed:?}; the application says {name:?}"),
        ),
    }
}

fn same_name(a: &str, b: &str) -> bool {
    let key = |text: &str| -> String {
        iryonet_domain::text::fold_width(text)
            .chars()
            .filter(|c| !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect()
    };
    key(a) == key(b)
}

fn tls(target: &str, profile: &str, failed: &[String]) -> Judged {
    if failed.is_empty() {
        judged(
            true,
            format!("{target} は {profile} の検査に合格しました"),
            format!("{target} meets {profile}"),
        )
    } else {
        let list = failed.join(", ");
        judged(
            false,
            format!("{target} は {profile} の次の項目に不合格です: {list}"),
            format!("{target} does not meet these rules of {profile}: {list}"),
        )
    }
}

fn addresses(name: &DnsName, found: &[ReverseAnswer]) -> Judged {
    let leads = |answer: &ReverseAnswer| {
        answer
            .names
            .iter()
            .any(|found| found.parse::<DnsName>().is_ok_and(|found| found == *name))
    };
    match found.iter().find(|answer| !leads(answer)) {
        None if found.is_empty() => judged(
            false,
            "アドレスがありません",
            "there is no address to look up",
        ),
        None => judged(
            true,
            format!("{} 件のアドレスの逆引きは {name} です", found.len()),
            format!("{} addresses lead back to {name}", found.len()),
        ),
        Some(other) => judged(
            false,
            format!("{} の逆引きは {name} になりません", other.address),
            format!("{} does not lead back to {name}", other.address),
        ),
    }
}

fn domain(name: &DnsName, stated: &[Ipv6Addr], found: &[Ipv6Addr]) -> Judged {
    let stated: BTreeSet<_> = stated.iter().collect();
    let found: BTreeSet<_> = found.iter().collect();
    if stated.is_empty() {
        return judged(false, "アドレスがありません", "no address was stated");
    }
    if let Some(other) = found.difference(&stated).next() {
        return judged(
            false,
            format!("{name} は届出のないアドレス {other} にも解決されます"),
            format!("{name} leads to {other} too, which was not stated"),
        );
    }
    if let Some(missing) = stated.difference(&found).next() {
        return judged(
            false,
            format!("{name} は {missing} に解決されません"),
            format!("{name} does not lead to {missing}"),
        );
    }
    judged(
        true,
        format!("{name} は届け出られたアドレスだけに解決されます"),
        format!("{name} leads to the stated addresses and to no others"),
    )
}

fn certificate(
    (participant, holder): (Option<ParticipantNumber>, Option<ParticipantNumber>),
    fingerprint: Option<Fingerprint>,
    not_after: Option<UnixMillis>,
    revoked: bool,
    now: UnixMillis,
) -> Judged {
    let (Some(fingerprint), Some(not_after)) = (fingerprint, not_after) else {
        return judged(
            false,
            "有効な機関証明書がありません",
            "there is no certificate that counts",
        );
    };
    if participant.is_none() || holder != participant {
        return judged(
            false,
            format!("証明書 {fingerprint} は申請した参加者のものではありません"),
            format!("certificate {fingerprint} is not that of the participant that applies"),
        );
    }
    if revoked {
        return judged(
            false,
            format!("証明書 {fingerprint} は失効済みです"),
            format!("certificate {fingerprint} was revoked"),
        );
    }
    if not_after <= now {
        return judged(
            false,
            format!("証明書 {fingerprint} は期限切れです"),
            format!("certificate {fingerprint} ran out"),
        );
    }
    judged(
        true,
        format!("証明書 {fingerprint} は有効です"),
        format!("certificate {fingerprint} counts"),
    )
}
