//! Edge devices: registered, whitelisted, bootstrapped.

use std::collections::BTreeSet;

use subtle::ConstantTimeEq as _;
use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::channel;
use tellee_actors::domain::edge_device::{self, BootstrapConfig, BootstrapState};
use tellee_actors::event::Who;
use tellee_actors::ids::{ChannelId, CommandId, EdgeDeviceId, Position, ThingId};
use tellee_projections::registry::{ChannelRow, EdgeDeviceRow};

use super::{NewThing, Platform, Request};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::identity::{Action, Allowance, hash_key};

/// An edge device to be registered.
#[derive(Debug, Clone, Default)]
pub struct NewEdgeDevice {
    pub external_id: String,
    pub external_key: String,
    /// An existing thing; else one is made.
    pub thing: Option<ThingId>,
    pub name: String,
    pub content: String,
    pub channels: BTreeSet<ChannelId>,
    pub client_cert: String,
    pub client_key: String,
    pub ca_cert: String,
}

/// What a device gets when it bootstraps.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    pub thing: ThingId,
    pub thing_key: String,
    pub channels: Vec<BootstrapChannel>,
    pub content: String,
    pub client_cert: String,
    pub client_key: String,
    pub ca_cert: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapChannel {
    pub id: ChannelId,
    pub name: String,
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl From<ChannelRow> for BootstrapChannel {
    fn from(row: ChannelRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            metadata: row.metadata,
        }
    }
}

const CLIENT_KEY: &str = "client key";

impl Platform {
    pub async fn edge_device(
        &self,
        caller: &Caller,
        id: EdgeDeviceId,
    ) -> Result<EdgeDeviceRow, ApiError> {
        let found = self
            .projections
            .registry()
            .edge_device(caller.organisation, id)
            .await?;
        found.ok_or_else(|| ApiError::not_found("such edge device"))
    }

    /// Registers a device. Without a thing one is made, and removed again if the device is then refused.
    pub async fn register_edge_device(
        &self,
        caller: &Caller,
        new: NewEdgeDevice,
        request: &Request,
    ) -> Result<(EdgeDeviceId, Accepted), ApiError> {
        caller.require(Action::Provision)?;
        if new.external_key.is_empty() || new.external_key.len() > 1024 {
            return Err(ApiError::invalid(
                "external_key",
                "must have between 1 and 1024 bytes",
            ));
        }
        self.require_channels(caller, &new.channels)?;
        self.require_free(&new, request).await?;
        let command_id = request.id();
        let made;
        let thing = match new.thing {
            Some(thing) => {
                self.thing(caller, thing).await?;
                made = false;
                thing
            }
            None => {
                let name = if new.name.is_empty() {
                    new.external_id.clone()
                } else {
                    new.name.clone()
                };
                let step = Request {
                    command_id: Some(command_id.step("thing")),
                    input: request.input,
                    ..Request::default()
                };
                let thing = NewThing {
                    name,
                    ..NewThing::default()
                };
                let created = self.create_thing(caller, thing, &step).await?;
                // What an earlier try of the same request made stays.
                made = !created.accepted.unchanged;
                created.id
            }
        };
        match self
            .register_thing(caller, thing, new, command_id, request)
            .await
        {
            Ok(accepted) => {
                self.seen(accepted.position).await?;
                Ok((EdgeDeviceId(thing.0), accepted))
            }
            Err(error) => {
                // After a timeout the device may be registered: then its thing must stay.
                if made && error.code != ErrorCode::TimedOut {
                    let undo = Request {
                        command_id: Some(command_id.step("undo thing")),
                        ..Request::default()
                    };
                    if let Err(error) = self.remove_thing(caller, thing, &undo).await {
                        tracing::warn!(%thing, %error, "the thing of a refused edge device could not be removed again");
                    }
                }
                Err(error)
            }
        }
    }

    /// Refuses an external id that is taken, before anything is made that would have to be undone. Whether it still is
    /// free is decided under the claim.
    async fn require_free(&self, new: &NewEdgeDevice, request: &Request) -> Result<(), ApiError> {
        let known = self
            .projections
            .registry()
            .edge_device_by_external_id(&new.external_id)
            .await?;
        let Some(known) = known.filter(|known| new.thing.map(|thing| thing.0) != Some(known.id.0))
        else {
            return Ok(());
        };
        match self.done_before(known.id.into(), request).await? {
            Some(_) => Ok(()),
            None => Err(external_id_taken()),
        }
    }

