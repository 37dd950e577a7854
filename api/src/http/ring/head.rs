//! The head of a plain publish (RFC 9112). All else is left to the reader of the port, which judges what is malformed.

use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Uri};

/// A longer head is left to the port.
const MAX_BYTES: usize = 4_096;
const MAX_FIELDS: usize = 32;
/// A larger body is left to the port.
pub const MAX_BODY: usize = 64 * 1024;

/// A request that is read up to its body.
pub struct Head {
    pub request: Request<()>,
    /// As they came, with the empty line.
    bytes: Box<[u8]>,
    /// Bytes of the body.
    pub body: usize,
}

pub enum Reading {
    Whole(Box<Head>),
    /// More has to come.
    Part,
    /// Not for a ring.
    Other,
}

impl Head {
    pub fn read(bytes: &[u8]) -> Reading {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_BYTES => {
                match plain(&parsed, &bytes[..length]) {
                    Some(head) => Reading::Whole(Box::new(head)),
                    None => Reading::Other,
                }
            }
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_BYTES => Reading::Part,
            Ok(_) | Err(_) => Reading::Other,
        }
    }

    /// Whether the next request begins with the very same head. Devices send theirs again and again.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.bytes)
    }

    /// Bytes of the whole request.
    pub const fn request_bytes(&self) -> usize {
        self.bytes.len() + self.body
    }

    /// Where the body lies in a request.
    pub const fn body_range(&self) -> std::ops::Range<usize> {
        self.bytes.len()..self.request_bytes()
    }
}

/// `None` if the request wants anything but to be taken whole on a connection that stays.
fn plain(parsed: &httparse::Request<'_, '_>, bytes: &[u8]) -> Option<Head> {
    if parsed.method != Some("POST") || parsed.version != Some(1) {
        return None;
    }
    let target = parsed.path.filter(|path| path.starts_with('/'))?;
    let uri = Uri::try_from(target).ok()?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    let leave_it = [
        header::TRANSFER_ENCODING,
        header::EXPECT,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
    ];
    if leave_it.iter().any(|name| headers.contains_key(name)) {
        return None;
    }
    let stays = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    if !headers.get_all(header::CONNECTION).iter().all(stays) {
        return None;
    }
    let body = body_length(&headers)?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some(Head {
        request,
        bytes: bytes.into(),
        body,
    })
}

/// What the one `Content-Length` says, in digits alone.
fn body_length(headers: &HeaderMap) -> Option<usize> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next()?.to_str().ok()?;
    if lengths.next().is_some() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    length.parse().ok().filter(|length| *length <= MAX_BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Box<Head>> {
        match Head::read(text.as_bytes()) {
            Reading::Whole(head) => Some(head),
            Reading::Part | Reading::Other => None,
        }
    }

    const PLAIN: &str = "POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";

    #[test]
    fn a_plain_publish_is_read_whole_and_known_again() {
        let head = read(&format!("{PLAIN}abcPOST")).unwrap();
        assert_eq!(head.request.uri().query(), Some("db=a"));
        assert_eq!(head.body_range(), PLAIN.len()..PLAIN.len() + 3);
        assert!(head.begins(format!("{PLAIN}xyz").as_bytes()));
        assert!(!head.begins(&PLAIN.as_bytes()[1..]));
        assert!(!head.begins(PLAIN.replace('3', "4").as_bytes()));
    }

    #[test]
    fn every_part_of_a_head_waits_for_the_rest() {
        for end in 0..PLAIN.len() {
            let part = Head::read(&PLAIN.as_bytes()[..end]);
            assert!(matches!(part, Reading::Part), "{end}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_port() {
        let with = |from: &str, to: &str| PLAIN.replace(from, to);
        for other in [
            with("POST", "GET"),
            with("HTTP/1.1", "HTTP/1.0"),
            with("/write", "http://x/write"),
            with("Host: x", "Connection: close"),
            with("Host: x", "Connection: keep-alive, Upgrade"),
            with("Host: x", "Transfer-Encoding: chunked"),
            with("Host: x", "Expect: 100-continue"),
            with("Host: x", "Content-Length: 3"),
            with("Length: 3", "Length: +3"),
            with("Length: 3", "Length: 3, 3"),
            with("Length: 3", "Length: 65537"),
            with("Length: 3", "Length: 99999999999999999999"),
            with("Content-Length: 3\r\n", ""),
            with("Host: x", "Host : x"),
            with("Host: x", &format!("X: {}", "y".repeat(MAX_BYTES))),
            with("Host: x", &"X: y\r\n".repeat(MAX_FIELDS + 1)),
            "\u{0}\u{1}".to_owned(),
        ] {
            let reading = Head::read(other.as_bytes());
            assert!(matches!(reading, Reading::Other), "{other}");
        }
        let long = format!("POST /{}", "y".repeat(MAX_BYTES));
        assert!(matches!(Head::read(long.as_bytes()), Reading::Other));
        assert!(read(&with("Host: x", "Connection: Keep-Alive")).is_some());
    }
}
