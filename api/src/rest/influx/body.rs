//! The body of a write, as it came or inflated.

use std::io::Read as _;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header;
use flate2::bufread::MultiGzDecoder;

use crate::error::{ApiError, ErrorCode};
use crate::rest::input::read_body;

/// Bytes of a body after it was inflated. As sent it is bounded like all others.
const MAX_INFLATED_BYTES: u64 = 16 * 1024 * 1024;

pub async fn read(request: Request) -> Result<Bytes, ApiError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    let gzip = match encoding.map(|encoding| encoding.as_bytes().to_ascii_lowercase()) {
        None => false,
        Some(encoding) => match encoding.as_slice() {
            b"" | b"identity" => false,
            b"gzip" | b"x-gzip" => true,
            _ => {
                let reason = "the content encoding must be `gzip` or none";
                return Err(ApiError::new(ErrorCode::UnsupportedMediaType, reason));
            }
        },
    };
    let body = read_body(request).await?;
    if !gzip {
        return Ok(body);
    }
    // Takes as long as its sender likes, up to the bound.
    let inflated = tokio::task::spawn_blocking(move || inflate(&body)).await;
    inflated.map_err(|error| ApiError::internal(&error))?
}

fn inflate(body: &[u8]) -> Result<Bytes, ApiError> {
    let mut inflated = Vec::with_capacity(
        body.len()
            .saturating_mul(4)
            .min(MAX_INFLATED_BYTES as usize),
    );
    MultiGzDecoder::new(body)
        .take(MAX_INFLATED_BYTES + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| ApiError::invalid("body", format!("is not gzip: {error}")))?;
    if inflated.len() as u64 > MAX_INFLATED_BYTES {
        let reason = format!("the inflated body is larger than {MAX_INFLATED_BYTES} bytes");
        return Err(ApiError::new(ErrorCode::BodyTooLarge, reason));
    }
    Ok(inflated.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn several_members_are_one_body() {
        let body = [gzip(b"m f=1\n"), gzip(b"m f=2\n")].concat();
        assert_eq!(inflate(&body).unwrap().as_ref(), b"m f=1\nm f=2\n");
    }

    #[test]
    fn what_inflates_without_end_or_is_no_gzip_is_refused() {
        let bomb = gzip(&vec![b'\n'; MAX_INFLATED_BYTES as usize + 1]);
        assert_eq!(inflate(&bomb).unwrap_err().code, ErrorCode::BodyTooLarge);
        let cut = gzip(b"m f=1\n");
        for body in [&b"m f=1"[..], b"", &cut[..cut.len() - 5]] {
            assert_eq!(inflate(body).unwrap_err().code, ErrorCode::InvalidInput);
        }
    }
}
