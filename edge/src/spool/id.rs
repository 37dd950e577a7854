//! Random names of spools and starts.

pub(crate) type Id = [u8; 16];

pub(crate) fn random_id() -> Id {
    let mut id = [0; 16];
    // Without randomness the id is all zero: a weaker name, not a wrong one.
    let _ = getrandom::fill(&mut id);
    id
}

pub(crate) fn format_id(id: Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn parse_id(text: &str) -> Option<Id> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(id)
}
