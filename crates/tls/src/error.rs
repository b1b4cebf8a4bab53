//! Why a handshake failed, in words for counters and words for people.

use std::sync::Arc;

/// An error of the library below, whose type is no part of our surface.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why TLS could not be set up at all: a fault on our own side.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file holds no certificate or key.
    #[error("{what} holds no {wanted} in PEM; it must begin with -----BEGIN {label}-----")]
    NotPem {
        /// Which input.
        what: &'static str,
        /// What it should hold.
        wanted: &'static str,
        /// The label of that.
        label: &'static str,
    },
    /// More certificates than a chain or a set of roots has.
    #[error("{what} holds {have} certificates; at most {limit} are taken")]
    TooMany {
        /// Which input.
        what: &'static str,
        /// Certificates found.
        have: usize,
        /// Certificates allowed.
        limit: usize,
    },
    /// Our own certificate is not fit for the role.
    #[error("our own certificate cannot be used: {0}")]
    OwnCertificate(#[source] Refusal),
    /// A root that is to be trusted is not fit for it.
    #[error("certificate {place} of the roots cannot be trusted: {why}")]
    Root {
        /// Which, counted from 1.
        place: usize,
        /// What is wrong.
        why: String,
    },
    /// The key is unreadable, or is not the certificate's.
    #[error(
        "our own key cannot be used with our certificate; give the pair that was made together"
    )]
    Key(#[source] Cause),
    /// There is no certificate that another could take the place of.
    #[error("this connection shows no certificate, so none can be replaced")]
    ShowsNone,
    /// The profile cannot be built.
    #[error("the TLS profile {profile} cannot be built")]
    Profile {
        /// Its name.
        profile: &'static str,
        /// Why not.
        source: Cause,
    },
}

/// Why a handshake failed, for counters. The words never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The client showed no certificate.
    NoCertificate,
    /// No CA that we trust signed the certificate.
    UnknownAuthority,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is damaged, or proves nobody or two.
    BadCertificate,
    /// It is for another use (a server's shown by a client, say).
    WrongUsage,
    /// It proves somebody, but not whom this door is for.
    WrongIdentity,
    /// A key or signature in the chain is too weak.
    WeakKey,
    /// The peer does not speak TLS 1.2.
    ProtocolVersion,
    /// The peer has no suite, group or signature in common with the profile.
    NoCommonSuite,
    /// It took longer than allowed.
    Timeout,
    /// The handshake was larger than allowed.
    TooLarge,
    /// The connection broke.
    Io,
    /// Anything else, as bytes that are not TLS.
    Other,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::NoCertificate,
        Self::UnknownAuthority,
        Self::Expired,
        Self::NotYetValid,
        Self::BadCertificate,
        Self::WrongUsage,
        Self::WrongIdentity,
        Self::WeakKey,
        Self::ProtocolVersion,
        Self::NoCommonSuite,
        Self::Timeout,
        Self::TooLarge,
        Self::Io,
        Self::Other,
    ];

    /// The word used in counters, files and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::UnknownAuthority => "unknown-authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::BadCertificate => "bad-certificate",
            Self::WrongUsage => "wrong-usage",
            Self::WrongIdentity => "wrong-identity",
            Self::WeakKey => "weak-key",
            Self::ProtocolVersion => "protocol-version",
            Self::NoCommonSuite => "no-common-suite",
            Self::Timeout => "timeout",
            Self::TooLarge => "too-large",
            Self::Io => "io",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a certificate, beyond what its chain says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not X.509, or with something after it.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// More certificates than a chain of this network has.
    #[error("{have} certificates were sent above the leaf; at most {limit} are taken")]
    ChainTooLong {
        /// Certificates sent.
        have: usize,
        /// Certificates allowed.
        limit: usize,
    },
    /// It proves nobody, or more than one.
    #[error(
        "the certificate names {have} identities (subject alternative name URIs); exactly one is right"
    )]
    Identities {
        /// URIs found.
        have: usize,
    },
    /// Its one URI is not of this network.
    #[error(transparent)]
    Identity(#[from] iryonet_domain::identity::IdentityError),
    /// Not for this use.
    #[error("the certificate is not for {wanted} (extended key usage)")]
    Usage {
        /// The use it was shown for.
        wanted: &'static str,
    },
    /// It is a CA's.
    #[error("the certificate is a CA's; nobody connects with one")]
    Authority,
    /// It proves somebody else.
    #[error("the certificate proves {found}; here {wanted} is expected")]
    WrongIdentity {
        /// Whom it proves.
        found: String,
        /// Who was expected.
        wanted: String,
    },
    /// A key or signature in the chain is too weak.
    #[error(
        "a certificate in the chain is too weak: {found}; RSA of 2048 bits or more, ECDSA P-256 or P-384, signed with SHA-256 or better, is right"
    )]
    Weak {
        /// What was found.
        found: String,
    },
}

