//! A CA's key in a PKCS#11 token: an HSM, or SoftHSM in the tests. The key is
//! made in the token and cannot be taken out of it.
//!
//! A token can be gone at any moment. Whatever goes wrong ends the session
//! that it went wrong in, and fails the one signature that was asked for; the
//! next one opens a session and logs in anew.

use crate::custody::Secret;
use crate::signer::{CaKey, SignError, Signer};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use sha2::{Digest, Sha256, Sha384};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// Most keys that are looked at under one label.
const SAME_LABEL_MAX: usize = 2;

/// Where a key lies.
#[derive(Debug, Clone)]
pub struct TokenKey {
    /// The token maker's PKCS#11 library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label (CKA_LABEL), the same for its private and public half.
    pub key: String,
    /// The user's PIN.
    pub pin: Secret,
}

/// What went wrong with a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The library cannot be used.
    #[error("the PKCS#11 module {} cannot be used", module.display())]
    Module {
        /// Which.
        module: PathBuf,
        /// Why not.
        source: Pkcs11Error,
    },
    /// No such token.
    #[error("there is no token {token:?}; is it plugged in, and its service running?")]
    NoToken {
        /// Its label.
        token: String,
    },
    /// The token refused or broke off.
    #[error("the token {token:?} could not {act}")]
    Token {
        /// Its label.
        token: String,
        /// What was tried.
        act: &'static str,
        /// What it says.
        source: Pkcs11Error,
    },
    /// Not exactly one key.
    #[error(
        "the token {token:?} holds {have} private keys with the label {key:?}; exactly one is wanted"
    )]
    Keys {
        /// The token's label.
        token: String,
        /// The key's label.
        key: String,
        /// How many there are.
        have: usize,
    },
    /// A key that no CA may have.
    #[error("the key {key:?} in the token {token:?} cannot be a CA's: {why}")]
    Unfit {
        /// The token's label.
        token: String,
        /// The key's label.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// It gave something that is no signature.
    #[error("the token {token:?} gave a signature of {octets} octets; {wanted} are right")]
    Signature {
        /// Its label.
        token: String,
        /// Octets.
        octets: usize,
        /// How many there should be.
        wanted: usize,
    },
}

/// PKCS#11 wants one context for each library in a process.
static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// A library that is loaded. Some forget their tokens for good when one goes
/// away, until they are begun anew (C_Finalize, C_Initialize): nobody may be
/// in a call meanwhile, and sessions from before are void after it.
struct Module {
    context: Pkcs11,
    /// How often it was begun anew. Read while calling, written to begin.
    begun: RwLock<u64>,
}

