//! The access snapshot from the registry's tables, at start.

use rusqlite::{Connection, Error};
use tellee_actors::domain::secret::SealedKey;
use tellee_actors::ids::UserId;

use super::{Access, ChannelEntry, UserAccess};
use crate::follower::sql::{get_count, get_id, get_optional_id, get_word};

impl Access {
    pub(crate) fn load(&self, connection: &Connection) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.change(|changes| outcome = changes.load(connection));
        outcome
    }
}

impl super::apply::Changes<'_> {
    fn load(&mut self, connection: &Connection) -> Result<(), Error> {
        let sql = "SELECT id, organisation, key_hash, device_type FROM registry_things ORDER BY created_at, id";
        let mut statement = connection.prepare(sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let key = SealedKey {
                hash: row.get("key_hash")?,
                sealed: String::new(),
            };
            let device_type = get_optional_id(row, "device_type")?;
            self.put_thing(
                get_id(row, "id")?,
                get_id(row, "organisation")?,
                &key,
                device_type,
            );
        }

        let mut statement = connection.prepare(
            "SELECT id, organisation, retention, rollup_retention FROM registry_channels",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let entry = ChannelEntry {
                organisation: get_id(row, "organisation")?,
                retention: get_word(row, "retention")?,
                rollup_retention: get_word(row, "rollup_retention")?,
            };
            self.put_channel(get_id(row, "id")?, entry);
        }

        let mut statement =
            connection.prepare("SELECT channel, thing FROM registry_connections")?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            self.connect(get_id(row, "channel")?, get_id(row, "thing")?);
        }

        let sql = "SELECT id, organisation, role, platform_administrator, disabled, session_epoch FROM registry_users";
        let mut statement = connection.prepare(sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let user: UserId = get_id(row, "id")?;
            self.put_user(UserAccess {
                user,
                organisation: get_id(row, "organisation")?,
                role: get_word(row, "role")?,
                platform_administrator: row.get("platform_administrator")?,
                disabled: row.get("disabled")?,
                session_epoch: get_count(row, "session_epoch")?,
            });
        }
        Ok(())
    }
}
