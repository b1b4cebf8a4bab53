//! `iryonet center init`: the policy key, the checkpoint key, the database founded on its network,
//! the listeners' certificate. Running it again keeps what is there.

use crate::certificate;
use crate::clock;
use crate::config::Config;
use crate::error::CenterError;
use crate::tasks;
use iryonet_authority::{IssuingCa, files};
use iryonet_domain::{Actor, Role};
use iryonet_store::SqliteStore;
use iryonet_wire::signed::PolicySigner;

/// What `init` found or made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Initialised {
    /// The center's name.
    pub center: String,
    /// The network's prefix.
    pub network: String,
    /// The key that signs the policy: its uncompressed point, hexadecimal.
    pub policy_key: String,
    /// Was the policy key made now?
    pub policy_key_made: bool,
    /// The key that signs the ledger's checkpoints: its verifier key, for
    /// everybody who verifies the ledger.
    pub checkpoint_key: String,
    /// Was the checkpoint key made now?
    pub checkpoint_key_made: bool,
    /// SHA-256 of the listeners' certificate, hexadecimal.
    pub certificate: String,
    /// When that certificate ends, milliseconds since 1970.
    pub certificate_not_after: u64,
}

/// Makes what a center needs before it can run.
///
/// # Errors
/// When the issuing CA does not fit the root, the database is another
/// network's, or the system refuses.
pub fn init(config: &Config) -> Result<Initialised, CenterError> {
    files::make_directory(&config.data_dir)?;
    let issuing = issuing(config)?;
    let policy_key_made = !config.policy_key().exists();
    if policy_key_made {
        let pkcs8 = PolicySigner::generate_pkcs8()?;
        let pem = files::pem("PRIVATE KEY", &pkcs8);
        files::write_new(&config.policy_key(), pem.as_bytes(), 0o600)?;
    }
    let signer = policy_signer(config)?;
    let (checkpoint_key, checkpoint_key_made) = tasks::checkpoint::key::ensure(config)?;
    let store = SqliteStore::open(&config.database())?;
    iryonet_store::found(&store, config.network, &system_actor(config)?, clock::now())?;
    let proof = certificate::ensure(config, &issuing, clock::now())?.proof()?;
    Ok(Initialised {
        center: config.name.to_string(),
        network: config.network.to_string(),
        policy_key: hex::encode(signer.public_key()),
        policy_key_made,
        checkpoint_key: checkpoint_key.to_string(),
        checkpoint_key_made,
        certificate: proof.fingerprint.to_string(),
        certificate_not_after: proof.not_after.0,
    })
}

/// The issuing CA, if it belongs to the root that everybody is given.
pub(crate) fn issuing(config: &Config) -> Result<IssuingCa, CenterError> {
    let issuing = IssuingCa::load(&config.issuing_dir)?;
    let root = files::read_certificate(&config.root_certificate)?;
    if root != *issuing.root_certificate() {
        return Err(CenterError::OtherRoot {
            issuing_dir: config.issuing_dir.clone(),
            root_certificate: config.root_certificate.clone(),
        });
    }
    Ok(issuing)
}

pub(crate) fn policy_signer(config: &Config) -> Result<PolicySigner, CenterError> {
    let key = files::read_key(&config.policy_key())?;
    Ok(PolicySigner::from_pkcs8(key.secret_pkcs8_der())?)
}

pub(crate) fn system_actor(config: &Config) -> Result<Actor, CenterError> {
    Ok(Actor::new(Role::System, config.name.as_str())?)
}
