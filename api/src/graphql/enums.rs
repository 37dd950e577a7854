//! The enumerations of the schema, and how they stand to those of the domain.

use async_graphql::Enum;
use tellee_actors::domain::alarm::{Cause, Letter};
use tellee_actors::domain::alarm_rule::{
    AlarmClass as DomainClass, LimitKind as DomainLimitKind, Priority as DomainPriority,
};
use tellee_actors::domain::channel::{RetentionClass, RollupRetention as StoredRollupRetention};
use tellee_actors::domain::edge_device::BootstrapState as DomainBootstrapState;
use tellee_actors::domain::user::Role as DomainRole;
use tellee_actors::ids::EntityKind as DomainEntityKind;
use tellee_projections::registry::{Direction, Order, Page, Start};
use tellee_projections::telemetry::{
    AggregateFunction as DomainFunction, Quality as DomainQuality,
};

use crate::error::ApiError;

/// An enumeration of the schema with the same members as one of the domain.
macro_rules! mirrored {
    ($(#[$doc:meta])* $name:ident of $domain:ident { $($member:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        pub enum $name {
            $($member),*
        }

        impl From<$domain> for $name {
            fn from(domain: $domain) -> Self {
                match domain {
                    $($domain::$member => Self::$member),*
                }
            }
        }

        impl From<$name> for $domain {
            fn from(schema: $name) -> Self {
                match schema {
                    $($name::$member => Self::$member),*
                }
            }
        }
    };
}

mirrored!(
    /// What a user may do within the organisation.
    Role of DomainRole { Viewer, Operator, Supervisor, Maintainer, Engineer, DataScientist, Administrator }
);
mirrored!(
    /// P1 is the highest.
    Priority of DomainPriority { P1, P2, P3, P4 }
);
mirrored!(LimitKind of DomainLimitKind { HiHi, Hi, Lo, LoLo });
mirrored!(AlarmClass of DomainClass { Process, Predictive, Instrument });
mirrored!(BootstrapState of DomainBootstrapState { Inactive, Active });
mirrored!(EntityKind of DomainEntityKind {
    Organisation, User, Thing, Channel, DeviceType, EdgeDevice, AlarmRule, Alarm, Model
});
mirrored!(AggregateFunction of DomainFunction { Count, Sum, Mean, Min, Max, First, Last, Deviation });

/// How a list is ordered. A cursor holds for the order that it came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum)]
pub enum ListOrder {
    /// The oldest first.
    #[default]
    Created,
    CreatedDescending,
    /// By name without regard to case, then by age.
    Name,
    NameDescending,
}

impl ListOrder {
    /// `page` in this order, which its cursor must have come from.
    pub fn of(self, page: Page) -> Result<Page, ApiError> {
        let (order, direction) = match self {
            Self::Created => (Order::Created, Direction::Ascending),
            Self::CreatedDescending => (Order::Created, Direction::Descending),
            Self::Name => (Order::Name, Direction::Ascending),
            Self::NameDescending => (Order::Name, Direction::Descending),
        };
        match &page.start {
            Start::After(cursor) if cursor.order != order => Err(ApiError::invalid(
                "after",
                format!("`{cursor}` is a cursor of another order"),
            )),
            _ => Ok(page.ordered(order, direction)),
        }
    }
}

/// How long the samples of a channel are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Retention {
    #[graphql(name = "DAYS_7")]
    Days7,
    #[graphql(name = "DAYS_30")]
    Days30,
    #[graphql(name = "YEAR_1")]
    Year1,
    #[graphql(name = "YEARS_5")]
    Years5,
    Forever,
}

impl From<RetentionClass> for Retention {
    fn from(class: RetentionClass) -> Self {
        match class {
            RetentionClass::Days7 => Self::Days7,
            RetentionClass::Days30 => Self::Days30,
            RetentionClass::Year1 => Self::Year1,
            RetentionClass::Years5 => Self::Years5,
            RetentionClass::Forever => Self::Forever,
        }
    }
}

