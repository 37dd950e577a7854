//! The compressor of block bodies, with contexts that each thread keeps.

use std::cell::RefCell;

use super::CodecError;

const LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn compressor<'a>(
    slot: &'a mut Option<zstd::bulk::Compressor<'static>>,
) -> Option<&'a mut zstd::bulk::Compressor<'static>> {
    if slot.is_none() {
        *slot = zstd::bulk::Compressor::new(LEVEL).ok();
    }
    slot.as_mut()
}

/// Undoes [`compress_pieces`]; the result must be exactly `length` long.
pub fn decompress(bytes: &[u8], length: usize) -> Result<Vec<u8>, CodecError> {
    let mut plain = Vec::new();
    decompress_into(bytes, length, &mut plain)?;
    Ok(plain)
}

/// As [`decompress`], in the place of what is in `plain`.
pub fn decompress_into(bytes: &[u8], length: usize, plain: &mut Vec<u8>) -> Result<(), CodecError> {
    const FAILED: CodecError = CodecError::Invalid("a compressed body cannot be decompressed");
    plain.clear();
    plain.reserve_exact(length);
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Decompressor::new().ok();
        }
        slot.as_mut()
            .ok_or(FAILED)?
            .decompress_to_buffer(bytes, plain)
            .map_err(|_| FAILED)
    })?;
    if plain.len() != length {
        return Err(CodecError::Invalid(
            "a compressed body has the wrong length",
        ));
    }
    Ok(())
}

/// Compresses with a context that the thread keeps; `None` where that does not help. The pieces between `cuts` are
/// compressed apart from each other: the decompressor takes frames in a row as one.
pub fn compress_pieces(bytes: &[u8], cuts: impl Iterator<Item = usize>) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = compressor(slot)?;
        let mut out = Vec::new();
        let mut from = 0;
        for end in cuts.chain([bytes.len()]) {
            let frame = compressor.compress(&bytes[from..end]).ok()?;
            if out.is_empty() {
                out = frame;
            } else {
                out.extend_from_slice(&frame);
            }
            from = end;
        }
        (out.len() < bytes.len()).then_some(out)
    })
}
