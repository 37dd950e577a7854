//! Things: made, changed, removed, with their keys.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::thing::{self, Details, Tag};
use tellee_actors::domain::{channel, edge_device};
use tellee_actors::event::{EventMeta, NewEvent};
use tellee_actors::ids::{CommandId, DeviceTypeId, EdgeDeviceId, Position, ThingId};
use tellee_actors::store::ExpectedRevision;
use tellee_projections::audit::{KEYS_REVEALED, key_reveals_stream};
use tellee_projections::registry::ThingRow;

use super::bounded::each;
use super::{Platform, Request};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::identity::{Action, generate_key, hash_key};

/// A thing to be made.
#[derive(Debug, Clone, Default)]
pub struct NewThing {
    /// Chosen by the client, as Mainflux 0.13 allows; else a new one.
    pub id: Option<ThingId>,
    pub key: Option<String>,
    pub name: String,
    pub metadata: Map<String, Value>,
    pub device_type: Option<DeviceTypeId>,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreatedThing {
    pub id: ThingId,
    pub key: String,
    pub accepted: Accepted,
}

/// `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct ThingUpdate {
    pub name: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    pub device_type: Option<Option<DeviceTypeId>>,
    pub tags: Option<Vec<Tag>>,
}

/// Longest key that a client may choose.
const KEY_LENGTH_LIMIT: usize = 256;

impl Platform {
    /// The thing, if it is of the caller's organisation.
    pub async fn thing(&self, caller: &Caller, id: ThingId) -> Result<ThingRow, ApiError> {
        let found = self
            .projections
            .registry()
            .thing(caller.organisation, id)
            .await?;
        found.ok_or_else(|| ApiError::not_found("such thing"))
    }

    pub async fn create_thing(
        &self,
        caller: &Caller,
        new: NewThing,
        request: &Request,
    ) -> Result<CreatedThing, ApiError> {
        caller.require(Action::Provision)?;
        if let Some(device_type) = new.device_type {
            self.require_device_type(caller, device_type).await?;
        }
        let _claim = if new.key.is_some() {
            Some(self.claims.lock().await)
        } else {
            None
        };
        let created = self.create_thing_only(caller, new, request).await?;
        // Within the claim, so that the next one sees this key.
        self.seen(created.accepted.position).await?;
        Ok(created)
    }

    /// All of `new` or none: what was made before one is refused is removed again.
    pub async fn create_things(
        &self,
        caller: &Caller,
        new: Vec<NewThing>,
        request: &Request,
    ) -> Result<Vec<CreatedThing>, ApiError> {
        caller.require(Action::Provision)?;
        require_distinct(&new)?;
        let device_types: BTreeSet<_> = new.iter().filter_map(|thing| thing.device_type).collect();
        for device_type in device_types {
            self.require_device_type(caller, device_type).await?;
        }
        let chooses_keys = new.iter().any(|thing| thing.key.is_some());
        let _claim = if chooses_keys {
            Some(self.claims.lock().await)
        } else {
            None
        };
        let command = request.id();
        let (created, failure) = each(new.into_iter().enumerate().collect(), |(index, thing)| {
            async move {
                let step = Request::step(command, &index.to_string());
                self.create_thing_only(caller, thing, &step).await
            }
            .boxed()
        })
        .await;
        let mut last = created.iter().map(|thing| thing.accepted.position).max();
        if failure.is_some() {
            last = last.max(self.undo_things(caller, &created, command).await);
        }
        if let Some(last) = last {
            self.seen(last).await?;
        }
        failure.map_or(Ok(created), Err)
    }

    /// Removes what the command made, and says where the last removal stands.
    async fn undo_things(
        &self,
        caller: &Caller,
        created: &[CreatedThing],
        command: CommandId,
    ) -> Option<Position> {
        let made = created
            .iter()
            .filter(|thing| !thing.accepted.unchanged)
            .map(|thing| thing.id)
            .collect();
        let (removed, failure) = each(made, |thing| {
            async move {
                let note = Some("a thing of the same request was refused".to_owned());
                let step = Request::step(command, &format!("undo {thing}")).with_note(note);
                self.remove_thing_only(caller, thing, &step).await
            }
            .boxed()
        })
        .await;
        if let Some(error) = failure {
            tracing::warn!(%error, "things of a refused request could not all be removed again");
        }
        removed.into_iter().map(|accepted| accepted.position).max()
    }

