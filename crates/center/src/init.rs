//! `iryonet center init`: the policy key, the checkpoint key, the database
//! founded on its network, the listeners' certificate. Running it again keeps what is there.

use crate::authorities::Authorities;
use crate::certificate;
use crate::clock;
use crate::config::Config;
use crate::error::CenterError;
use crate::tasks;
use iryonet_authority::files;
use iryonet_domain::{Actor, Role};
use iryonet_registry::Command;
use iryonet_registry::rules::RuleText;
use iryonet_rules::shipped::VERSION_1;
use iryonet_store::{ParticipantQuery, Store, StoreError};
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
    let authorities = Authorities::load(config)?;
    let policy_key_made = !config.policy_key().exists();
    if policy_key_made {
        let pkcs8 = PolicySigner::generate_pkcs8()?;
        let pem = files::pem("PRIVATE KEY", &pkcs8);
        files::write_new(&config.policy_key(), pem.as_bytes(), 0o600)?;
    }
    let signer = policy_signer(config)?;
    let (checkpoint_key, checkpoint_key_made) = tasks::checkpoint::key::ensure(config)?;
    crate::people::ensure_key(config)?;
    let store = config.place()?.open()?;
    iryonet_store::found(
        &*store,
        config.network,
        &system_actor(config)?,
        clock::now(),
    )?;
    publish_shipped_rules(&*store, config)?;
    let proof = certificate::ensure(config, authorities.current(), clock::now())?.proof()?;
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

/// A network begins with the rules that were shipped. Where there are any, or
/// members already, publishing is for people: it sets everybody a day until which
/// to be examined under them.
fn publish_shipped_rules(store: &dyn Store, config: &Config) -> Result<(), CenterError> {
    let files = VERSION_1
        .iter()
        .map(|(name, text)| RuleText::new(name, text))
        .collect();
    let actor = system_actor(config)?;
    let command = Command::PublishRules { files };
    iryonet_store::change(store, |transaction| {
        let nobody = ParticipantQuery::default();
        if transaction.latest_rules()?.is_none()
            && transaction.participants(&nobody, None, 1)?.is_empty()
        {
            let recorded = transaction.record(&actor, &command, clock::now())?;
            recorded.events().map_err(StoreError::given_up)?;
        }
        Ok(())
    })?;
    Ok(())
}

pub(crate) fn policy_signer(config: &Config) -> Result<PolicySigner, CenterError> {
    let key = files::read_key(&config.policy_key())?;
    Ok(PolicySigner::from_pkcs8(key.secret_pkcs8_der())?)
}

pub(crate) fn system_actor(config: &Config) -> Result<Actor, CenterError> {
    Ok(Actor::new(Role::System, config.name.as_str())?)
}
