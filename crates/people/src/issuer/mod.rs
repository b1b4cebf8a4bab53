//! 組織のログイン (OpenID Connect Core 1.0): what an organisation's issuer says
//! about who somebody is, and when that is believed.
//!
//! Only the authorization code with PKCE is spoken (RFC 7636, S256). Of the
//! issuer's answer one thing is taken: issuer and subject, by which the registry
//! knows the account ([`iryonet_registry::Login`]). Names, addresses, groups and
//! roles in a token mean nothing here: who may do what is ours alone.
//!
//! It must not know how anything is fetched, nor which account it is.

pub mod flow;
pub mod keys;
pub mod metadata;
pub mod token;

pub use flow::Flow;
pub use keys::Keys;
pub use metadata::Metadata;
pub use token::{TokenError, Wanted};
