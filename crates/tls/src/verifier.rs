//! The one judge of peers' certificates, for both directions.
//!
//! rustls's own verifiers are not used: for clients they know no identity, and
//! for servers they compare a name or an address, which on link-local lines
//! proves nothing.

use crate::client::Expect;
use crate::error::Refusal;
use crate::identity::TrustRoots;
use crate::profile::{ALGORITHMS, Profile};
use crate::proof::{PeerProof, Role, parse};
use crate::server::ClientPolicy;
use crate::strength;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};
use webpki::{EndEntityCert, KeyUsage};

/// Most certificates that a peer may send above its leaf.
const INTERMEDIATES_LIMIT: usize = 3;

/// Whom this side is willing to speak with.
#[derive(Debug)]
pub(crate) enum Wanted {
    Clients(ClientPolicy),
    /// Clients that may show a certificate; one that is shown has to be good.
    PerhapsClients(ClientPolicy),
    Server(Expect),
}

#[derive(Debug)]
pub(crate) struct Verifier {
    roots: TrustRoots,
    wanted: Wanted,
    signatures: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(crate) fn new(profile: Profile, roots: TrustRoots, wanted: Wanted) -> Self {
        Self {
            roots,
            wanted,
            signatures: profile.provider().signature_verification_algorithms,
        }
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if intermediates.len() > INTERMEDIATES_LIMIT {
            return Err(Refusal::ChainTooLong {
                have: intermediates.len(),
                limit: INTERMEDIATES_LIMIT,
            }
            .into());
        }
        for certificate in std::iter::once(leaf).chain(intermediates) {
            strength::check(&parse(certificate)?)?;
        }
        let (role, usage) = match self.wanted {
            Wanted::Clients(_) | Wanted::PerhapsClients(_) => {
                (Role::Client, KeyUsage::client_auth())
            }
            Wanted::Server(_) => (Role::Server, KeyUsage::server_auth()),
        };
        EndEntityCert::try_from(leaf)
            .and_then(|end_entity| {
                end_entity
                    .verify_for_usage(
                        ALGORITHMS,
                        &self.roots.anchors,
                        intermediates,
                        now,
                        usage,
                        None,
                        None,
                    )
                    .map(|_| ())
            })
            .map_err(chain_error)?;
        let proof = PeerProof::read(leaf, role)?;
        let found = &proof.identity;
        let (holds, wanted) = match &self.wanted {
            Wanted::Clients(policy) | Wanted::PerhapsClients(policy) => {
                (policy.admits(found), policy.to_string())
            }
            Wanted::Server(expect) => (expect.is_met_by(found), expect.to_string()),
        };
        if holds {
            Ok(())
        } else {
            Err(Refusal::WrongIdentity {
                found: found.to_string(),
                wanted,
            }
            .into())
        }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.signatures)
    }
}

/// Says a chain's fault so that the alert fits and the reason can be counted.
fn chain_error(error: webpki::Error) -> Error {
    use webpki::Error as Chain;
    let certificate_error = match error {
        Chain::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }
        }
        Chain::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        // A chain whose names lead to our root, but which our root did not
        // sign: another authority under our name.
        Chain::UnknownIssuer | Chain::InvalidSignatureForPublicKey => {
            CertificateError::UnknownIssuer
        }
        Chain::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        Chain::CaUsedAsEndEntity => return Refusal::Authority.into(),
        other => return Refusal::Unreadable(other.to_string()).into(),
    };
    Error::InvalidCertificate(certificate_error)
}

/// No profile of ours speaks TLS 1.3 yet, so nobody may sign for it.
fn no_tls13() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        !matches!(self.wanted, Wanted::PerhapsClients(_))
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.roots.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(end_entity, intermediates, now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls13()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(end_entity, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls13()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}
