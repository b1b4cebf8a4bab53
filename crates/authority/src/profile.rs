//! What a certificate of this network says, by whom it is for.
//!
//! A profile is made from the enrolment alone. Nothing that a request asks for
//! (names, usages, extensions) ever reaches a certificate.

use iryonet_domain::kind::ParticipantKind;
use iryonet_domain::text::TextError;
use iryonet_domain::{DeviceId, GatewayId, Identity, ParticipantNumber};
use std::net::IpAddr;

use crate::instant::DAY_MS;

/// Longest organisation name in a subject, in characters (RFC 5280 appendix A,
/// ub-organization-name).
pub const NAME_LIMIT: usize = 64;
/// Longest code in a subject, in characters (ub-serial-number).
pub const CODE_LIMIT: usize = 64;
/// Most names that a gateway or center may carry.
pub const SERVER_NAMES_LIMIT: usize = 16;
/// The longest life of a leaf certificate, in days.
pub const LIFE_DAYS_MAX: u64 = 730;

/// What a certificate may be used for (extended key usage, RFC 5280 section
/// 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// id-kp-serverAuth.
    ServerAuth,
    /// id-kp-clientAuth.
    ClientAuth,
    /// id-kp-ipsecIKE, RFC 4945 section 5.1.3.12.
    IpsecIke,
}

impl Usage {
    /// Its object identifier.
    #[must_use]
    pub fn oid(self) -> &'static [u64] {
        match self {
            Self::ServerAuth => &[1, 3, 6, 1, 5, 5, 7, 3, 1],
            Self::ClientAuth => &[1, 3, 6, 1, 5, 5, 7, 3, 2],
            Self::IpsecIke => &[1, 3, 6, 1, 5, 5, 7, 3, 17],
        }
    }
}

/// Names and addresses under which a server is reached. They help foreign
/// clients (browsers, curl); the network's own agents look at the identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// DNS names: letters, digits, hyphens and dots, no wildcard.
    pub dns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

/// For whom a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// A device of a participant: attaches as a client, and speaks IKE. One year.
    Institution {
        /// 参加者番号.
        number: ParticipantNumber,
        /// 接続機器.
        device: DeviceId,
        /// The participant's name. Stands in the subject for people to read; a
        /// name longer than 64 characters is cut there, since the identity, not
        /// the name, is what counts.
        name: String,
        /// Institution or provider, and of which kind.
        kind: ParticipantKind,
        /// Its code, if it has one (医療機関コード, 介護保険事業所番号).
        code: Option<String>,
    },
    /// A gateway: server for attach, client for the policy feed. One year.
    Gateway {
        /// Its name.
        id: GatewayId,
        /// Under which it is reached.
        names: ServerNames,
    },
    /// A center: server only. One year.
    Center {
        /// Its name.
        id: GatewayId,
        /// Under which it is reached.
        names: ServerNames,
    },
}

/// Why a profile cannot become a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The participant's name is none.
    #[error("the participant's name cannot stand in a certificate: {0}")]
    Name(#[source] TextError),
    /// The code has characters that a subject's serial number cannot hold.
    #[error(
        "the code {0:?} cannot stand in a certificate; 1 to {CODE_LIMIT} letters, digits and hyphens can"
    )]
    Code(String),
    /// Not a DNS name.
    #[error(
        "{0:?} is not a DNS name; labels of 1 to 63 letters, digits and hyphens, joined by dots, are (no wildcard, at most 253 characters)"
    )]
    DnsName(String),
    /// More names than a certificate carries.
    #[error("{have} names were asked for; a certificate carries at most {SERVER_NAMES_LIMIT}")]
    TooManyNames {
        /// Names asked for.
        have: usize,
    },
}