    /// Under the claim if the key is the client's choice.
    async fn create_thing_only(
        &self,
        caller: &Caller,
        new: NewThing,
        request: &Request,
    ) -> Result<CreatedThing, ApiError> {
        let command_id = request.id();
        let id = match (new.id, request.command_id) {
            (Some(id), _) => id,
            (None, Some(command)) => ThingId(command.step("thing").0),
            (None, None) => ThingId::generate(),
        };
        let key = match new.key {
            Some(key) => self.free_key(key, id)?,
            None => generate_key(),
        };
        let details = Details {
            name: new.name,
            metadata: new.metadata,
            device_type: new.device_type,
            tags: new.tags,
        };
        let create = thing::Command::Create {
            organisation: caller.organisation,
            key: self.vault.seal_thing_key(&key)?,
            details,
        };
        let request = Request {
            command_id: Some(command_id),
            ..request.clone()
        };
        let accepted = self
            .ask_only(
                caller.who(),
                caller.organisation,
                id.into(),
                Command::Thing(create),
                &request,
            )
            .await?;
        if !accepted.unchanged {
            return Ok(CreatedThing { id, key, accepted });
        }
        // A retry: the key is that of the first try.
        self.seen(accepted.position).await?;
        let row = self.thing(caller, id).await?;
        Ok(CreatedThing {
            id,
            key: self.vault.unseal_thing_key(&row.key)?,
            accepted,
        })
    }

    /// A key of the client's choice that no other thing has.
    fn free_key(&self, key: String, id: ThingId) -> Result<String, ApiError> {
        if key.is_empty() || key.len() > KEY_LENGTH_LIMIT {
            return Err(ApiError::invalid(
                "key",
                format!("must have between 1 and {KEY_LENGTH_LIMIT} bytes"),
            ));
        }
        let mut sha256 = [0_u8; 32];
        hex::decode_to_slice(hash_key(&key).0, &mut sha256)
            .map_err(|error| ApiError::internal(&error))?;
        match self.projections.access().thing_by_key_hash(&sha256) {
            Some(other) if other.thing != id => Err(ApiError::new(
                ErrorCode::AlreadyExists,
                "a thing with this key exists already",
            )),
            _ => Ok(key),
        }
    }

    async fn require_device_type(&self, caller: &Caller, id: DeviceTypeId) -> Result<(), ApiError> {
        let found = self
            .projections
            .registry()
            .device_type(caller.organisation, id)
            .await?;
        found
            .map(|_| ())
            .ok_or_else(|| ApiError::invalid("deviceType", "there is no such device type"))
    }

