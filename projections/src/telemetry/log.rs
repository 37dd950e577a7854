//! The write-ahead log: what was acknowledged and does not lie in a block yet.

pub mod entry;
pub mod frame;
pub mod writer;

/// The name of segment `number`.
pub fn segment_name(number: u64) -> String {
    format!("log-{number:016x}")
}

/// The number of the segment called `name`.
pub fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}
