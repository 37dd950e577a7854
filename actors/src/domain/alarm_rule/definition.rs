//! What a definition must be to be taken, which series it watches, and how bad its levels are.

use super::{Deadman, Definition, Level, LimitKind, Scope};
use crate::domain::{Rejection, limits, validate};
use crate::ids::{ChannelId, DeviceTypeId, ThingId};

/// The side of the normal band on which a limit lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    High,
    Low,
}

impl LimitKind {
    /// From the lowest limit to the highest.
    pub const ASCENDING: [Self; 4] = [Self::LoLo, Self::Lo, Self::Hi, Self::HiHi];

    pub const fn side(self) -> Side {
        match self {
            Self::HiHi | Self::Hi => Side::High,
            Self::Lo | Self::LoLo => Side::Low,
        }
    }

    /// Whether it lies beyond `other` on the same side: HIHI beyond HI, LOLO beyond LO.
    pub const fn is_beyond(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::HiHi, Self::Hi) | (Self::LoLo, Self::Lo)
        )
    }
}

impl Scope {
    /// Whether the series (`channel`, `subtopic`, `series`) of `thing`, which is of `device_type`, is watched.
    pub fn matches(
        &self,
        thing: ThingId,
        device_type: Option<DeviceTypeId>,
        channel: ChannelId,
        subtopic: &str,
        series: &str,
    ) -> bool {
        self.series == series
            && self.thing.is_none_or(|wanted| wanted == thing)
            && self
                .device_type
                .is_none_or(|wanted| Some(wanted) == device_type)
            && self.channel.is_none_or(|wanted| wanted == channel)
            && self
                .subtopic
                .as_deref()
                .is_none_or(|wanted| wanted == subtopic)
    }
}

impl Definition {
    /// The level of this kind, if the rule has one.
    pub fn level(&self, kind: LimitKind) -> Option<&Level> {
        self.levels.iter().find(|level| level.kind == kind)
    }

    /// Refuses what could never work, or would chatter, or would tell the operator nothing.
    pub fn validate(&self) -> Result<(), Rejection> {
        validate::name("name", &self.name)?;
        validate::name("scope.series", &self.scope.series)?;
        if let Some(subtopic) = &self.scope.subtopic {
            validate::optional_name("scope.subtopic", subtopic)?;
        }
        validate::text("message", &self.message)?;
        validate::optional_text("consequence", &self.consequence)?;
        // What nobody has to act on is an event and not an alarm (ISA-18.2).
        validate::text("action", &self.action)?;
        if self.levels.is_empty() && self.deadman.is_none() {
            return Err(Rejection::invalid(
                "levels",
                "must have a level, or the rule a deadman",
            ));
        }
        self.validate_levels()?;
        self.deadman.as_ref().map_or(Ok(()), Deadman::validate)?;
        at_most_a_day("on_delay_ms", self.on_delay_ms)?;
        at_most_a_day("off_delay_ms", self.off_delay_ms)?;
        match self.time_to_respond_ms {
            Some(0) => Err(Rejection::invalid(
                "time_to_respond_ms",
                "must be at least 1",
            )),
            Some(time) => at_most_a_day("time_to_respond_ms", time),
            None => Ok(()),
        }
    }

    fn validate_levels(&self) -> Result<(), Rejection> {
        validate::finite("deadband", self.deadband)?;
        if self.deadband < 0.0 {
            return Err(Rejection::invalid("deadband", "must not be negative"));
        }
        for (index, level) in self.levels.iter().enumerate() {
            let field = format!("levels[{index}].limit");
            validate::finite(&field, level.limit)?;
            if !level.release(self.deadband).is_finite() {
                return Err(Rejection::invalid(field, "leaves no room for the deadband"));
            }
            if self.levels[..index]
                .iter()
                .any(|earlier| earlier.kind == level.kind)
            {
                let field = format!("levels[{index}].kind");
                return Err(Rejection::invalid(field, "is the kind of an earlier level"));
            }
        }
        let mut ascending = LimitKind::ASCENDING
            .into_iter()
            .filter_map(|kind| self.indexed_level(kind));
        let Some(mut below) = ascending.next() else {
            return Ok(());
        };
        for above in ascending {
            self.validate_neighbours(below.1, above)?;
            below = above;
        }
        Ok(())
    }

    fn indexed_level(&self, kind: LimitKind) -> Option<(usize, &Level)> {
        self.levels
            .iter()
            .enumerate()
            .find(|(_, level)| level.kind == kind)
    }

