//! The sub-protocol `graphql-transport-ws`, without I/O: what a frame asks for, and whether it may.
//!
//! Source: <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>.

use async_graphql::{Request, Response};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::graphql::answer_body::written;

/// Why the server closes a socket, with the code that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    Stopping,
    /// The client does not speak `graphql-transport-ws`.
    OtherProtocol,
    /// A frame that is no message of the protocol.
    BadMessage,
    /// An operation before the socket was acknowledged.
    NotAcknowledged,
    /// No valid credential.
    Forbidden,
    TokenExpired,
    /// No `connection_init` in time.
    InitTimeout,
    /// A client that answers no ping.
    NoAnswer,
    /// Two operations with one id.
    IdInUse,
    SecondInit,
    TooManySubscriptions,
    TooManySockets,
}

impl Close {
    pub const fn code(self) -> u16 {
        match self {
            Self::Stopping => 1001,
            Self::BadMessage => 4400,
            Self::OtherProtocol => 4406,
            Self::NotAcknowledged => 4401,
            Self::Forbidden | Self::TokenExpired => 4403,
            Self::InitTimeout | Self::NoAnswer => 4408,
            Self::IdInUse => 4409,
            Self::SecondInit | Self::TooManySubscriptions | Self::TooManySockets => 4429,
        }
    }

    pub const fn reason(self) -> &'static str {
        match self {
            Self::Stopping => "tellee is stopping",
            Self::OtherProtocol => "subprotocol not acceptable",
            Self::BadMessage => "not a message of graphql-transport-ws",
            Self::NotAcknowledged => "unauthorized",
            Self::Forbidden => "unauthenticated",
            Self::TokenExpired => "token_expired",
            Self::InitTimeout => "connection initialisation timeout",
            Self::NoAnswer => "no answer to pings",
            Self::IdInUse => "subscriber for this id already exists",
            Self::SecondInit => "too many initialisation requests",
            Self::TooManySubscriptions => "too many subscriptions on this socket",
            Self::TooManySockets => "too many sockets of this user",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Value,
    },
    Ping {},
    Pong {},
    Subscribe {
        id: String,
        payload: Box<Request>,
    },
    Complete {
        id: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerMessage<'a> {
    ConnectionAck,
    Pong,
    Error {
        id: &'a str,
        payload: &'a [async_graphql::ServerError],
    },
    Complete {
        id: &'a str,
    },
}

impl ServerMessage<'_> {
    fn text(&self) -> String {
        // Serialising into memory fails on no value of ours; an empty frame would be refused by the client.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The message `next`. Its payload may hold columns, so it is put in as text.
fn next(id: &str, response: &Response) -> Option<String> {
    let id = serde_json::to_string(id).ok()?;
    let payload = String::from_utf8(written(response).ok()?).ok()?;
    Some(format!(
        r#"{{"type":"next","id":{id},"payload":{payload}}}"#
    ))
}

/// One operation of a socket. An id may be used again once its operation has ended; the number never is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperationId {
    pub id: String,
    pub number: u64,
}

/// What a frame asks the socket to do.
#[derive(Debug)]
pub enum Step {
    Nothing,
    /// Look at the credential in the payload, then [`Protocol::acknowledge`].
    Init(Value),
    Send(String),
    Start(OperationId, Box<Request>),
    Stop(OperationId),
}

/// The state of one socket.
#[derive(Debug)]
pub struct Protocol {
    greeted: bool,
    acknowledged: bool,
    open: HashMap<String, u64>,
    next: u64,
    most_subscriptions: usize,
}

impl Protocol {
    pub fn new(most_subscriptions: usize) -> Self {
        Self {
            greeted: false,
            acknowledged: false,
            open: HashMap::new(),
            next: 0,
            most_subscriptions,
        }
    }

    /// Takes in a text frame.
    ///
    /// # Errors
    /// Why the socket must be closed.
    pub fn receive(&mut self, text: &str) -> Result<Step, Close> {
        let message: ClientMessage = serde_json::from_str(text).map_err(|_| Close::BadMessage)?;
        match message {
            ClientMessage::ConnectionInit { .. } if self.greeted => Err(Close::SecondInit),
            ClientMessage::ConnectionInit { payload } => {
                self.greeted = true;
                Ok(Step::Init(payload))
            }
            ClientMessage::Ping {} => Ok(Step::Send(ServerMessage::Pong.text())),
            ClientMessage::Pong {} => Ok(Step::Nothing),
            ClientMessage::Subscribe { .. } if !self.acknowledged => Err(Close::NotAcknowledged),
            ClientMessage::Subscribe { id, payload } => self.start(id, payload),
            ClientMessage::Complete { id } => Ok(match self.open.remove(&id) {
                Some(number) => Step::Stop(OperationId { id, number }),
                // It has ended in the meantime.
                None => Step::Nothing,
            }),
        }
    }

    fn start(&mut self, id: String, request: Box<Request>) -> Result<Step, Close> {
        if self.open.contains_key(&id) {
            return Err(Close::IdInUse);
        }
        if self.open.len() >= self.most_subscriptions {
            return Err(Close::TooManySubscriptions);
        }
        let operation = OperationId {
            id,
            number: self.next,
        };
        self.next += 1;
        self.open.insert(operation.id.clone(), operation.number);
        Ok(Step::Start(operation, request))
    }