impl Module {
    fn load(path: &Path) -> Result<Arc<Self>, TokenError> {
        let failed = |source| TokenError::Module {
            module: path.to_owned(),
            source,
        };
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = modules.get(path) {
            return Ok(Arc::clone(known));
        }
        let context = Pkcs11::new(path).map_err(failed)?;
        initialize(&context).map_err(failed)?;
        let made = Arc::new(Self {
            context,
            begun: RwLock::new(0),
        });
        modules.insert(path.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// Begins anew, unless somebody has since `seen`.
    fn begin_anew(&self, seen: u64) -> Result<(), Pkcs11Error> {
        let mut begun = self.begun.write().unwrap_or_else(PoisonError::into_inner);
        if *begun != seen {
            return Ok(());
        }
        *begun = begun.wrapping_add(1);
        // That it was not begun, or cannot end in order, is no hindrance.
        if let Err(error) = self.context.clone().finalize() {
            tracing::debug!(%error, "the PKCS#11 module did not end in order");
        }
        initialize(&self.context)
    }

    fn reading(&self) -> RwLockReadGuard<'_, u64> {
        self.begun.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn initialize(context: &Pkcs11) -> Result<(), Pkcs11Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another user of the library in this process began before us.
        Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

struct Open {
    session: Session,
    private: ObjectHandle,
    /// The beginning of the library in which it was opened.
    begun: u64,
}

/// Signs with a key in a token.
pub struct TokenSigner {
    key: TokenKey,
    module: Arc<Module>,
    kind: CaKey,
    public_key: Vec<u8>,
    /// A session at a time: signing is what a token does slowest.
    open: Mutex<Option<Open>>,
}

impl TokenSigner {
    /// Finds the key in its token.
    ///
    /// # Errors
    /// When module, token or key are not there, or the PIN is wrong.
    pub fn open(key: TokenKey) -> Result<Self, TokenError> {
        let module = Module::load(&key.module)?;
        let begun = module.reading();
        let open = log_in(&module.context, &key, *begun)?;
        let (kind, public_key) = public_part(&open.session, &key)?;
        drop(begun);
        Ok(Self {
            key,
            module,
            kind,
            public_key,
            open: Mutex::new(Some(open)),
        })
    }

    /// Makes a key in the token: it signs, and leaves the token never.
    ///
    /// # Errors
    /// As [`TokenSigner::open`], and when a key with this label is there already.
    pub fn generate(key: TokenKey, kind: CaKey) -> Result<Self, TokenError> {
        let module = Module::load(&key.module)?;
        let begun = module.reading();
        let token = |act| failed(&key, act);
        let session = session(&module.context, &key, true)?;
        let label = || Attribute::Label(key.key.clone().into_bytes());
        let present = session
            .find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), label()])
            .map_err(token("be searched"))?;
        if !present.is_empty() {
            return Err(TokenError::Unfit {
                token: key.token.clone(),
                key: key.key.clone(),
                why: "a key with this label is there already and is never replaced",
            });
        }
        let mut public = vec![Attribute::Token(true), Attribute::Verify(true), label()];
        let mechanism = match kind {
            CaKey::P256 | CaKey::P384 => {
                public.push(Attribute::EcParams(curve(kind).to_vec()));
                Mechanism::EccKeyPairGen
            }
            CaKey::Rsa2048 | CaKey::Rsa3072 => {
                let bits: u32 = if kind == CaKey::Rsa2048 { 2_048 } else { 3_072 };
                public.push(Attribute::ModulusBits(u64::from(bits).into()));
                public.push(Attribute::PublicExponent(vec![1, 0, 1]));
                Mechanism::RsaPkcsKeyPairGen
            }
        };
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Decrypt(false),
            label(),
        ];
        session
            .generate_key_pair(&mechanism, &public, &private)
            .map_err(token("make a key"))?;
        // Worth nothing to anybody; a session that does not close ends with the process.
        let _ = session.close();
        drop(begun);
        Self::open(key)
    }

    fn log_in_again(&self, begun: u64) -> Result<Open, TokenError> {
        let open = log_in(&self.module.context, &self.key, begun)?;
        // Another key under the same label would sign what nobody can verify.
        let (_, public_key) = public_part(&open.session, &self.key)?;
        if public_key != self.public_key {
            return Err(TokenError::Unfit {
                token: self.key.token.clone(),
                key: self.key.key.clone(),
                why: "it is another key than it was at the start",
            });
        }
        tracing::info!(token = %self.key.token, "logged in to the token again");
        Ok(open)
    }

    fn sign_in(&self, open: &Open, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let sign = |mechanism: &Mechanism<'_>, data: &[u8]| {
            open.session
                .sign(mechanism, open.private, data)
                .map_err(failed(&self.key, "sign"))
        };
        match self.kind {
            CaKey::P256 => self.ecdsa(&sign(&Mechanism::Ecdsa, &Sha256::digest(message))?, 32),
            CaKey::P384 => self.ecdsa(&sign(&Mechanism::Ecdsa, &Sha384::digest(message))?, 48),
            CaKey::Rsa2048 | CaKey::Rsa3072 => sign(&Mechanism::Sha256RsaPkcs, message),
        }
    }

    /// A token's r and s side by side, as certificates carry them (RFC 3279
    /// section 2.2.3).
    fn ecdsa(&self, raw: &[u8], half: usize) -> Result<Vec<u8>, TokenError> {
        let wanted = half * 2;
        let (r, s) = raw
            .split_at_checked(half)
            .filter(|_| raw.len() == wanted)
            .ok_or_else(|| TokenError::Signature {
                token: self.key.token.clone(),
                octets: raw.len(),
                wanted,
            })?;
        Ok(yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_bigint_bytes(r, true);
                writer.next().write_bigint_bytes(s, true);
            });
        }))
    }
}

impl Signer for TokenSigner {
    fn kind(&self) -> CaKey {
        self.kind
    }

    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begun = self.module.reading();
        let session = match open.take().filter(|open| open.begun == *begun) {
            Some(session) => session,
            None => match self.log_in_again(*begun) {
                Ok(session) => session,
                Err(error) => {
                    tracing::warn!(error = %error, "the PKCS#11 module is begun anew");
                    let seen = *begun;
                    drop(begun);
                    self.module
                        .begin_anew(seen)
                        .map_err(|source| TokenError::Module {
                            module: self.key.module.clone(),
                            source,
                        })?;
                    begun = self.module.reading();
                    self.log_in_again(*begun)?
                }
            },
        };
        match self.sign_in(&session, message) {
            // Kept only when it has worked.
            Ok(signature) => {
                *open = Some(session);
                Ok(signature)
            }
            Err(error) => {
                // It may be void already; then this does nothing.
                let _ = session.session.close();
                Err(error.into())
            }
        }
    }
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSigner")
            .field("token", &self.key.token)
            .field("key", &self.key.key)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn failed(key: &TokenKey, act: &'static str) -> impl Fn(Pkcs11Error) -> TokenError {
    let token = key.token.clone();
    move |source| TokenError::Token {
        token: token.clone(),
        act,
        source,
    }
}

