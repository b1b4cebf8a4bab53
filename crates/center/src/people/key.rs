//! `people.key`: the key under which credentials are sealed in the side store.
//! Several centers on one database hold the same one.

use crate::config::Config;
use crate::error::CenterError;
use iryonet_authority::files;
use iryonet_people::Vault;
use zeroize::Zeroizing;

/// The vault; its key is made where there is none yet.
pub(crate) fn ensure(config: &Config) -> Result<Vault, CenterError> {
    let path = config.people_key();
    if !path.exists() {
        let key = Vault::draw_key(&mut rand::rng());
        let text = Zeroizing::new(format!("{}\n", hex::encode(*key)));
        match files::write_new(&path, text.as_bytes(), 0o600) {
            Ok(()) => tracing::info!(path = %path.display(), "the key for credentials was made"),
            // Another start made it a moment ago: theirs is read below.
            Err(_) if path.exists() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let text = files::read_secret(&path)?;
    let octets = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| hex::decode(text.trim()).ok())
        .map(Zeroizing::new)
        .unwrap_or_default();
    Vault::new(&octets).map_err(|source| CenterError::PeopleKey { path, source })
}
