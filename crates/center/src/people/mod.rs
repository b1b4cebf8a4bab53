//! The people's listener: TLS without a client certificate, and a session that
//! is looked at anew for every request ([`gate`]). It serves the operators'
//! resources with the actor taken from the session, and what only people have:
//! coming in, going, and their own credentials.
//!
//! It must not know how a password is checked or a session ends
//! (`iryonet_people`), nor which role may do what (`registry::permission`, by
//! way of [`crate::access`]).

mod answer;
pub(crate) mod gate;
mod issuer_login;
mod issuers;
mod key;
mod login;
mod me;
mod page;
mod passkeys;
mod sessions;
mod state;

pub(crate) use issuers::Issuers;
pub(crate) use key::ensure as ensure_key;
pub(crate) use sessions::forget;
pub(crate) use state::{CredentialsOf, People, PeopleClock};

use crate::state::Center;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The paths that are on this listener alone, with their description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(login::password))
        .routes(routes!(login::code))
        .routes(routes!(issuer_login::issuers))
        .routes(routes!(issuer_login::begin))
        .routes(routes!(issuer_login::come_back))
        .routes(routes!(issuer_login::confirm))
        .routes(routes!(me::log_out))
        .routes(routes!(me::me))
        .routes(routes!(me::begin_totp))
        .routes(routes!(me::confirm_totp))
        .routes(routes!(me::change_password))
        .routes(routes!(me::draw_recovery_codes))
        .routes(routes!(passkeys::list, passkeys::register))
        .routes(routes!(passkeys::begin))
        .routes(routes!(passkeys::remove))
        .routes(routes!(passkeys::begin_login))
        .routes(routes!(passkeys::log_in))
        .routes(routes!(page::page))
}
