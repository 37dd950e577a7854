//! Answers as bytes (RFC 9112).

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::http::doors::kept;

/// Writes answers, and keeps those that are sent all the time.
pub struct Answers {
    date: String,
    kept: Vec<(StatusCode, Vec<u8>)>,
}

impl Answers {
    pub fn new() -> Self {
        let mut answers = Self {
            date: String::new(),
            kept: Vec::new(),
        };
        answers.turn();
        answers
    }

    /// Brings the date up to date. Called every second.
    pub fn turn(&mut self) {
        let now = jiff::Timestamp::now();
        self.date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&now)
            .unwrap_or_default();
        self.kept.clear();
    }

    /// Appends the answer to a request all of which is on disk.
    pub fn kept(&mut self, status: StatusCode, into: &mut Vec<u8>) {
        if let Some((_, bytes)) = self.kept.iter().find(|(known, _)| *known == status) {
            return into.extend_from_slice(bytes);
        }
        let mut bytes = Vec::new();
        self.write(&kept(status), &[], &mut bytes);
        into.extend_from_slice(&bytes);
        self.kept.push((status, bytes));
    }

    /// Appends any other answer.
    pub fn other(&self, response: &Response<Bytes>, into: &mut Vec<u8>) {
        self.write(response, response.body(), into);
    }

    fn write<B>(&self, response: &Response<B>, body: &[u8], into: &mut Vec<u8>) {
        let status = response.status();
        into.extend_from_slice(b"HTTP/1.1 ");
        into.extend_from_slice(status.as_str().as_bytes());
        into.push(b' ');
        into.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        into.extend_from_slice(b"\r\n");
        for (name, value) in response.headers() {
            field(name.as_str(), value.as_bytes(), into);
        }
        let tells_length = status != StatusCode::NO_CONTENT
            && !response.headers().contains_key(header::CONTENT_LENGTH);
        if tells_length {
            field("content-length", body.len().to_string().as_bytes(), into);
        }
        field("date", self.date.as_bytes(), into);
        into.extend_from_slice(b"\r\n");
        into.extend_from_slice(body);
    }
}

/// The answer with its body at hand; `None` if that cannot be had.
pub async fn whole(response: Response) -> Option<Response<Bytes>> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Response::from_parts(parts, body))
}

/// Whether the connection ends with this answer.
pub fn closes<B>(response: &Response<B>) -> bool {
    response
        .headers()
        .get(header::CONNECTION)
        .is_some_and(|value| value.as_bytes() == b"close")
}

fn field(name: &str, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_bytes());
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}
