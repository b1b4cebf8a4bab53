//! What was found out about a server: facts, no judgement. A report can be
//! kept, and judged again by another profile.

use crate::certificate::Chain;
use crate::group::Group;
use crate::scheme::Scheme;
use crate::suite::Suite;
use crate::talk::Refusal;
use crate::text::Text;
use crate::version::Version;
use iryonet_domain::UnixMillis;
use serde::{Deserialize, Serialize};

/// Why something could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// No version with a suite that the checker can carry to its end.
    NoCommonHandshake,
    /// The handshake did not come to stand.
    NotEstablished(Refusal),
    /// The server asks for a client certificate, and none was given to check with.
    NeedsClientCertificate,
    /// No certificate was given to show to the client.
    NeedsServerCertificate,
    /// No roots were given to judge by.
    NeedsRoots,
    /// Signatures too weak to be checked with.
    TooWeakToVerify,
    /// The server answered in a way that cannot be read.
    Unreadable(Refusal),
    /// The application's answer fits both.
    Ambiguous,
}

impl Gap {
    /// In words.
    #[must_use]
    pub fn text(&self) -> Text {
        match self {
            Self::NoCommonHandshake => Text::new(
                "検査側が最後まで行えるバージョンと暗号スイートがない",
                "no version and suite that the checker can carry to the end",
            ),
            Self::NotEstablished(refusal) => Text::new(
                format!("ハンドシェイクが成立しない（{refusal}）"),
                format!("the handshake does not come to stand ({refusal})"),
            ),
            Self::NeedsClientCertificate => Text::new(
                "サーバはクライアント証明書を求めるが、検査用の証明書が与えられていない (--client)",
                "the server asks for a client certificate and none was given (--client)",
            ),
            Self::NeedsServerCertificate => Text::new(
                "クライアントに示すサーバ証明書が与えられていない (--cert)",
                "no certificate to show to the client was given (--cert)",
            ),
            Self::NeedsRoots => Text::new(
                "信頼するルート証明書が与えられていない (--roots)",
                "no roots to trust were given (--roots)",
            ),
            Self::TooWeakToVerify => Text::new(
                "署名が弱すぎて検証できない",
                "a signature too weak or of a kind that cannot be verified",
            ),
            Self::Unreadable(refusal) => Text::new(
                format!("応答を解釈できない（{refusal}）"),
                format!("the answer cannot be read ({refusal})"),
            ),
            Self::Ambiguous => Text::new(
                "アプリケーションの応答からは判断できない",
                "the application's answer fits both",
            ),
        }
    }
}

/// A question and whether it could be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It could not be told.
    Unknown(Gap),
}

impl Told {
    /// A certain answer.
    #[must_use]
    pub fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What was found out about a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Where it was reached, `address:port`.
    pub address: String,
    /// The name that was asked for; `None` for a bare address.
    pub server_name: Option<String>,
    /// When, by the caller's clock.
    pub probed_at: UnixMillis,
    /// What it took.
    pub effort: Effort,
    /// Each version, oldest first.
    pub versions: Vec<VersionSeen>,
    /// What keys are agreed on with.
    pub key_exchange: KeyExchangeSeen,
    /// The chains that were shown, each leaf once.
    pub chains: Vec<Chain>,
    /// Whether the handshake was signed with the leaf's key.
    pub key_proved: Told,
    /// Client certificates, for each version that is spoken.
    pub client_certificates: Vec<ClientCertificateSeen>,
    /// Second handshakes on one connection.
    pub renegotiation: RenegotiationSeen,
    /// Whether sessions are resumed.
    pub resumption: ResumptionSeen,
    /// Whether TLS compression (RFC 3749) is agreed on.
    pub compression: Told,
    /// RFC 7627, in TLS 1.2 and older; TLS 1.3 has it built in.
    pub extended_master_secret: Told,
    /// What happens with another server name, or none.
    pub server_names: ServerNamesSeen,
}

impl Report {
    /// What was found about one version.
    #[must_use]
    pub fn version(&self, version: Version) -> Option<&VersionSeen> {
        self.versions.iter().find(|seen| seen.version == version)
    }

    /// Whether a version is certainly spoken.
    #[must_use]
    pub fn speaks(&self, version: Version) -> bool {
        self.version(version)
            .is_some_and(|seen| seen.offered == Told::Yes)
    }
}

/// What a check cost the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Connections made, one after the other.
    pub connections: u32,
    /// Octets received.
    pub octets_received: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// One version of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSeen {
    /// Which.
    pub version: Version,
    /// Whether a handshake in it begins.
    pub offered: Told,
    /// How it was refused, when it was.
    pub refusal: Option<Refusal>,
    /// The suites that are taken, in the order in which they were chosen.
    pub suites: Vec<Suite>,
    /// Whose order of suites counts; `None` when fewer than two are taken.
    pub preference: Option<Preference>,
}

/// Whose order of suites counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// The server's.
    Server,
    /// The client's.
    Client,
}

/// What keys are agreed on with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyExchangeSeen {
    /// Curves of TLS 1.2 and older, in the order in which they were chosen.
    pub curves: Vec<Group>,
    /// Groups of TLS 1.3.
    pub groups13: Vec<Group>,
    /// Sizes in bits of the finite fields of DHE, each once.
    pub dhe_bits: Vec<u32>,
    /// A curve described by its numbers was proposed.
    pub explicit_curve: bool,
    /// What the server signed its share with.
    pub schemes: Vec<Scheme>,
}

/// Client certificates in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificateSeen {
    /// Which version.
    pub version: Version,
    /// Whether one is asked for.
    pub demanded: Told,
    /// Whose certificates are asked for, as far as it says.
    pub authorities: Vec<String>,
    /// What becomes of a connection without one.
    pub without: Fate,
    /// What becomes of a connection with the given one; `None` when none was given.
    pub with: Option<Fate>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Refused before the handshake stood.
    RefusedInHandshake(Refusal),
    /// The handshake stood, then it was ended by an alert.
    RefusedAfter(Refusal),
    /// The application answered with this HTTP status.
    HttpStatus(u16),
    /// The application answered something that is not HTTP; how it begins.
    Data(String),
    /// The handshake stood, and nobody ended the connection.
    Stands,
    /// It could not be told.
    Unknown(Gap),
}

/// Second handshakes on one connection, TLS 1.2 and older.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenegotiationSeen {
    /// RFC 5746 is understood; `None` where TLS 1.3 alone is spoken.
    pub secure: Option<Told>,
    /// A client can start one; `None` where TLS 1.3 alone is spoken.
    pub client_initiated: Option<Told>,
}

/// Whether sessions are resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumptionSeen {
    /// By the session's number, TLS 1.2; `None` where it is not spoken.
    pub session_id: Option<Told>,
    /// By ticket, TLS 1.2 (RFC 5077); `None` where it is not spoken.
    pub ticket: Option<Told>,
    /// By ticket, TLS 1.3; `None` where it is not spoken.
    pub ticket13: Option<Told>,
    /// The longest life that a ticket was given, in seconds.
    pub ticket_lifetime_s: Option<u32>,
}

/// What happens with another server name (SNI), or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNamesSeen {
    /// Without a name.
    pub none: Option<NameFate>,
    /// With a name that cannot exist.
    pub foreign: Option<NameFate>,
}

/// How a server name was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameFate {
    /// The same certificate is shown.
    SameCertificate,
    /// Another certificate is shown.
    OtherCertificate,
    /// The handshake goes on; TLS 1.3 hides which certificate is shown.
    Accepted,
    /// It is refused.
    Refused(Refusal),
}
