//! A column of byte strings: a dictionary where few differ, lengths and bytes otherwise.

use hashbrown::HashMap;

use super::CodecError;
use super::bytes::{Reader, put_bytes, put_varint};
use super::integers;

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;
const MAX_DICTIONARY: usize = 256;

pub fn encode(items: &[&[u8]], out: &mut Vec<u8>) {
    if items.is_empty() {
        return;
    }
    let mut dictionary: Vec<&[u8]> = Vec::new();
    let mut places: HashMap<&[u8], i64> = HashMap::new();
    let mut indexes = Vec::with_capacity(items.len());
    for item in items {
        let next = dictionary.len() as i64;
        let place = *places.entry(item).or_insert(next);
        if place == next {
            dictionary.push(item);
        }
        if dictionary.len() > MAX_DICTIONARY {
            break;
        }
        indexes.push(place);
    }
    if indexes.len() == items.len() {
        out.push(DICTIONARY);
        put_varint(out, dictionary.len() as u64);
        for entry in dictionary {
            put_bytes(out, entry);
        }
        integers::encode(&indexes, out);
        return;
    }
    out.push(PLAIN);
    let lengths: Vec<i64> = items.iter().map(|item| item.len() as i64).collect();
    integers::encode(&lengths, out);
    for item in items {
        out.extend_from_slice(item);
    }
}

pub fn decode<'a>(reader: &mut Reader<'a>, count: usize) -> Result<Vec<&'a [u8]>, CodecError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    match reader.byte()? {
        PLAIN => {
            let lengths = integers::decode(reader, count)?;
            let mut items = Vec::with_capacity(count);
            for length in lengths {
                let length = usize::try_from(length)
                    .map_err(|_| CodecError::Invalid("a length is negative"))?;
                items.push(reader.take(length)?);
            }
            Ok(items)
        }
        DICTIONARY => {
            let length = reader.length()?;
            let mut dictionary = Vec::with_capacity(length);
            for _ in 0..length {
                dictionary.push(reader.bytes()?);
            }
            let indexes = integers::decode(reader, count)?;
            let mut items = Vec::with_capacity(count);
            for index in indexes {
                let entry = usize::try_from(index)
                    .ok()
                    .and_then(|index| dictionary.get(index));
                items.push(*entry.ok_or(CodecError::Invalid("a dictionary has no such entry"))?);
            }
            Ok(items)
        }
        _ => Err(CodecError::Invalid("a column of texts has an unknown mode")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_column_comes_back(items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..600)) {
            let slices: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
            let mut bytes = Vec::new();
            encode(&slices, &mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(decode(&mut reader, slices.len()).unwrap(), slices);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_usize..3000) {
            let _ = decode(&mut Reader::new(&bytes), count);
        }
    }

    #[test]
    fn few_distinct_texts_are_kept_once() {
        let items: Vec<&[u8]> = (0..1000)
            .map(|index| {
                if index % 3 == 0 {
                    b"running".as_slice()
                } else {
                    b"stopped"
                }
            })
            .collect();
        let mut bytes = Vec::new();
        encode(&items, &mut bytes);
        assert!(bytes.len() < 1100);
    }
}
