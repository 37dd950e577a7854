//! Histories by chance: events of all kinds over a few entities, in any order, also in orders that no aggregate allows.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tellee_actors::domain::alarm::{
    self, Activation, Cause, Comment, OutOfService, Shelving, Source, Suppression,
};
use tellee_actors::domain::alarm_rule::{
    self, AlarmClass, Definition, Level, LimitKind, Priority, Scope,
};
use tellee_actors::domain::channel::{self, RetentionClass, RollupRetention};
use tellee_actors::domain::edge_device::{self, BootstrapConfig, BootstrapState};
use tellee_actors::domain::secret::{KeyHash, PasswordHash};
use tellee_actors::domain::user::{self, Role};
use tellee_actors::domain::{device_type, model, organisation, thing};
use tellee_actors::ids::{
    AlarmRuleId, ChannelId, DeviceTypeId, EntityId, EntityKind, OrganisationId, Revision, ThingId,
    UserId,
};
use tellee_actors::time::Timestamp;
use uuid::Uuid;

use super::{NEW_YEAR, sealed};
use crate::follower::DomainEvent;

/// One step: which entity, which of its events, and a number that tells contents apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    kind: EntityKind,
    slot: u8,
    variant: u8,
    salt: u8,
}

pub(crate) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop::sample::select(EntityKind::ALL.to_vec()),
        0..3u8,
        0..13u8,
        0..6u8,
    )
        .prop_map(|(kind, slot, variant, salt)| Step {
            kind,
            slot,
            variant,
            salt,
        });
    prop::collection::vec(step, 0..count)
}

fn id(kind: EntityKind, slot: u8) -> Uuid {
    Uuid::from_u128(((kind as u128 + 1) << 64) | u128::from(slot))
}

fn thing_id(slot: u8) -> ThingId {
    ThingId(id(EntityKind::Thing, slot % 3))
}

fn organisation_id(slot: u8) -> OrganisationId {
    OrganisationId(id(EntityKind::Organisation, slot % 2))
}

impl Step {
    pub(crate) fn event(self) -> (EntityId, DomainEvent) {
        let event = match self.kind {
            EntityKind::Organisation => DomainEvent::Organisation(self.organisation()),
            EntityKind::User => DomainEvent::User(self.user()),
            EntityKind::Thing => DomainEvent::Thing(self.thing()),
            EntityKind::Channel => DomainEvent::Channel(self.channel()),
            EntityKind::DeviceType => DomainEvent::DeviceType(self.device_type()),
            EntityKind::EdgeDevice => DomainEvent::EdgeDevice(self.edge_device()),
            EntityKind::AlarmRule => DomainEvent::AlarmRule(self.alarm_rule()),
            EntityKind::Alarm => DomainEvent::Alarm(self.alarm()),
            EntityKind::Model => DomainEvent::Model(self.model()),
        };
        (EntityId::new(self.kind, id(self.kind, self.slot)), event)
    }

    /// Organisations by slot, so that both sides of the wall hold something.
    fn wall(self) -> OrganisationId {
        organisation_id(self.slot)
    }

    fn name(self) -> String {
        format!("Name {}", self.salt)
    }

    fn organisation(self) -> organisation::Event {
        match self.variant % 2 {
            0 => organisation::Event::Created { name: self.name() },
            _ => organisation::Event::Renamed { name: self.name() },
        }
    }

    fn user(self) -> user::Event {
        let password = PasswordHash(self.name());
        match self.variant % 7 {
            0 => user::Event::Created {
                organisation: self.wall(),
                email: format!("{}@plant.example", self.salt),
                password,
                role: Role::Viewer,
                platform_administrator: self.salt == 0,
                metadata: serde_json::Map::new(),
            },
            1 => user::Event::PasswordChanged { password },
            2 => user::Event::RoleChanged {
                role: Role::Engineer,
            },
            3 => user::Event::MetadataUpdated {
                metadata: serde_json::Map::new(),
            },
            4 => user::Event::Disabled {},
            5 => user::Event::Enabled {},
            _ => user::Event::SessionsEnded {},
        }
    }

