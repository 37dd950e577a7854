//! A resolved record.

/// A SenML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Finite.
    Number(f64),
    Text(String),
    Boolean(bool),
    Data(Vec<u8>),
}

/// One record, resolved (RFC 8428 §4.6): base fields applied, time absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub name: String,
    pub unit: Option<String>,
    /// Nanoseconds since 1970-01-01T00:00:00Z. `None` if the record has no time: its reader takes the time of receipt.
    pub time: Option<i64>,
    /// `None` only where there is a sum.
    pub value: Option<Value>,
    /// The integral of the value over time, in unit seconds. Finite.
    pub sum: Option<f64>,
    /// Seconds until the next reading is expected at the latest. Finite.
    pub update_time: Option<f64>,
}

impl Record {
    /// A record of a number, without a unit.
    pub fn number(name: impl Into<String>, time: i64, number: f64) -> Self {
        Self {
            name: name.into(),
            unit: None,
            time: Some(time),
            value: Some(Value::Number(number)),
            sum: None,
            update_time: None,
        }
    }
}
