//! SenML (RFC 8428) in JSON and CBOR, and plain JSON flattened to the same records.
//!
//! No I/O. Every decoder takes the whole body, the present time (for relative times) and [`Limits`], and gives either
//! all records, resolved, or one error that names the record and the field. No input makes it panic.

mod cbor;
mod cbor_decode;
mod cbor_encode;
mod error;
mod json_decode;
mod json_encode;
mod limits;
mod number;
mod plain_json;
mod record;
mod resolve;
mod rfc3339;

pub use cbor_decode::decode_cbor;
pub use cbor_encode::encode_cbor;
pub use error::{SenmlError, SenmlErrorKind};
pub use json_decode::decode_json;
pub use json_encode::encode_json;
pub use limits::Limits;
pub use number::{nanoseconds_from_decimal_seconds, write_decimal_seconds};
pub use plain_json::{PlainJsonOptions, TimeField, TimeFormat, decode_plain_json};
pub use record::{Record, Value};
pub use resolve::check_name;
pub use rfc3339::nanoseconds_from_rfc3339;