    fn thing(self) -> thing::Event {
        let mut metadata = serde_json::Map::new();
        metadata.insert("salt".to_owned(), json!(self.salt));
        let device_type = self
            .salt
            .is_multiple_of(2)
            .then(|| DeviceTypeId(id(EntityKind::DeviceType, self.salt % 3)));
        let details = thing::Details {
            name: self.name(),
            metadata,
            device_type,
            tags: Vec::new(),
        };
        match self.variant % 5 {
            0 => thing::Event::Created {
                organisation: self.wall(),
                key: sealed(&self.name()),
                details,
            },
            1 => thing::Event::Updated { details },
            2 => thing::Event::RolledBack {
                to: Revision(1),
                details,
            },
            3 => thing::Event::KeyChanged {
                key: sealed(&self.name()),
            },
            _ => thing::Event::Removed {},
        }
    }

    fn channel(self) -> channel::Event {
        let (retention, rollup_retention) = if self.salt == 0 {
            (RetentionClass::Days7, RollupRetention::Year1)
        } else {
            (RetentionClass::Forever, RollupRetention::AsConfigured)
        };
        let details = channel::Details {
            name: self.name(),
            metadata: serde_json::Map::new(),
            retention,
            rollup_retention,
        };
        match self.variant % 6 {
            0 => channel::Event::Created {
                organisation: self.wall(),
                details,
            },
            1 => channel::Event::Updated { details },
            2 => {
                let things = [thing_id(self.salt), thing_id(self.salt + 1)].into();
                channel::Event::RolledBack {
                    to: Revision(1),
                    details,
                    things,
                }
            }
            3 => channel::Event::ThingConnected {
                thing: thing_id(self.salt),
            },
            4 => channel::Event::ThingDisconnected {
                thing: thing_id(self.salt),
            },
            _ => channel::Event::Removed {},
        }
    }

    fn device_type(self) -> device_type::Event {
        let details = device_type::Details {
            name: self.name(),
            ..device_type::Details::default()
        };
        match self.variant % 4 {
            0 => device_type::Event::Created {
                organisation: self.wall(),
                details,
            },
            1 => device_type::Event::Updated { details },
            2 => device_type::Event::RolledBack {
                to: Revision(1),
                details,
            },
            _ => device_type::Event::Removed {},
        }
    }

    fn edge_device(self) -> edge_device::Event {
        let config = BootstrapConfig {
            name: self.name(),
            ..BootstrapConfig::default()
        };
        match self.variant % 7 {
            0 => edge_device::Event::Registered {
                organisation: self.wall(),
                thing: thing_id(self.slot),
                external_id: format!("AA:{}", self.salt),
                external_key: KeyHash(self.name()),
                config,
            },
            1 => edge_device::Event::ConfigChanged { config },
            2 => edge_device::Event::RolledBack {
                to: Revision(1),
                config,
            },
            3 => edge_device::Event::ExternalKeyChanged {
                external_key: KeyHash(self.name()),
            },
            4 => edge_device::Event::StateChanged {
                state: BootstrapState::Active,
            },
            5 => edge_device::Event::Bootstrapped {
                revision: Revision(u64::from(self.salt)),
            },
            _ => edge_device::Event::Removed {},
        }
    }

    fn alarm_rule(self) -> alarm_rule::Event {
        let definition = definition(
            &self.name(),
            Scope {
                series: "pressure".to_owned(),
                ..Scope::default()
            },
        );
        match self.variant % 4 {
            0 => alarm_rule::Event::Created {
                organisation: self.wall(),
                definition,
            },
            1 => alarm_rule::Event::Updated { definition },
            2 => alarm_rule::Event::RolledBack {
                to: Revision(1),
                definition,
            },
            _ => alarm_rule::Event::Removed {},
        }
    }

