//! The organisations' issuers of this center (OpenID Connect): what each says of
//! itself and its keys, fetched when wanted and kept for a while; codes redeemed
//! there. An issuer that does not answer keeps out who would come in by it, and
//! nobody else: sessions that run never ask it.
//!
//! What makes a token good, `iryonet_people::issuer` says.

use crate::config::{Config, IssuerConfig};
use crate::error::CenterError;
use crate::http::fetch::{FetchError, Sent, fetch};
use crate::http::problem::{Problem, chain};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iryonet_authority::files;
use iryonet_domain::UnixMillis;
use iryonet_people::issuer::flow::{Client, Flow, encoded};
use iryonet_people::issuer::keys::{KeysError, Unverified};
use iryonet_people::issuer::metadata::MetadataError;
use iryonet_people::issuer::{Keys, Metadata, TokenError, Wanted, token};
use iryonet_registry::Login;
use iryonet_tls::{Clock, NamedConnector, TrustRoots};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Where browsers are sent back to on the people's listener.
pub(crate) const RETURN_PATH: &str = "/v1/login/issuer/return";
/// Logins at once that wait for an issuer. More are told to come again.
const WAITING_MAX: usize = 16;
/// For how long what an issuer says of itself is not asked for again.
const FRESH: Duration = Duration::from_secs(3_600);
/// For how long it is good when it cannot be asked for again.
const KEPT: Duration = Duration::from_secs(86_400);
/// Between two questions for newer keys, whatever tokens come.
const KEYS_AGAIN: Duration = Duration::from_secs(10);

/// All of them.
pub(crate) struct Issuers {
    all: Vec<Issuer>,
    waiting: Semaphore,
}

/// One of them.
pub(crate) struct Issuer {
    pub(crate) config: IssuerConfig,
    redirect: String,
    secret: Option<Zeroizing<String>>,
    connector: NamedConnector,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<Metadata>,
    keys: Arc<Keys>,
    at: Instant,
    /// When newer keys were last asked for.
    asked_at: Instant,
}