    pub async fn update_thing(
        &self,
        caller: &Caller,
        id: ThingId,
        update: ThingUpdate,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        self.thing(caller, id).await?;
        if let Some(Some(device_type)) = update.device_type {
            self.require_device_type(caller, device_type).await?;
        }
        let command = thing::Command::Update {
            name: update.name,
            metadata: update.metadata,
            device_type: update.device_type,
            tags: update.tags,
        };
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::Thing(command),
            request,
        )
        .await
    }

    /// Gives the thing a new key: `key`, or one made here. Sessions that use the old one end.
    pub async fn change_thing_key(
        &self,
        caller: &Caller,
        id: ThingId,
        key: Option<String>,
        request: &Request,
    ) -> Result<(String, Accepted), ApiError> {
        caller.require(Action::RevealKeys)?;
        self.thing(caller, id).await?;
        let _claim = self.claims.lock().await;
        let key = match key {
            Some(key) => self.free_key(key, id)?,
            None => generate_key(),
        };
        let command = thing::Command::ChangeKey {
            key: self.vault.seal_thing_key(&key)?,
        };
        let accepted = self
            .ask(
                caller.who(),
                caller.organisation,
                id.into(),
                Command::Thing(command),
                request,
            )
            .await?;
        if !accepted.unchanged {
            return Ok((key, accepted));
        }
        let row = self.thing(caller, id).await?;
        Ok((self.vault.unseal_thing_key(&row.key)?, accepted))
    }

    /// The keys of `rows` for a person to see, in their order; empty ones where the role or the configuration does not
    /// allow it, and where the key does not open. One event of the audit time line names the things.
    pub async fn reveal_thing_keys(
        &self,
        caller: &Caller,
        rows: &[ThingRow],
    ) -> Result<Vec<String>, ApiError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if !self.settings.reveal_thing_keys || caller.require(Action::RevealKeys).is_err() {
            return Ok(vec![String::new(); rows.len()]);
        }
        let things: Vec<ThingId> = rows.iter().map(|row| row.id).collect();
        let command = CommandId::generate();
        let event = NewEvent {
            id: command.event_id(0),
            event_type: KEYS_REVEALED.to_owned(),
            schema: 1,
            data: serde_json::json!({ "things": things }),
            meta: EventMeta {
                who: caller.who(),
                organisation: Some(caller.organisation),
                command,
                note: None,
                input: None,
            },
            at: self.clock.now(),
        };
        let stream = key_reveals_stream(caller.organisation);
        self.events
            .append(&stream, ExpectedRevision::Any, vec![event])
            .await?;
        // One that does not open hides no other.
        let keys = rows.iter().map(|row| {
            let opened = self.vault.unseal_thing_key(&row.key);
            opened.unwrap_or_else(|error| {
                tracing::warn!(thing = %row.id, %error, "the key of a thing cannot be shown; give it a new one");
                String::new()
            })
        });
        Ok(keys.collect())
    }

    /// Removes the thing, its connections and its bootstrap config.
    pub async fn remove_thing(
        &self,
        caller: &Caller,
        id: ThingId,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        if let Some(before) = self.done_before(id.into(), request).await? {
            return Ok(before);
        }
        self.thing(caller, id).await?;
        let accepted = self.remove_thing_only(caller, id, request).await?;
        self.seen(accepted.position).await?;
        Ok(accepted)
    }

    async fn remove_thing_only(
        &self,
        caller: &Caller,
        id: ThingId,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        let command_id = request.id();
        let organisation = caller.organisation;
        // Asked before the thing goes: afterwards nothing leads from it to them.
        let channels = self.projections.access().thing_channels(id);
        let device = EdgeDeviceId(id.0);
        let has_config = self
            .projections
            .registry()
            .edge_device(organisation, device)
            .await?
            .is_some();
        let request = Request {
            command_id: Some(command_id),
            ..request.clone()
        };
        // The thing goes first: from then on its key opens nothing.
        let remove = Command::Thing(thing::Command::Remove);
        let mut accepted = self
            .ask_only(caller.who(), organisation, id.into(), remove, &request)
            .await?;
        let (disconnected, failure) = each(channels.to_vec(), |channel| {
            async move {
                let step = Request::step(command_id, &format!("disconnect {channel}"));
                let command = Command::Channel(channel::Command::Disconnect { things: vec![id] });
                self.ask_only(caller.who(), organisation, channel.into(), command, &step)
                    .await
            }
            .boxed()
        })
        .await;
        if let Some(error) = failure {
            return Err(error);
        }
        let mut last = disconnected.into_iter().map(|done| done.position).max();
        if has_config {
            let step = Request::step(command_id, "remove config");
            let command = Command::EdgeDevice(edge_device::Command::Remove);
            let removed = self
                .ask_only(caller.who(), organisation, device.into(), command, &step)
                .await?;
            last = last.max(Some(removed.position));
        }
        accepted.position = last.map_or(accepted.position, |last| last.max(accepted.position));
        Ok(accepted)
    }
}

/// A bulk request must not name one id or one key twice.
fn require_distinct(new: &[NewThing]) -> Result<(), ApiError> {
    let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (index, thing) in new.iter().enumerate() {
        if thing.id.is_some_and(|id| !ids.insert(id)) {
            return Err(ApiError::invalid(
                format!("[{index}].id"),
                "stands twice in this request",
            ));
        }
        if thing.key.as_ref().is_some_and(|key| !keys.insert(key)) {
            return Err(ApiError::invalid(
                format!("[{index}].key"),
                "stands twice in this request",
            ));
        }
    }
    Ok(())
}