    fn validate_neighbours(
        &self,
        below: &Level,
        (index, above): (usize, &Level),
    ) -> Result<(), Rejection> {
        if below.limit >= above.limit {
            let field = format!("levels[{index}].limit");
            return Err(Rejection::invalid(
                field,
                "must be in the order LOLO < LO < HI < HIHI",
            ));
        }
        if self.deadband >= above.limit - below.limit {
            let reason = "must be smaller than the gaps between the limits";
            return Err(Rejection::invalid("deadband", reason));
        }
        let (worse, milder) = if above.kind.side() == Side::High {
            (above, below)
        } else {
            (below, above)
        };
        // P1 is the least in the order of the type.
        if worse.kind.is_beyond(milder.kind) && worse.priority > milder.priority {
            let field = format!("levels[{index}].priority");
            let reason = "the outer limit must not have a lower priority than the inner one";
            return Err(Rejection::invalid(field, reason));
        }
        Ok(())
    }
}

impl Level {
    /// Whether `value` raises it: the limit itself does.
    pub fn is_reached(&self, value: f64) -> bool {
        match self.kind.side() {
            Side::High => value >= self.limit,
            Side::Low => value <= self.limit,
        }
    }

    /// The value beyond which, towards normal, it is over.
    pub fn release(&self, deadband: f64) -> f64 {
        match self.kind.side() {
            Side::High => self.limit - deadband,
            Side::Low => self.limit + deadband,
        }
    }

    /// Whether `value` is back beyond limit and deadband: below them for a high limit, above them for a low one.
    pub fn is_released(&self, value: f64, deadband: f64) -> bool {
        match self.kind.side() {
            Side::High => value < self.release(deadband),
            Side::Low => value > self.release(deadband),
        }
    }
}

impl Deadman {
    fn validate(&self) -> Result<(), Rejection> {
        let longest = limits::DEADMAN_PERIOD.as_millis() as u64;
        validate::positive("deadman.period_ms", self.period_ms, longest)
    }
}

fn at_most_a_day(field: &str, milliseconds: u64) -> Result<(), Rejection> {
    let longest = limits::DELAY.as_millis() as u64;
    if milliseconds > longest {
        return Err(Rejection::invalid(
            field,
            format!("must be at most {longest}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Priority;
    use super::*;

    #[test]
    fn a_limit_is_reached_at_itself_and_released_only_beyond_the_deadband() {
        let high = Level {
            kind: LimitKind::Hi,
            limit: 10.0,
            priority: Priority::P2,
        };
        assert!(high.is_reached(10.0) && !high.is_reached(9.999));
        assert!(!high.is_released(9.0, 1.0) && high.is_released(8.999, 1.0));
        assert!(!high.is_released(10.0, 0.0) && high.is_released(9.999, 0.0));
        let low = Level {
            kind: LimitKind::Lo,
            limit: 2.0,
            priority: Priority::P2,
        };
        assert!(low.is_reached(2.0) && !low.is_reached(2.001));
        assert!(!low.is_released(3.0, 1.0) && low.is_released(3.001, 1.0));
    }

    #[test]
    fn every_given_part_of_a_scope_must_match() {
        use crate::domain::testing::id;
        let open = Scope {
            series: "pressure".to_owned(),
            ..Scope::default()
        };
        let matches =
            |scope: &Scope| scope.matches(id(1), Some(id(2)), id(3), "line/4", "pressure");
        assert!(matches(&open));
        assert!(matches(&Scope {
            thing: Some(id(1)),
            ..open.clone()
        }));
        assert!(!matches(&Scope {
            thing: Some(id(9)),
            ..open.clone()
        }));
        assert!(matches(&Scope {
            device_type: Some(id(2)),
            ..open.clone()
        }));
        assert!(!matches(&Scope {
            device_type: Some(id(9)),
            ..open.clone()
        }));
        assert!(matches(&Scope {
            channel: Some(id(3)),
            ..open.clone()
        }));
        assert!(!matches(&Scope {
            channel: Some(id(9)),
            ..open.clone()
        }));
        assert!(matches(&Scope {
            subtopic: Some("line/4".to_owned()),
            ..open.clone()
        }));
        assert!(!matches(&Scope {
            subtopic: Some(String::new()),
            ..open.clone()
        }));
        assert!(!matches(&Scope {
            series: "flow".to_owned(),
            ..open
        }));
    }
}