fn slot(context: &Pkcs11, key: &TokenKey) -> Result<Slot, TokenError> {
    let slots = context
        .get_slots_with_initialized_token()
        .map_err(failed(key, "be listed"))?;
    for slot in slots {
        // A slot that cannot be asked is another token's trouble.
        if let Ok(info) = context.get_token_info(slot)
            && info.label() == key.token
        {
            return Ok(slot);
        }
    }
    Err(TokenError::NoToken {
        token: key.token.clone(),
    })
}

fn session(context: &Pkcs11, key: &TokenKey, write: bool) -> Result<Session, TokenError> {
    let slot = slot(context, key)?;
    // Not closed when dropped: a handle from before the library was begun anew
    // may be another session's by then.
    let session = if write {
        context.open_rw_session_no_drop(slot)
    } else {
        context.open_ro_session_no_drop(slot)
    }
    .map_err(failed(key, "open a session"))?;
    let pin = AuthPin::new(key.pin.reveal().into());
    match session.login(UserType::User, Some(&pin)) {
        // The login is the token's, shared by all sessions of the process.
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(failed(key, "log in")(error)),
    }
}

fn log_in(context: &Pkcs11, key: &TokenKey, begun: u64) -> Result<Open, TokenError> {
    let session = session(context, key, false)?;
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Label(key.key.clone().into_bytes()),
    ];
    let found = session
        .find_objects(&template)
        .map_err(failed(key, "be searched"))?;
    match found.as_slice() {
        [one] => Ok(Open {
            private: *one,
            session,
            begun,
        }),
        others => Err(TokenError::Keys {
            token: key.token.clone(),
            key: key.key.clone(),
            have: others.len().min(SAME_LABEL_MAX),
        }),
    }
}

/// The curve's OBJECT IDENTIFIER, DER.
fn curve(kind: CaKey) -> &'static [u8] {
    match kind {
        CaKey::P384 => &[6, 5, 0x2b, 0x81, 4, 0, 0x22],
        _ => &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    }
}

fn public_part(session: &Session, key: &TokenKey) -> Result<(CaKey, Vec<u8>), TokenError> {
    let unfit = |why| TokenError::Unfit {
        token: key.token.clone(),
        key: key.key.clone(),
        why,
    };
    let template = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::Label(key.key.clone().into_bytes()),
    ];
    let found = session
        .find_objects(&template)
        .map_err(failed(key, "be searched"))?;
    let [public] = found.as_slice() else {
        return Err(unfit("there is not exactly one public key beside it"));
    };
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let attributes = session
        .get_attributes(*public, &wanted)
        .map_err(failed(key, "tell the public key"))?;
    let (mut parameters, mut point, mut modulus, mut exponent, mut key_type) =
        (None, None, None, None, None);
    for attribute in attributes {
        match attribute {
            Attribute::KeyType(found) => key_type = Some(found),
            Attribute::EcParams(found) => parameters = Some(found),
            Attribute::EcPoint(found) => point = Some(found),
            Attribute::Modulus(found) => modulus = Some(found),
            Attribute::PublicExponent(found) => exponent = Some(found),
            _ => {}
        }
    }
    match (key_type, parameters, point, modulus, exponent) {
        (Some(KeyType::EC), Some(parameters), Some(point), _, _) => {
            let kind = [CaKey::P256, CaKey::P384]
                .into_iter()
                .find(|kind| parameters == curve(*kind))
                .ok_or_else(|| unfit("its curve is neither P-256 nor P-384"))?;
            // An OCTET STRING around the uncompressed point (PKCS#11 v2.40,
            // mechanisms, section 2.3.3).
            let point = yasna::parse_der(&point, |reader| reader.read_bytes())
                .map_err(|_| unfit("its point cannot be read"))?;
            Ok((kind, point))
        }
        (Some(KeyType::RSA), _, _, Some(modulus), Some(exponent)) => {
            let kind = match modulus.len() {
                256 => CaKey::Rsa2048,
                384 => CaKey::Rsa3072,
                _ => return Err(unfit("RSA of another size than 2048 or 3072 bits")),
            };
            let public_key = yasna::construct_der(|writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_bigint_bytes(&modulus, true);
                    writer.next().write_bigint_bytes(&exponent, true);
                });
            });
            Ok((kind, public_key))
        }
        _ => Err(unfit("it is neither an EC key nor an RSA key")),
    }
}
