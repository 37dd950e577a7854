//! The ISA-18.2 letter, derived from the four memories.

use super::{Letter, State};

impl State {
    /// The state as displayed: out of service goes before suppressed by design, that before shelved, that before the rest.
    pub const fn letter(&self) -> Letter {
        if self.out_of_service.is_some() {
            return Letter::I;
        }
        if self.suppressed.is_some() {
            return Letter::H;
        }
        if self.shelved.is_some() {
            return Letter::G;
        }
        match (self.condition_abnormal, self.latched, self.acknowledged) {
            _ if self.occurrence == 0 => Letter::A,
            (true, _, false) => Letter::B,
            (true, _, true) => Letter::C,
            (false, false, false) => Letter::D,
            (false, true, false) => Letter::E,
            (false, true, true) => Letter::F,
            (false, false, true) => Letter::A,
        }
    }

    /// Whether any of shelving, suppression by design and out of service keeps it off the list of active alarms.
    pub const fn is_suppressed(&self) -> bool {
        self.shelved.is_some() || self.suppressed.is_some() || self.out_of_service.is_some()
    }
}

impl Letter {
    /// Whether it waits for an operator's acknowledgement.
    pub const fn is_unacknowledged(self) -> bool {
        matches!(self, Self::B | Self::D | Self::E)
    }

    /// Whether it is on the list of active alarms.
    pub const fn is_listed(self) -> bool {
        matches!(self, Self::B | Self::C | Self::D | Self::E | Self::F)
    }
}