    async fn register_thing(
        &self,
        caller: &Caller,
        thing: ThingId,
        new: NewEdgeDevice,
        command_id: CommandId,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        let device = EdgeDeviceId(thing.0);
        let _claim = self.claims.lock().await;
        let known = self
            .projections
            .registry()
            .edge_device_by_external_id(&new.external_id)
            .await?;
        if known.is_some_and(|known| known.id != device) {
            return Err(external_id_taken());
        }
        let config = BootstrapConfig {
            name: new.name,
            content: new.content,
            channels: new.channels,
            client_cert: new.client_cert,
            client_key_sealed: self.seal_client_key(&new.client_key)?,
            ca_cert: new.ca_cert,
        };
        let register = edge_device::Command::Register {
            organisation: caller.organisation,
            thing,
            external_id: new.external_id.clone(),
            external_key: hash_key(&new.external_key),
            config,
        };
        let step = Request {
            command_id: Some(command_id),
            ..request.clone()
        };
        // Within the claim it waits for the projections, so that the next one sees this external id.
        let accepted = self
            .ask(
                caller.who(),
                caller.organisation,
                device.into(),
                Command::EdgeDevice(register),
                &step,
            )
            .await?;
        self.projections
            .unknown_devices()
            .remove(&new.external_id)
            .await?;
        Ok(accepted)
    }

    fn seal_client_key(&self, client_key: &str) -> Result<String, ApiError> {
        if client_key.is_empty() {
            return Ok(String::new());
        }
        Ok(self.vault.seal(client_key, CLIENT_KEY)?)
    }

    /// The client key of a config, opened.
    pub fn open_client_key(&self, config: &BootstrapConfig) -> Result<String, ApiError> {
        if config.client_key_sealed.is_empty() {
            return Ok(String::new());
        }
        Ok(self.vault.unseal(&config.client_key_sealed, CLIENT_KEY)?)
    }

