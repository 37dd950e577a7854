//! Channels and the things connected to them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt as _;
use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::channel::{self, Details};
use tellee_actors::domain::edge_device::{self, BootstrapState};
use tellee_actors::ids::{ChannelId, CommandId, EdgeDeviceId, Position, ThingId};
use tellee_projections::registry::ChannelRow;

use super::bounded::each;
use super::{Platform, Request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::Action;

/// Pairs of one connect or disconnect request, at most.
const PAIRS_LIMIT: usize = 10_000;

impl Platform {
    /// The channel, if it is of the caller's organisation.
    pub async fn channel(&self, caller: &Caller, id: ChannelId) -> Result<ChannelRow, ApiError> {
        let found = self
            .projections
            .registry()
            .channel(caller.organisation, id)
            .await?;
        found.ok_or_else(|| ApiError::not_found("such channel"))
    }

    pub async fn create_channel(
        &self,
        caller: &Caller,
        id: Option<ChannelId>,
        details: Details,
        request: &Request,
    ) -> Result<(ChannelId, Accepted), ApiError> {
        caller.require(Action::Provision)?;
        let (id, accepted) = self
            .create_channel_only(caller, id, details, request)
            .await?;
        self.seen(accepted.position).await?;
        Ok((id, accepted))
    }

    async fn create_channel_only(
        &self,
        caller: &Caller,
        id: Option<ChannelId>,
        details: Details,
        request: &Request,
    ) -> Result<(ChannelId, Accepted), ApiError> {
        let id = match (id, request.command_id) {
            (Some(id), _) => id,
            (None, Some(command)) => ChannelId(command.step("channel").0),
            (None, None) => ChannelId::generate(),
        };
        let command = Command::Channel(channel::Command::Create {
            organisation: caller.organisation,
            details,
        });
        let accepted = self
            .ask_only(
                caller.who(),
                caller.organisation,
                id.into(),
                command,
                request,
            )
            .await?;
        Ok((id, accepted))
    }

    /// All of `new` or none: what was made before one is refused is removed again.
    pub async fn create_channels(
        &self,
        caller: &Caller,
        new: Vec<(Option<ChannelId>, Details)>,
        request: &Request,
    ) -> Result<Vec<ChannelId>, ApiError> {
        caller.require(Action::Provision)?;
        let mut ids = BTreeSet::new();
        for (index, id) in new
            .iter()
            .enumerate()
            .filter_map(|(index, (id, _))| Some((index, (*id)?)))
        {
            if !ids.insert(id) {
                return Err(ApiError::invalid(
                    format!("[{index}].id"),
                    "stands twice in this request",
                ));
            }
        }
        let command = request.id();
        let (created, failure) = each(
            new.into_iter().enumerate().collect(),
            |(index, (id, details))| {
                async move {
                    let step = Request::step(command, &index.to_string());
                    self.create_channel_only(caller, id, details, &step).await
                }
                .boxed()
            },
        )
        .await;
        let mut last = created.iter().map(|(_, accepted)| accepted.position).max();
        if failure.is_some() {
            last = last.max(self.undo_channels(caller, &created, command).await);
        }
        if let Some(last) = last {
            self.seen(last).await?;
        }
        failure.map_or_else(|| Ok(created.into_iter().map(|(id, _)| id).collect()), Err)
    }

    async fn undo_channels(
        &self,
        caller: &Caller,
        created: &[(ChannelId, Accepted)],
        command: CommandId,
    ) -> Option<Position> {
        let made = created
            .iter()
            .filter(|(_, accepted)| !accepted.unchanged)
            .map(|(id, _)| *id)
            .collect();
        let (removed, failure) = each(made, |channel| {
            async move {
                let note = Some("a channel of the same request was refused".to_owned());
                let step = Request::step(command, &format!("undo {channel}")).with_note(note);
                let remove = Command::Channel(channel::Command::Remove);
                self.ask_only(
                    caller.who(),
                    caller.organisation,
                    channel.into(),
                    remove,
                    &step,
                )
                .await
            }
            .boxed()
        })
        .await;
        if let Some(error) = failure {
            tracing::warn!(%error, "channels of a refused request could not all be removed again");
        }
        removed.into_iter().map(|accepted| accepted.position).max()
    }

    pub async fn update_channel(
        &self,
        caller: &Caller,
        id: ChannelId,
        update: channel::Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        self.channel(caller, id).await?;
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::Channel(update),
            request,
        )
        .await
    }

    pub async fn remove_channel(
        &self,
        caller: &Caller,
        id: ChannelId,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::Provision)?;
        if let Some(before) = self.done_before(id.into(), request).await? {
            return Ok(before);
        }
        self.channel(caller, id).await?;
        let command = Command::Channel(channel::Command::Remove);
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            command,
            request,
        )
        .await
    }

    /// Connects each thing to each channel. All must be of the caller's organisation, or nothing is done.
    pub async fn connect(
        &self,
        caller: &Caller,
        channels: &[ChannelId],
        things: &[ThingId],
        request: &Request,
    ) -> Result<(), ApiError> {
        self.require_pairs(caller, channels, things).await?;
        let change = |things| channel::Command::Connect { things };
        let last = self
            .change_connections(caller, channels, things, change, request)
            .await?;
        self.seen(last).await
    }

    /// Disconnects each thing from each channel; bootstrap configs of the things that use the channels become inactive.
    pub async fn disconnect(
        &self,
        caller: &Caller,
        channels: &[ChannelId],
        things: &[ThingId],
        request: &Request,
    ) -> Result<(), ApiError> {
        self.require_pairs(caller, channels, things).await?;
        let change = |things| channel::Command::Disconnect { things };
        let mut last = self
            .change_connections(caller, channels, things, change, request)
            .await?;
        for thing in things {
            let device = EdgeDeviceId(thing.0);
            let row = self
                .projections
                .registry()
                .edge_device(caller.organisation, device)
                .await?;
            let Some(row) = row else { continue };
            let uses = channels
                .iter()
                .any(|channel| row.config.channels.contains(channel));
            if !uses || row.state == BootstrapState::Inactive {
                continue;
            }
            let command = edge_device::Command::ChangeState {
                state: BootstrapState::Inactive,
            };
            let step = Request {
                command_id: request
                    .command_id
                    .map(|id| id.step(&format!("inactive {thing}"))),
                ..Request::default()
            };
            let accepted = self
                .ask_only(
                    caller.who(),
                    caller.organisation,
                    device.into(),
                    Command::EdgeDevice(command),
                    &step,
                )
                .await?;
            last = last.max(accepted.position);
        }
        self.seen(last).await
    }

    async fn require_pairs(
        &self,
        caller: &Caller,
        channels: &[ChannelId],
        things: &[ThingId],
    ) -> Result<(), ApiError> {
        caller.require(Action::Provision)?;
        if channels.is_empty() {
            return Err(ApiError::invalid("channels", "must not be empty"));
        }
        if things.is_empty() {
            return Err(ApiError::invalid("things", "must not be empty"));
        }
        if channels.len().saturating_mul(things.len()) > PAIRS_LIMIT {
            return Err(ApiError::invalid(
                "things",
                format!("more than {PAIRS_LIMIT} connections in one request"),
            ));
        }
        let access = self.projections.access();
        for channel in channels {
            if access.channel_organisation(*channel) != Some(caller.organisation) {
                return Err(ApiError::not_found(&format!("channel `{channel}`")));
            }
        }
        for thing in things {
            if access.thing(*thing).map(|found| found.organisation) != Some(caller.organisation) {
                return Err(ApiError::not_found(&format!("thing `{thing}`")));
            }
        }
        Ok(())
    }

    async fn change_connections(
        &self,
        caller: &Caller,
        channels: &[ChannelId],
        things: &[ThingId],
        change: impl Fn(Vec<ThingId>) -> channel::Command,
        request: &Request,
    ) -> Result<Position, ApiError> {
        let command = request.id();
        let (changed, failure) = each(channels.to_vec(), |channel| {
            let change = Command::Channel(change(things.to_vec()));
            async move {
                let step = Request::step(command, &channel.to_string());
                self.ask_only(
                    caller.who(),
                    caller.organisation,
                    channel.into(),
                    change,
                    &step,
                )
                .await
            }
            .boxed()
        })
        .await;
        let last = changed.into_iter().map(|accepted| accepted.position).max();
        failure.map_or_else(|| Ok(last.unwrap_or(Position::START)), Err)
    }

    /// Names and metadata of channels, in the order of their ids, for bootstrap answers.
    pub(super) async fn channel_rows(
        &self,
        organisation: tellee_actors::ids::OrganisationId,
        ids: impl IntoIterator<Item = ChannelId>,
    ) -> Result<Vec<ChannelRow>, ApiError> {
        let mut rows = BTreeMap::new();
        for id in ids {
            if let Some(row) = self
                .projections
                .registry()
                .channel(organisation, id)
                .await?
            {
                rows.insert(id, row);
            }
        }
        Ok(rows.into_values().collect())
    }
}
