//! The alarm watch: evaluates alarm rules on live samples and tells alarms what it found.

mod rules;

pub use self::rules::{Rule, RuleBook, Rules};