impl Refusal {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Unreadable(_) | Self::ChainTooLong { .. } => Reason::BadCertificate,
            Self::Identities { .. } | Self::Identity(_) => Reason::BadCertificate,
            Self::Usage { .. } | Self::Authority => Reason::WrongUsage,
            Self::WrongIdentity { .. } => Reason::WrongIdentity,
            Self::Weak { .. } => Reason::WeakKey,
        }
    }
}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        use rustls::CertificateError;
        Self::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(
            refusal,
        ))))
    }
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
#[error("TLS handshake failed ({reason}{})", if *.refused_by_peer { ", said the peer" } else { "" })]
pub struct HandshakeError {
    reason: Reason,
    refused_by_peer: bool,
    source: Option<Cause>,
}

/// Within an I/O error: the handshake used up its octets.
#[derive(Debug, thiserror::Error)]
#[error("the handshake took more than {limit} octets")]
pub(crate) struct TooLarge {
    pub(crate) limit: usize,
}

impl HandshakeError {
    /// The stable word for counters.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether the other side refused, and the reason is what its alert said.
    /// An alert tells less than the refuser knows: `not-yet-valid` is sent as
    /// `expired`, a wrong identity or weak key as `bad-certificate`.
    #[must_use]
    pub fn refused_by_peer(&self) -> bool {
        self.refused_by_peer
    }

    /// The whole story in one line, causes included.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }

    pub(crate) fn timeout() -> Self {
        Self {
            reason: Reason::Timeout,
            refused_by_peer: false,
            source: None,
        }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            reason: refusal.reason(),
            refused_by_peer: false,
            source: Some(Box::new(refusal)),
        }
    }

    pub(crate) fn no_certificate() -> Self {
        Self {
            reason: Reason::NoCertificate,
            refused_by_peer: false,
            source: None,
        }
    }

    pub(crate) fn from_io(error: std::io::Error) -> Self {
        let inner = error.get_ref();
        let (reason, refused_by_peer) =
            if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                classify(error)
            } else if inner.is_some_and(|inner| inner.is::<TooLarge>()) {
                (Reason::TooLarge, false)
            } else {
                (Reason::Io, false)
            };
        Self {
            reason,
            refused_by_peer,
            source: Some(Box::new(error)),
        }
    }
}

fn classify(error: &rustls::Error) -> (Reason, bool) {
    use rustls::{CertificateError, Error, PeerIncompatible};
    let reason = match error {
        Error::NoCertificatesPresented => Reason::NoCertificate,
        Error::AlertReceived(alert) => return (classify_alert(*alert), true),
        Error::PeerIncompatible(incompatible) => match incompatible {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            // A hello without them is TLS 1.1 or older: rustls looks for them
            // before it looks at the version.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired => Reason::ProtocolVersion,
            PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon
            | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
            | PeerIncompatible::NoEcPointFormatsInCommon
            | PeerIncompatible::NamedGroupsExtensionRequired
            | PeerIncompatible::EcPointsExtensionRequired => Reason::NoCommonSuite,
            _ => Reason::Other,
        },
        Error::InvalidCertificate(invalid) => match invalid {
            CertificateError::UnknownIssuer => Reason::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Reason::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Reason::NotYetValid
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Reason::WrongUsage
            }
            CertificateError::Other(other) => other
                .0
                .downcast_ref::<Refusal>()
                .map_or(Reason::BadCertificate, Refusal::reason),
            _ => Reason::BadCertificate,
        },
        _ => Reason::Other,
    };
    (reason, false)
}

fn classify_alert(alert: rustls::AlertDescription) -> Reason {
    use rustls::AlertDescription as Alert;
    match alert {
        Alert::ProtocolVersion => Reason::ProtocolVersion,
        // What a TLS 1.2 server sends when it finds nothing in common.
        Alert::HandshakeFailure | Alert::InsufficientSecurity => Reason::NoCommonSuite,
        Alert::CertificateRequired => Reason::NoCertificate,
        Alert::UnknownCA => Reason::UnknownAuthority,
        Alert::CertificateExpired => Reason::Expired,
        Alert::UnsupportedCertificate => Reason::WrongUsage,
        Alert::AccessDenied => Reason::WrongIdentity,
        Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::CertificateRevoked
        | Alert::DecryptError => Reason::BadCertificate,
        _ => Reason::Other,
    }
}
