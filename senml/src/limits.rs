//! How much one message may hold.

/// Limits of one message. A message beyond any of them is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the encoded body.
    pub max_body_bytes: usize,
    pub max_records: usize,
    /// Bytes of a resolved name (base name and name).
    pub max_name_bytes: usize,
    pub max_unit_bytes: usize,
    /// Bytes of one text or data value, decoded.
    pub max_value_bytes: usize,
    /// Bytes of all resolved names, units, texts and data together. A long base name is multiplied by the records
    /// under it, so the body's size alone bounds nothing.
    pub max_total_bytes: usize,
    /// Levels of arrays and objects, the outermost included.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_records: 10_000,
            max_name_bytes: 1024,
            max_unit_bytes: 128,
            max_value_bytes: 256 * 1024,
            max_total_bytes: 16 * 1024 * 1024,
            max_depth: 16,
        }
    }
}
