//! The institution CA: an offline root, issuing CAs, certificate profiles, a
//! lint before every signature, revocation lists, OCSP answers and enrolment
//! codes.
//!
//! Time and randomness are handed in ([`iryonet_domain::UnixMillis`], a
//! `rand::CryptoRng`), but for the making of keys and the nonces of ECDSA,
//! which come from the generator inside aws-lc or from a token. Apart from
//! [`files`] and [`custody`] nothing here touches a disk, and apart from
//! [`token`] no device; nothing here touches a network.
//!
//! It must not know who asks, which institution exists, which code was handed
//! out or which certificate was revoked: the registry is the source of truth,
//! and hands in what is to be written.

pub mod crl;
pub mod csr;
pub mod custody;
pub mod enrolment_code;
pub mod files;
pub mod instant;
pub mod issue;
pub mod issuing;
pub mod lint;
pub mod ocsp;
pub mod pkcs7;
pub mod profile;
pub mod root;
pub mod serial;
pub mod signer;
pub mod token;

pub use crl::{Crl, RevocationReason, Revoked};
pub use csr::{Csr, LeafKeys};
pub use custody::{Custody, Secret};
pub use enrolment_code::EnrolmentCode;
pub use issue::{Issued, issue};
pub use issuing::{IssuingCa, IssuingSpec, Rules};
pub use profile::{Profile, ServerNames, Usage};
pub use root::{CaName, RootCa, RootSpec};
pub use serial::Serial;
pub use signer::CaKey;
