//! A login under way at an issuer: what has to come back with it. The center
//! keeps nothing of it; whoever began carries it, sealed, and shows it again,
//! to this center or to another one with the same key.

use super::metadata::Metadata;
use crate::session::Carrier;
use crate::vault::Vault;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iryonet_domain::{Role, UnixMillis};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

/// How long somebody may take at the issuer, in milliseconds.
pub const LIFE_MS: u64 = 10 * 60_000;
/// For what it is sealed.
const PLACE: &[u8] = b"login at an issuer";
/// Longest sealed one that is looked at, in characters.
const SEALED_MAX: usize = 4_096;

/// A login under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// At which issuer, by its name in our settings.
    pub issuer: String,
    /// In which role, where that was said.
    pub role: Option<Role>,
    /// How the session's token will come.
    pub carrier: Carrier,
    /// Where the browser goes afterwards, on our own listener.
    pub then: Option<String>,
    /// Comes back in the redirect (RFC 6749, section 10.12).
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// Shown when the code is redeemed (RFC 7636).
    pub verifier: String,
    /// When it began.
    pub began_at: UnixMillis,
}

/// Our side, as the issuer knows it.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Our name there.
    pub id: &'a str,
    /// Where browsers are sent back.
    pub redirect: &'a str,
    /// Classes of authentication that are asked for.
    pub acr: &'a [String],
    /// See [`super::Wanted::max_age_s`].
    pub max_age_s: u64,
}

impl Flow {
    /// A new one.
    pub fn begin<R: RngCore + CryptoRng>(
        issuer: &str,
        role: Option<Role>,
        carrier: Carrier,
        then: Option<String>,
        now: UnixMillis,
        rng: &mut R,
    ) -> Self {
        let mut draw = || {
            let mut octets = [0; 32];
            rng.fill_bytes(&mut octets);
            URL_SAFE_NO_PAD.encode(octets)
        };
        Self {
            issuer: issuer.to_owned(),
            role,
            carrier,
            then,
            // Tells the redirect whether a browser's cookie is to be looked for.
            // Whoever lies about it is shown a code that fits no flow.
            state: match carrier {
                Carrier::Cookie => format!("c.{}", draw()),
                Carrier::Bearer => format!("b.{}", draw()),
            },
            nonce: draw(),
            verifier: draw(),
            began_at: now,
        }
    }

    /// Was this state drawn for somebody who carries a bearer token?
    #[must_use]
    pub fn is_for_bearer(state: &str) -> bool {
        state.starts_with("b.")
    }

    /// Where the browser is sent.
    #[must_use]
    pub fn address(&self, at: &Metadata, client: &Client<'_>) -> String {
        let challenge = digest::digest(&digest::SHA256, self.verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge.as_ref());
        let max_age = client.max_age_s.to_string();
        let acr = client.acr.join(" ");
        let mut address = at.authorization.clone();
        let mut mark = if address.contains('?') { '&' } else { '?' };
        for (name, value) in [
            ("response_type", "code"),
            ("scope", "openid"),
            ("client_id", client.id),
            ("redirect_uri", client.redirect),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("max_age", &max_age),
            ("acr_values", &acr),
        ] {
            if !value.is_empty() {
                address.push(mark);
                address.push_str(name);
                address.push('=');
                address.push_str(&encoded(value));
                mark = '&';
            }
        }
        address
    }

    /// Sealed, for whoever began to carry.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal<R: RngCore + CryptoRng>(
        &self,
        vault: &Vault,
        rng: &mut R,
    ) -> Result<String, crate::vault::VaultError> {
        let octets = serde_json::to_vec(self).unwrap_or_default();
        Ok(URL_SAFE_NO_PAD.encode(vault.seal(PLACE, &octets, rng)?))
    }

    /// Opens what was carried; nothing where it is not ours, or too old.
    #[must_use]
    pub fn open(vault: &Vault, carried: &str, now: UnixMillis) -> Option<Self> {
        if carried.len() > SEALED_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(carried).ok()?;
        let octets = vault.open(PLACE, &sealed).ok()?;
        let flow: Self = serde_json::from_slice(&octets).ok()?;
        (now < flow.began_at.plus_ms(LIFE_MS)).then_some(flow)
    }

    /// Where it is noted that this one has come back.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, self.state.as_bytes());
        [b"o/", hash.as_ref()].concat()
    }

    /// Until when that has to be known.
    #[must_use]
    pub fn ends_at(&self) -> UnixMillis {
        self.began_at.plus_ms(LIFE_MS)
    }
}

/// Percent-encoded: everything but unreserved characters (RFC 3986, section 2.3).
#[must_use]
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flow({}; secrets not shown)", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

    fn flow() -> Flow {
        let then = Some("/cases".to_owned());
        Flow::begin("jma", None, Carrier::Cookie, then, NOW, &mut rand::rng())
    }

    #[test]
    fn what_is_carried_opens_for_ten_minutes_and_with_our_key_only() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let flow = flow();
        let carried = flow.seal(&vault, &mut rand::rng()).unwrap();
        assert!(!carried.contains(&flow.nonce));
        let open = |vault: &Vault, text: &str, ms| Flow::open(vault, text, NOW.plus_ms(ms));
        assert_eq!(open(&vault, &carried, LIFE_MS - 1), Some(flow));
        assert_eq!(open(&vault, &carried, LIFE_MS), None);
        assert_eq!(open(&Vault::new(&[8; 32]).unwrap(), &carried, 0), None);
        let mut bent = carried.into_bytes();
        bent[30] = if bent[30] == b'A' { b'B' } else { b'A' };
        assert_eq!(open(&vault, &String::from_utf8(bent).unwrap(), 0), None);
    }

    #[test]
    fn the_address_carries_the_challenge_and_not_its_verifier() {
        let at = Metadata {
            authorization: "https://login.example.jp/auth?tenant=1".to_owned(),
            token: String::new(),
            keys: String::new(),
            names_itself: false,
        };
        let acr = ["urn:mfa".to_owned(), "http://x/2".to_owned()];
        let client = Client {
            id: "iryonet center",
            redirect: "https://center.example:8445/v1/login/issuer/return",
            acr: &acr,
            max_age_s: 300,
        };
        let mut flow = flow();
        // RFC 7636, appendix B.
        flow.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let address = flow.address(&at, &client);
        for part in [
            "https://login.example.jp/auth?tenant=1&response_type=code&scope=openid&",
            "client_id=iryonet%20center&",
            "redirect_uri=https%3A%2F%2Fcenter.example%3A8445%2Fv1%2Flogin%2Fissuer%2Freturn&",
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
            "max_age=300&acr_values=urn%3Amfa%20http%3A%2F%2Fx%2F2",
        ] {
            assert!(address.contains(part), "{part} in {address}");
        }
        assert!(!address.contains(&flow.verifier));
    }
}