impl Profile {
    /// Whom the certificate will prove.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match self {
            Self::Institution { number, device, .. } => Identity::Participant {
                number: *number,
                device: *device,
            },
            Self::Gateway { id, .. } => Identity::Gateway(id.clone()),
            Self::Center { id, .. } => Identity::Center(id.clone()),
        }
    }

    /// What the certificate will be good for, and nothing else.
    #[must_use]
    pub fn usages(&self) -> &'static [Usage] {
        match self {
            Self::Institution { .. } => &[Usage::ClientAuth, Usage::IpsecIke],
            Self::Gateway { .. } => &[Usage::ClientAuth, Usage::ServerAuth],
            Self::Center { .. } => &[Usage::ServerAuth],
        }
    }

    /// Its life unless something else is asked for: 365 days.
    #[must_use]
    pub fn default_life_ms(&self) -> u64 {
        365 * DAY_MS
    }

    /// The server names; none for an institution.
    #[must_use]
    pub fn server_names(&self) -> ServerNames {
        match self {
            Self::Institution { .. } => ServerNames::default(),
            Self::Gateway { names, .. } | Self::Center { names, .. } => names.clone(),
        }
    }

    /// Checks everything that a subject or a subject alternative name could not
    /// hold.
    ///
    /// # Errors
    /// A name, code or DNS name that cannot stand in a certificate.
    pub fn check(&self) -> Result<(), ProfileError> {
        if let Self::Institution { name, code, .. } = self {
            iryonet_domain::text::clean(name, 1_000).map_err(ProfileError::Name)?;
            if let Some(code) = code {
                let fits = (1..=CODE_LIMIT).contains(&code.len())
                    && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                if !fits {
                    return Err(ProfileError::Code(code.chars().take(80).collect()));
                }
            }
        }
        let names = self.server_names();
        let have = names.dns.len().saturating_add(names.addresses.len());
        if have > SERVER_NAMES_LIMIT {
            return Err(ProfileError::TooManyNames { have });
        }
        match names.dns.iter().find(|name| !is_dns_name(name)) {
            Some(name) => Err(ProfileError::DnsName(name.chars().take(80).collect())),
            None => Ok(()),
        }
    }

    /// The organisation that stands in the subject.
    #[must_use]
    pub(crate) fn organisation(&self) -> String {
        match self {
            Self::Institution { name, .. } => iryonet_domain::text::clean(name, 1_000)
                .unwrap_or_default()
                .chars()
                .take(NAME_LIMIT)
                .collect(),
            Self::Gateway { id, .. } => format!("gateway {}", id.as_str()),
            Self::Center { id, .. } => format!("center {}", id.as_str()),
        }
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // All digits and dots would read as an address.
    (1..=253).contains(&name.len())
        && name.split('.').all(label)
        && !name.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn center(dns: &[&str]) -> Profile {
        Profile::Center {
            id: "c".parse().unwrap(),
            names: ServerNames {
                dns: dns.iter().map(|name| (*name).to_owned()).collect(),
                addresses: Vec::new(),
            },
        }
    }

    #[test]
    fn a_wildcard_or_a_broken_dns_name_reaches_no_certificate() {
        for name in [
            "*.example.jp",
            "",
            "a..b",
            "-a.jp",
            "a-.jp",
            "10.0.0.1",
            "例.jp",
            "a b",
        ] {
            assert!(
                matches!(center(&[name]).check(), Err(ProfileError::DnsName(_))),
                "{name}"
            );
        }
        assert_eq!(
            center(&["center.iryonet.example", "localhost"]).check(),
            Ok(())
        );
        assert!(matches!(
            center(&["a.jp"; 17]).check(),
            Err(ProfileError::TooManyNames { have: 17 })
        ));
    }

    #[test]
    fn a_name_that_deceives_the_reader_reaches_no_certificate() {
        let mut profile = Profile::Institution {
            number: ParticipantNumber::new(7).unwrap(),
            device: DeviceId(1),
            name: "青葉\u{202e}病院".to_owned(),
            kind: ParticipantKind::Provider,
            code: None,
        };
        assert!(matches!(profile.check(), Err(ProfileError::Name(_))));
        if let Profile::Institution { name, code, .. } = &mut profile {
            *name = "青".repeat(200);
            *code = Some("1312345678".to_owned());
        }
        assert_eq!(profile.check(), Ok(()));
        assert_eq!(profile.organisation().chars().count(), NAME_LIMIT);
        if let Profile::Institution { code, .. } = &mut profile {
            *code = Some("13\n".to_owned());
        }
        assert!(matches!(profile.check(), Err(ProfileError::Code(_))));
    }
}
