//! The keys of the data folder. They are made once, before the event store, and never again in its stead.

use tellee_api::identity::Vault;
use tellee_api::identity::vault::{MASTER_KEY, TOKEN_KEY};

use crate::failure::Failure;
use crate::folder::DataFolder;

/// Opens `secrets/`. Where events are kept and the key that opens what they hold sealed is gone, a new one would hide
/// the loss until devices ask for their keys: that is refused.
pub fn open_vault(folder: &DataFolder) -> Result<Vault, Failure> {
    let secrets = folder.secrets();
    if folder.events().exists() {
        let master = secrets.join(MASTER_KEY);
        if !master.exists() {
            return Err(Failure::DataFolder(format!(
                "secret `{}` is missing, which alone opens the keys of things; take the folder `secrets` from a backup",
                master.display()
            )));
        }
        if !secrets.join(TOKEN_KEY).exists() {
            tracing::warn!(
                "the key that signs tokens is missing and made anew: everybody has to sign in again"
            );
        }
    }
    Vault::open(&secrets).map_err(|error| Failure::DataFolder(error.to_string()))
}