/// Why an issuer let nobody in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error("the issuer cannot be asked")]
    Fetch(#[from] FetchError),
    #[error("the issuer answers {status} when asked for {what}")]
    Status {
        what: &'static str,
        status: StatusCode,
    },
    #[error("what the issuer says of itself is of no use")]
    Metadata(#[from] MetadataError),
    #[error("the issuer's keys are of no use")]
    Keys(#[from] KeysError),
    #[error("the issuer's answer to a code cannot be read")]
    Answer(#[source] serde_json::Error),
    #[error("the issuer does not take the center's own name and secret: {0}")]
    Client(String),
    #[error("the issuer does not take the code: {0}")]
    Code(String),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// What an issuer answers to a code (RFC 6749, section 5.1). The access token in
/// it is not looked at: nothing is asked for with it.
#[derive(Deserialize)]
struct Redeemed {
    id_token: String,
}

/// What it answers to one that it does not take (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct NotRedeemed {
    error: String,
}

impl Issuers {
    /// Those of the settings.
    pub(crate) fn load(config: &Config) -> Result<Self, CenterError> {
        let origin = config.people.origin.as_deref().unwrap_or_default();
        let redirect = format!("{}{RETURN_PATH}", origin.trim_end_matches('/'));
        let mut all = Vec::new();
        for issuer in &config.people.issuers {
            let pem = std::fs::read(&issuer.trust).map_err(|source| CenterError::Root {
                path: issuer.trust.clone(),
                source,
            })?;
            let roots = TrustRoots::from_pem(&pem)?;
            let secret = match &issuer.client_secret_file {
                Some(path) => {
                    let octets = files::read_secret(path)?;
                    let text = std::str::from_utf8(&octets).unwrap_or_default().trim();
                    Some(Zeroizing::new(text.to_owned()))
                }
                None => None,
            };
            all.push(Issuer {
                connector: NamedConnector::new(
                    crate::certificate::PROFILE,
                    &roots,
                    Clock::system(),
                )?,
                config: issuer.clone(),
                redirect: redirect.clone(),
                secret,
                known: Mutex::new(None),
            });
        }
        Ok(Self {
            all,
            waiting: Semaphore::new(WAITING_MAX),
        })
    }

    /// Every one, as the settings name them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Issuer> {
        self.all.iter()
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Result<&Issuer, Problem> {
        self.all
            .iter()
            .find(|issuer| issuer.config.name == name)
            .ok_or_else(|| {
                let name: String = name.chars().take(40).collect();
                Problem::unknown("issuer", "組織のログイン", format!("{name:?}"))
            })
    }

    /// A place among those who wait for an issuer.
    pub(crate) fn place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.waiting.try_acquire().map_err(|_| Problem::busy())
    }
}

impl Issuer {
    fn client(&self) -> Client<'_> {
        Client {
            id: &self.config.client_id,
            redirect: &self.redirect,
            acr: &self.config.acr,
            max_age_s: self.config.max_age_s,
        }
    }

    /// Where the browser of this login is to go.
    pub(crate) async fn address(&self, flow: &Flow) -> Result<String, IssuerError> {
        let known = self.known(false).await?;
        Ok(flow.address(&known.metadata, &self.client()))
    }

    /// May this answer be the issuer's (RFC 9207)? Another's code must not be
    /// redeemed here, where one browser has two logins under way.
    pub(crate) async fn may_say(&self, issuer: Option<&str>) -> Result<bool, IssuerError> {
        Ok(match issuer {
            Some(named) => named == self.config.issuer,
            None => !self.known(false).await?.metadata.names_itself,
        })
    }

    /// Redeems a code: who came in by it.
    pub(crate) async fn redeem(
        &self,
        flow: &Flow,
        code: &str,
        now: UnixMillis,
    ) -> Result<Login, IssuerError> {
        let known = self.known(false).await?;
        let mut form = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encoded(code),
            encoded(&self.redirect),
            encoded(&flow.verifier),
        );
        // RFC 6749, section 2.3.1: both are encoded before they are joined.
        let authorization = self.secret.as_ref().map(|secret| {
            let both = format!("{}:{}", encoded(&self.config.client_id), encoded(secret));
            Zeroizing::new(format!("Basic {}", STANDARD.encode(both)))
        });
        if authorization.is_none() {
            form.push_str("&client_id=");
            form.push_str(&encoded(&self.config.client_id));
        }
        let sent = Sent::Form {
            body: &form,
            authorization: authorization.as_ref().map(|text| text.as_str()),
        };
        let (status, body) = fetch(&self.connector, &known.metadata.token, sent).await?;
        if status != StatusCode::OK {
            return Err(match serde_json::from_slice::<NotRedeemed>(&body) {
                Ok(NotRedeemed { error }) if status.is_client_error() => {
                    let word: String = error.chars().take(60).collect();
                    match word.as_str() {
                        "invalid_client" | "unauthorized_client" | "unsupported_grant_type" => {
                            IssuerError::Client(word)
                        }
                        _ => IssuerError::Code(word),
                    }
                }
                _ => IssuerError::Status {
                    what: "a token",
                    status,
                },
            });
        }
        let redeemed: Redeemed = serde_json::from_slice(&body).map_err(IssuerError::Answer)?;
        let wanted = Wanted {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: &flow.nonce,
            acr: &self.config.acr,
            amr: &self.config.amr,
            max_age_s: self.config.max_age_s,
        };
        match token::check(&redeemed.id_token, &known.keys, &wanted, now) {
            // New keys since we last looked, perhaps.
            Err(TokenError::Unverified(Unverified::UnknownKey)) => {
                let known = self.known(true).await?;
                Ok(token::check(&redeemed.id_token, &known.keys, &wanted, now)?)
            }
            checked => Ok(checked?),
        }
    }

    /// What is known of it; asked for where it is not, or is old, or newer is
    /// wanted. One question at a time: the others wait for its answer.
    async fn known(&self, newer: bool) -> Result<Known, IssuerError> {
        let mut kept = self.known.lock().await;
        if let Some(known) = &*kept {
            let enough = if newer {
                known.asked_at.elapsed() < KEYS_AGAIN
            } else {
                known.at.elapsed() < FRESH
            };
            if enough {
                return Ok(known.clone());
            }
        }
        match self.ask().await {
            Ok((metadata, keys)) => {
                let first = kept.is_none();
                let now = Instant::now();
                let known = Known {
                    metadata: Arc::new(metadata),
                    keys: Arc::new(keys),
                    at: now,
                    // The first set may be replaced at once.
                    asked_at: match now.checked_sub(KEYS_AGAIN) {
                        Some(before) if first => before,
                        _ => now,
                    },
                };
                *kept = Some(known.clone());
                Ok(known)
            }
            Err(error) => match &mut *kept {
                Some(known) if known.at.elapsed() < KEPT => {
                    tracing::warn!(issuer = self.config.name, error = %chain(&error), "an issuer cannot be asked; what is known of it is used");
                    known.asked_at = Instant::now();
                    Ok(known.clone())
                }
                _ => Err(error),
            },
        }
    }

    async fn ask(&self) -> Result<(Metadata, Keys), IssuerError> {
        let said = self
            .get(
                "its description",
                &Metadata::address_of(&self.config.issuer),
            )
            .await?;
        let metadata = Metadata::read(&said, &self.config.issuer)?;
        let keys = Keys::read(&self.get("its keys", &metadata.keys).await?)?;
        Ok((metadata, keys))
    }

    async fn get(
        &self,
        what: &'static str,
        address: &str,
    ) -> Result<axum::body::Bytes, IssuerError> {
        match fetch(&self.connector, address, Sent::Nothing).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(IssuerError::Status { what, status }),
        }
    }

    /// What whoever comes is told, and the log.
    pub(crate) fn problem(&self, error: &IssuerError) -> Problem {
        let name = &self.config.name;
        tracing::warn!(issuer = name, error = %chain(error), "a login at an issuer failed");
        match error {
            IssuerError::Fetch(_)
            | IssuerError::Status { .. }
            | IssuerError::Metadata(_)
            | IssuerError::Keys(_)
            | IssuerError::Answer(_)
            | IssuerError::Client(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "issuer-unavailable",
                format!(
                    "nobody can log in by {name} now: it does not answer as it should. Sessions that run go on; the cause is in the center's log"
                ),
                format!(
                    "現在 {name} によるログインはできません（応答がないか、正しくありません）。継続中のセッションはそのまま使えます。"
                ),
            )
            .retry_after(30),
            IssuerError::Code(word) => Problem::new(
                StatusCode::UNAUTHORIZED,
                "issuer-code-refused",
                format!("{name} does not take this code ({word}): it was used, or is too old; log in again"),
                format!("{name} がこのコードを受け付けません（{word}）。もう一度ログインしてください。"),
            ),
            IssuerError::Token(TokenError::SecondFactor { claim }) => Problem::new(
                StatusCode::FORBIDDEN,
                "issuer-second-factor",
                format!(
                    "{name} says by its {claim} that no second factor was shown that is taken here; log in there with one"
                ),
                format!(
                    "{name} で必要な二要素認証が行われていません（{claim}）。二要素目を使ってログインしてください。"
                ),
            ),
            IssuerError::Token(TokenError::TooLongAgo { age_s, max_age_s }) => Problem::new(
                StatusCode::FORBIDDEN,
                "issuer-login-old",
                format!(
                    "the login at {name} was {age_s} s ago, and at most {max_age_s} s are taken; log in there again"
                ),
                format!(
                    "{name} でのログインから {age_s} 秒経過しています（上限 {max_age_s} 秒）。もう一度ログインしてください。"
                ),
            ),
            IssuerError::Token(error) => Problem::new(
                StatusCode::UNAUTHORIZED,
                "issuer-token-refused",
                format!("what {name} says is not believed: {error}"),
                format!("{name} の応答を確認できないため、ログインできません: {error}"),
            ),
        }
    }
}