    /// The credential was good. The frame to send.
    pub fn acknowledge(&mut self) -> String {
        self.acknowledged = true;
        ServerMessage::ConnectionAck.text()
    }

    fn is_open(&self, operation: &OperationId) -> bool {
        self.open.get(&operation.id) == Some(&operation.number)
    }

    /// The frame for an answer of `operation`, and whether it was the last; `None` if the client has ended it.
    pub fn answer(
        &mut self,
        operation: &OperationId,
        response: &Response,
    ) -> Option<(String, bool)> {
        if !self.is_open(operation) {
            return None;
        }
        let id = &operation.id;
        let nothing_but_errors =
            !response.errors.is_empty() && response.data == async_graphql::Value::Null;
        if !nothing_but_errors {
            return Some((next(id, response).unwrap_or_default(), false));
        }
        self.open.remove(id);
        Some((
            ServerMessage::Error {
                id,
                payload: &response.errors,
            }
            .text(),
            true,
        ))
    }

    /// The frame for the end of `operation`; `None` if the client knows.
    pub fn end(&mut self, operation: &OperationId) -> Option<String> {
        if !self.is_open(operation) {
            return None;
        }
        self.open.remove(&operation.id);
        Some(ServerMessage::Complete { id: &operation.id }.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Protocol {
        let mut protocol = Protocol::new(2);
        assert!(matches!(
            protocol.receive(r#"{"type":"connection_init"}"#),
            Ok(Step::Init(Value::Null))
        ));
        assert_eq!(protocol.acknowledge(), r#"{"type":"connection_ack"}"#);
        protocol
    }

    fn subscribe(id: &str) -> String {
        format!(r#"{{"type":"subscribe","id":"{id}","payload":{{"query":"{{ me {{ id }} }}"}}}}"#)
    }

    fn started(protocol: &mut Protocol, id: &str) -> OperationId {
        match protocol.receive(&subscribe(id)) {
            Ok(Step::Start(operation, _)) => operation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_operation_before_the_acknowledgement_ends_the_socket() {
        let mut protocol = Protocol::new(2);
        assert_eq!(
            protocol.receive(&subscribe("1")).unwrap_err(),
            Close::NotAcknowledged
        );
        assert!(matches!(
            protocol.receive(r#"{"type":"connection_init","payload":{"token":"t"}}"#),
            Ok(Step::Init(_))
        ));
        assert_eq!(
            protocol.receive(&subscribe("1")).unwrap_err(),
            Close::NotAcknowledged
        );
        assert_eq!(
            protocol
                .receive(r#"{"type":"connection_init"}"#)
                .unwrap_err(),
            Close::SecondInit
        );
    }

    #[test]
    fn what_is_no_message_ends_the_socket() {
        for text in [
            "",
            "{",
            "[]",
            r#"{"type":"start"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"id":"1"}"#,
        ] {
            assert_eq!(
                ready().receive(text).unwrap_err(),
                Close::BadMessage,
                "{text}"
            );
        }
    }

    #[test]
    fn an_id_is_free_again_once_its_operation_has_ended() {
        let mut protocol = ready();
        let first = started(&mut protocol, "1");
        assert_eq!(
            protocol.receive(&subscribe("1")).unwrap_err(),
            Close::IdInUse
        );
        assert_eq!(
            protocol.end(&first).as_deref(),
            Some(r#"{"type":"complete","id":"1"}"#)
        );
        let second = started(&mut protocol, "1");
        assert_ne!(first, second);
        // What the first still had to say is for nobody.
        assert_eq!(protocol.answer(&first, &Response::default()), None);
        assert_eq!(protocol.end(&first), None);
        assert!(protocol.answer(&second, &Response::new("x")).is_some());
    }

    #[test]
    fn a_client_that_ends_an_operation_hears_no_more_of_it() {
        let mut protocol = ready();
        let operation = started(&mut protocol, "1");
        let stopped = protocol.receive(r#"{"type":"complete","id":"1"}"#);
        assert!(matches!(stopped, Ok(Step::Stop(stopped)) if stopped == operation));
        assert_eq!(protocol.end(&operation), None);
        assert!(matches!(
            protocol.receive(r#"{"type":"complete","id":"1"}"#),
            Ok(Step::Nothing)
        ));
    }

    #[test]
    fn subscriptions_of_one_socket_are_counted() {
        let mut protocol = ready();
        started(&mut protocol, "1");
        started(&mut protocol, "2");
        assert_eq!(
            protocol.receive(&subscribe("3")).unwrap_err(),
            Close::TooManySubscriptions
        );
    }

    #[test]
    fn an_answer_of_errors_alone_ends_the_operation() {
        let mut protocol = ready();
        let operation = started(&mut protocol, "1");
        let refused = crate::graphql::execute::refused(&crate::error::ApiError::unauthenticated());
        let (text, last) = protocol.answer(&operation, &refused).unwrap();
        assert!(last);
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["type"], "error");
        assert_eq!(
            message["payload"][0]["extensions"]["code"],
            "unauthenticated"
        );
        assert_eq!(protocol.end(&operation), None);
    }
}