    /// Refuses channels that are not of the caller's organisation.
    pub fn require_channels<'ids>(
        &self,
        caller: &Caller,
        channels: impl IntoIterator<Item = &'ids ChannelId>,
    ) -> Result<(), ApiError> {
        let access = self.projections.access();
        for channel in channels {
            if access.channel_organisation(*channel) != Some(caller.organisation) {
                return Err(ApiError::invalid(
                    "channels",
                    format!("there is no channel `{channel}`"),
                ));
            }
        }
        Ok(())
    }

    pub async fn update_edge_device(
        &self,
        caller: &Caller,
        id: EdgeDeviceId,
        name: Option<String>,
        content: Option<String>,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        self.edge_device(caller, id).await?;
        let command = Command::EdgeDevice(edge_device::Command::UpdateInfo { name, content });
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            command,
            request,
        )
        .await
    }

    /// Changes the channels of the config; where it is active, the thing's connections follow.
    pub async fn update_edge_device_channels(
        &self,
        caller: &Caller,
        id: EdgeDeviceId,
        channels: BTreeSet<ChannelId>,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        let row = self.edge_device(caller, id).await?;
        self.require_channels(caller, &channels)?;
        let command_id = request.id();
        let step = Request {
            command_id: Some(command_id),
            ..request.clone()
        };
        let command = Command::EdgeDevice(edge_device::Command::UpdateConnections {
            channels: channels.clone(),
        });
        let accepted = self
            .ask_only(caller.who(), caller.organisation, id.into(), command, &step)
            .await?;
        let mut last = accepted.position;
        if row.state == BootstrapState::Active {
            let gone = row.config.channels.difference(&channels).copied();
            last = last.max(
                self.join(caller, gone, row.thing, false, command_id)
                    .await?,
            );
            let come = channels.difference(&row.config.channels).copied();
            last = last.max(self.join(caller, come, row.thing, true, command_id).await?);
        }
        self.seen(last).await?;
        Ok(accepted)
    }

    pub async fn update_edge_device_certificates(
        &self,
        caller: &Caller,
        id: EdgeDeviceId,
        client_cert: String,
        client_key: &str,
        ca_cert: String,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        self.edge_device(caller, id).await?;
        let client_key_sealed = self.seal_client_key(client_key)?;
        let command = edge_device::Command::UpdateCertificates {
            client_cert,
            client_key_sealed,
            ca_cert,
        };
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::EdgeDevice(command),
            request,
        )
        .await
    }

    /// Active connects the thing to each channel of the config, inactive disconnects it.
    pub async fn change_edge_device_state(
        &self,
        caller: &Caller,
        id: EdgeDeviceId,
        state: BootstrapState,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        let row = self.edge_device(caller, id).await?;
        let command_id = request.id();
        let step = Request {
            command_id: Some(command_id),
            ..request.clone()
        };
        let command = Command::EdgeDevice(edge_device::Command::ChangeState { state });
        let accepted = self
            .ask_only(caller.who(), caller.organisation, id.into(), command, &step)
            .await?;
        let connect = state == BootstrapState::Active;
        let channels = row.config.channels.iter().copied();
        let last = self
            .join(caller, channels, row.thing, connect, command_id)
            .await?;
        self.seen(accepted.position.max(last)).await?;
        Ok(accepted)
    }

    async fn join(
        &self,
        caller: &Caller,
        channels: impl IntoIterator<Item = ChannelId>,
        thing: ThingId,
        connect: bool,
        command_id: CommandId,
    ) -> Result<Position, ApiError> {
        let mut last = Position::START;
        for channel in channels {
            let things = vec![thing];
            let (word, command) = if connect {
                ("connect", channel::Command::Connect { things })
            } else {
                ("disconnect", channel::Command::Disconnect { things })
            };
            let step = Request {
                command_id: Some(command_id.step(&format!("{word} {channel}"))),
                ..Request::default()
            };
            let accepted = self
                .ask_only(
                    caller.who(),
                    caller.organisation,
                    channel.into(),
                    Command::Channel(command),
                    &step,
                )
                .await?;
            last = last.max(accepted.position);
        }
        Ok(last)
    }

    /// Removes the config; its thing and the thing's connections stay, as in Mainflux.
    pub async fn remove_edge_device(
        &self,
        caller: &Caller,
        id: EdgeDeviceId,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        if let Some(before) = self.done_before(id.into(), request).await? {
            return Ok(before);
        }
        self.edge_device(caller, id).await?;
        let command = Command::EdgeDevice(edge_device::Command::Remove);
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            command,
            request,
        )
        .await
    }

    /// What a device that shows `external_id` and `external_key` gets. Unknown devices land in the inbox, without key.
    pub async fn bootstrap(
        &self,
        external_id: &str,
        external_key: &str,
        address: &str,
    ) -> Result<Bootstrap, ApiError> {
        let row = self
            .projections
            .registry()
            .edge_device_by_external_id(external_id)
            .await?;
        let Some(row) = row else {
            self.projections
                .unknown_devices()
                .record(external_id, address)
                .await?;
            return Err(ApiError::not_found("such edge device"));
        };
        // By the device, not by how its external id was spelt; by address too, so that a stranger cannot lock it out.
        let guesser = format!("bootstrap {} {address}", row.id);
        self.throttle.check(&guesser, Allowance::ACCOUNT)?;
        let given = hash_key(external_key);
        let same: bool = given
            .0
            .as_bytes()
            .ct_eq(row.external_key.0.as_bytes())
            .into();
        if !same {
            self.throttle.failed(&guesser);
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "the external key is not that of this edge device",
            ));
        }
        self.throttle.succeeded(&guesser);
        let thing = self
            .projections
            .registry()
            .thing(row.organisation, row.thing)
            .await?;
        let thing = thing.ok_or_else(|| ApiError::not_found("thing of this edge device"))?;
        let channels = self
            .channel_rows(row.organisation, row.config.channels.iter().copied())
            .await?;
        let who = Who::Thing(row.thing);
        let command = Command::EdgeDevice(edge_device::Command::RecordBootstrap);
        // Awaited, so that whoever looks sees that the device came.
        self.ask(
            who,
            row.organisation,
            row.id.into(),
            command,
            &Request::default(),
        )
        .await?;
        Ok(Bootstrap {
            thing: row.thing,
            thing_key: self.vault.unseal_thing_key(&thing.key)?,
            channels: channels.into_iter().map(BootstrapChannel::from).collect(),
            client_key: self.open_client_key(&row.config)?,
            content: row.config.content,
            client_cert: row.config.client_cert,
            ca_cert: row.config.ca_cert,
        })
    }

    /// The channels of a config, for its view.
    pub async fn edge_device_channels(
        &self,
        row: &EdgeDeviceRow,
    ) -> Result<Vec<BootstrapChannel>, ApiError> {
        let rows = self
            .channel_rows(row.organisation, row.config.channels.iter().copied())
            .await?;
        Ok(rows.into_iter().map(BootstrapChannel::from).collect())
    }

    /// The key of the thing of a config, for a person to see. Audited as [`Platform::reveal_thing_keys`].
    pub async fn edge_device_thing_key(
        &self,
        caller: &Caller,
        row: &EdgeDeviceRow,
    ) -> Result<String, ApiError> {
        let thing = self.thing(caller, row.thing).await?;
        let keys = self.reveal_thing_keys(caller, &[thing]).await?;
        Ok(keys.into_iter().next().unwrap_or_default())
    }
}

fn external_id_taken() -> ApiError {
    ApiError::new(
        ErrorCode::AlreadyExists,
        "an edge device with this external id exists already",
    )
}
