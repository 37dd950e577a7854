//! From the kind of an entity to its aggregate.

use ractor::{ActorCell, SpawnErr};
use tokio::sync::OwnedSemaphorePermit;

use super::{EntityDeps, EntityHandle, shell};
use crate::ids::EntityId;

/// Evaluates `$body` with the type `$aggregate` that `$kind` stands for.
macro_rules! with_aggregate {
    ($kind:expr, $aggregate:ident => $body:expr) => {
        $crate::entity::kinds::with_aggregate!(@match $kind, $aggregate, $body,
            Organisation, User, Thing, Channel, DeviceType, EdgeDevice, AlarmRule, Alarm, Model)
    };
    (@match $kind:expr, $aggregate:ident, $body:expr, $($name:ident),*) => {
        match $kind {
            $($crate::ids::EntityKind::$name => {
                type $aggregate = $crate::domain::$name;
                $body
            })*
        }
    };
}
pub(super) use with_aggregate;

/// Starts the actor of `entity`, of whatever kind; as [`spawn`](super::spawn).
///
/// # Errors
/// [`SpawnErr`] if the runtime takes no more actors.
pub fn spawn_any(
    entity: EntityId,
    deps: EntityDeps,
    slot: Option<OwnedSemaphorePermit>,
    supervisor: Option<ActorCell>,
) -> Result<EntityHandle, SpawnErr> {
    with_aggregate!(entity.kind, A => shell::spawn::<A>(entity, deps, slot, supervisor))
}

#[cfg(test)]
mod tests {
    use crate::entity::Aggregate;
    use crate::ids::EntityKind;

    #[test]
    fn each_kind_leads_to_the_aggregate_of_that_kind() {
        for kind in EntityKind::ALL {
            assert_eq!(with_aggregate!(kind, A => A::KIND), kind);
        }
    }
}
