//! The institution CA: an offline root, an issuing CA, certificate profiles, a
//! lint before every real signature, revocation lists and enrolment codes.
//!
//! Time and randomness are handed in ([`iryonet_domain::UnixMillis`], a
//! `rand::CryptoRng`), but for the making of keys and the nonces of ECDSA,
//! which come from the generator inside aws-lc. Apart from [`files`] nothing
//! here touches a disk; nothing here touches a network.
//!
//! It must not know who asks, which institution exists, which code was handed
//! out or which certificate was revoked: the registry is the source of truth,
//! and hands in what is to be written.

pub mod crl;
pub mod csr;
pub mod enrolment_code;
pub mod files;
pub mod instant;
pub mod issue;
pub mod issuing;
pub mod lint;
pub mod profile;
pub mod root;
pub mod serial;
pub mod signer;

pub use crl::{Crl, RevocationReason, Revoked};
pub use csr::Csr;
pub use enrolment_code::EnrolmentCode;
pub use issue::{Issued, issue};
pub use issuing::IssuingCa;
pub use profile::{Profile, ServerNames, Usage};
pub use root::{CaName, RootCa};
pub use serial::Serial;