    fn alarm(self) -> alarm::Event {
        let by = UserId(id(EntityKind::User, 0));
        let occurrence = u64::from(self.salt);
        let at = Timestamp(NEW_YEAR.0 + i64::from(self.salt) * 1_000_000_000);
        match self.variant % 13 {
            0 => alarm::Event::Activated {
                source: source(self.wall(), thing_id(self.slot), self.slot),
                occurrence,
                activation: activation(self.salt, at),
            },
            1 => alarm::Event::Escalated {
                occurrence,
                activation: activation(self.salt, at),
            },
            2 => alarm::Event::Returned {
                occurrence,
                source_time: at,
                value: Some(1.5),
                at,
            },
            3 => alarm::Event::Acknowledged {
                occurrence,
                by,
                note: Some(self.name()),
                at,
            },
            4 => alarm::Event::Reset { occurrence, by },
            5 => {
                let shelving = Shelving {
                    by,
                    reason: self.name(),
                    until: at,
                    one_shot: false,
                };
                alarm::Event::Shelved { shelving }
            }
            6 => alarm::Event::Unshelved { automatic: true },
            7 => alarm::Event::Suppressed {
                suppression: Suppression { by: self.name() },
            },
            8 => alarm::Event::Unsuppressed {},
            9 => {
                let out_of_service = OutOfService {
                    by,
                    work_order: "WO-1".to_owned(),
                    reason: self.name(),
                };
                alarm::Event::TakenOutOfService { out_of_service }
            }
            10 => alarm::Event::ReturnedToService {},
            11 => alarm::Event::Commented {
                comment: Comment {
                    by,
                    at,
                    text: self.name(),
                },
            },
            _ => alarm::Event::ReAlarmed { occurrence },
        }
    }

    fn model(self) -> model::Event {
        let version = u32::from(self.salt);
        match self.variant % 6 {
            0 => model::Event::Created {
                organisation: self.wall(),
                definition: model::Definition {
                    name: self.name(),
                    thing: thing_id(self.slot),
                    signals: Vec::new(),
                    sample_period_ms: 1_000,
                    window: 60,
                    score_series: "score".to_owned(),
                    persistence: 3,
                },
            },
            1 => model::Event::VersionRegistered {
                version: model::Version {
                    version,
                    artifact: "00".to_owned(),
                    format: "torchscript".to_owned(),
                    score_limit: 0.1 + f64::from(self.salt),
                    metrics: BTreeMap::new(),
                    lineage: model::Lineage {
                        trained_from: NEW_YEAR,
                        trained_to: NEW_YEAR,
                        rows: 1,
                        data_hash: "00".to_owned(),
                        seed: 1,
                        parameters: json!({}),
                        code_version: "1".to_owned(),
                        parent: None,
                    },
                },
            },
            2 => model::Event::TrainingFailed {
                reason: self.name(),
            },
            3 => model::Event::Promoted {
                version,
                previous: None,
            },
            4 => model::Event::Retired { version },
            _ => model::Event::Removed {},
        }
    }
}

/// A rule on high values: P2 above 10, P1 above 20.
pub(crate) fn definition(name: &str, scope: Scope) -> Definition {
    Definition {
        name: name.to_owned(),
        scope,
        levels: vec![
            Level {
                kind: LimitKind::Hi,
                limit: 10.0,
                priority: Priority::P2,
            },
            Level {
                kind: LimitKind::HiHi,
                limit: 20.0,
                priority: Priority::P1,
            },
        ],
        deadman: None,
        deadband: 1.0,
        on_delay_ms: 0,
        off_delay_ms: 0,
        class: AlarmClass::Process,
        latching: false,
        acknowledge_required: true,
        message: format!("{name} is high"),
        consequence: "wear".to_owned(),
        action: "slow down".to_owned(),
        time_to_respond_ms: None,
        enabled: true,
    }
}

pub(crate) fn source(organisation: OrganisationId, thing: ThingId, slot: u8) -> Source {
    Source {
        organisation,
        rule: AlarmRuleId(id(EntityKind::AlarmRule, slot)),
        thing,
        channel: ChannelId(id(EntityKind::Channel, 0)),
        subtopic: String::new(),
        series: "pressure".to_owned(),
    }
}

pub(crate) fn activation(salt: u8, at: Timestamp) -> Activation {
    Activation {
        cause: Cause::Limit(LimitKind::Hi),
        priority: [Priority::P1, Priority::P2, Priority::P3, Priority::P4][usize::from(salt % 4)],
        class: if salt == 5 {
            AlarmClass::Predictive
        } else {
            AlarmClass::Process
        },
        latching: salt % 2 == 1,
        acknowledge_required: true,
        message: format!("high {salt}"),
        consequence: String::new(),
        action: "look".to_owned(),
        time_to_respond_ms: None,
        unit: "bar".to_owned(),
        value: Some(11.0),
        limit: Some(10.0),
        quality: 192,
        source_time: at,
        received_at: at,
        contributions: Vec::new(),
    }
}