impl From<Retention> for RetentionClass {
    fn from(retention: Retention) -> Self {
        match retention {
            Retention::Days7 => Self::Days7,
            Retention::Days30 => Self::Days30,
            Retention::Year1 => Self::Year1,
            Retention::Years5 => Self::Years5,
            Retention::Forever => Self::Forever,
        }
    }
}

/// How long what samples come to by the minute and by the hour is kept; never for less time than the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum RollupRetention {
    /// As the server is set: `retention.rollups`.
    AsConfigured,
    /// They go with their samples.
    AsSamples,
    #[graphql(name = "DAYS_30")]
    Days30,
    #[graphql(name = "YEAR_1")]
    Year1,
    #[graphql(name = "YEARS_5")]
    Years5,
    Forever,
}

impl From<StoredRollupRetention> for RollupRetention {
    fn from(kept: StoredRollupRetention) -> Self {
        match kept {
            StoredRollupRetention::AsConfigured => Self::AsConfigured,
            StoredRollupRetention::AsSamples => Self::AsSamples,
            StoredRollupRetention::Days30 => Self::Days30,
            StoredRollupRetention::Year1 => Self::Year1,
            StoredRollupRetention::Years5 => Self::Years5,
            StoredRollupRetention::Forever => Self::Forever,
        }
    }
}

impl From<RollupRetention> for StoredRollupRetention {
    fn from(kept: RollupRetention) -> Self {
        match kept {
            RollupRetention::AsConfigured => Self::AsConfigured,
            RollupRetention::AsSamples => Self::AsSamples,
            RollupRetention::Days30 => Self::Days30,
            RollupRetention::Year1 => Self::Year1,
            RollupRetention::Years5 => Self::Years5,
            RollupRetention::Forever => Self::Forever,
        }
    }
}

/// The states of ISA-18.2, A (normal) to I (out of service).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AlarmState {
    Normal,
    Unacknowledged,
    Acknowledged,
    ReturnedUnacknowledged,
    LatchedUnacknowledged,
    LatchedAcknowledged,
    Shelved,
    Suppressed,
    OutOfService,
}

impl From<Letter> for AlarmState {
    fn from(letter: Letter) -> Self {
        match letter {
            Letter::A => Self::Normal,
            Letter::B => Self::Unacknowledged,
            Letter::C => Self::Acknowledged,
            Letter::D => Self::ReturnedUnacknowledged,
            Letter::E => Self::LatchedUnacknowledged,
            Letter::F => Self::LatchedAcknowledged,
            Letter::G => Self::Shelved,
            Letter::H => Self::Suppressed,
            Letter::I => Self::OutOfService,
        }
    }
}

impl From<AlarmState> for Letter {
    fn from(state: AlarmState) -> Self {
        match state {
            AlarmState::Normal => Self::A,
            AlarmState::Unacknowledged => Self::B,
            AlarmState::Acknowledged => Self::C,
            AlarmState::ReturnedUnacknowledged => Self::D,
            AlarmState::LatchedUnacknowledged => Self::E,
            AlarmState::LatchedAcknowledged => Self::F,
            AlarmState::Shelved => Self::G,
            AlarmState::Suppressed => Self::H,
            AlarmState::OutOfService => Self::I,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AlarmCause {
    HiHi,
    Hi,
    Lo,
    LoLo,
    Deadman,
    Score,
}

impl From<Cause> for AlarmCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Limit(DomainLimitKind::HiHi) => Self::HiHi,
            Cause::Limit(DomainLimitKind::Hi) => Self::Hi,
            Cause::Limit(DomainLimitKind::Lo) => Self::Lo,
            Cause::Limit(DomainLimitKind::LoLo) => Self::LoLo,
            Cause::Deadman => Self::Deadman,
            Cause::Score => Self::Score,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Quality {
    Good,
    Uncertain,
    Bad,
}

impl From<DomainQuality> for Quality {
    fn from(quality: DomainQuality) -> Self {
        if quality.is_good() {
            Self::Good
        } else if quality.is_bad() {
            Self::Bad
        } else {
            Self::Uncertain
        }
    }
}
