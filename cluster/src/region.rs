//! The region: supervises the entity actors of this node and passivates those that nobody uses.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::routing::Shared;

/// Entities that one sweep passivates, at most; the next goes on.
const SWEEP_LIMIT: usize = 1024;

pub(crate) struct Region;

pub(crate) enum RegionMessage {
    Sweep,
}

#[ractor::async_trait]
impl Actor for Region {
    type Msg = RegionMessage;
    type State = Arc<Shared>;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let period = (shared.config.idle_timeout / 4)
            .clamp(Duration::from_millis(100), Duration::from_secs(10));
        // Ends with the actor.
        drop(myself.send_interval(period, || RegionMessage::Sweep));
        Ok(shared)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        shared: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RegionMessage::Sweep => shared.passivate_unused(SWEEP_LIMIT),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        shared: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // Its last state, with its slot, is dropped here.
            SupervisionEvent::ActorTerminated(actor, _, _) => shared.forget(actor.get_id()),
            SupervisionEvent::ActorFailed(actor, error) => {
                tracing::error!(%error, "an entity actor failed; the next command starts it again");
                shared.count_failure();
                shared.forget(actor.get_id());
            }
            _ => {}
        }
        Ok(())
    }
}
