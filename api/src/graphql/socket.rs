//! One WebSocket: its operations side by side, its credential looked at again each second, its peer pinged.

mod protocol;
mod seats;

use std::time::Duration;

use async_graphql::{Request, Response};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{AbortHandle, Abortable, BoxStream, SelectAll};
use futures_util::{StreamExt as _, stream};
use hashbrown::HashMap;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::protocol::{Close, OperationId, Protocol, Step};
use self::seats::Seat;
pub use self::seats::Seats;
use super::execute::Executor;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::websocket::{FAREWELL, close_for};

/// Bounds of sockets.
#[derive(Debug, Clone, Copy)]
pub struct SocketLimits {
    /// A socket without `connection_init` after this is closed.
    pub init_timeout: Duration,
    /// A peer that has been silent for a third of this is pinged; one that stays silent for the whole is closed.
    pub silence: Duration,
    /// How long a peer may take to read a frame.
    pub send_timeout: Duration,
    /// How often the credential is looked at again.
    pub recheck: Duration,
    pub sockets_per_user: usize,
    pub subscriptions_per_socket: usize,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(10),
            silence: Duration::from_secs(45),
            send_timeout: Duration::from_secs(15),
            recheck: Duration::from_millis(500),
            sockets_per_user: 64,
            subscriptions_per_socket: 32,
        }
    }
}

/// What operations hand to their socket.
enum Output {
    Answer(OperationId, Box<Response>),
    End(OperationId),
}

/// Why the loop ended.
enum End {
    /// The peer has gone, or reads no more.
    Gone,
    Close(Close),
    /// What the peer sent cannot be read.
    Unreadable(CloseFrame),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// Serves `socket` until it ends. `early`: who showed a credential on opening it.
pub async fn serve(
    executor: Executor,
    mut socket: WebSocket,
    early: Option<Caller>,
    seats: Seats,
    limits: SocketLimits,
    stop: CancellationToken,
) {
    let mut session = Session {
        executor,
        early,
        seats,
        limits,
        protocol: Protocol::new(limits.subscriptions_per_socket),
        signed_in: None,
        operations: SelectAll::new(),
        aborts: HashMap::new(),
        opened: Instant::now(),
        heard: Instant::now(),
        pinged: Instant::now(),
    };
    let end = if socket.protocol().is_some() {
        session.run(&mut socket, &stop).await
    } else {
        End::Close(Close::OtherProtocol)
    };
    drop(session);
    let (frame, may_still_send) = match end {
        End::Gone => return,
        End::Close(close) => {
            let frame = CloseFrame {
                code: close.code(),
                reason: close.reason().into(),
            };
            (frame, false)
        }
        End::Unreadable(frame) => (frame, true),
    };
    // A peer that is gone already misses only this.
    let _ = timeout(
        Duration::from_secs(1),
        socket.send(Message::Close(Some(frame))),
    )
    .await;
    if may_still_send {
        sleep(FAREWELL).await;
    }
}

struct Session {
    executor: Executor,
    early: Option<Caller>,
    seats: Seats,
    limits: SocketLimits,
    protocol: Protocol,
    signed_in: Option<(Caller, Seat)>,
    operations: SelectAll<BoxStream<'static, Output>>,
    aborts: HashMap<u64, AbortHandle>,
    opened: Instant,
    heard: Instant,
    pinged: Instant,
}

impl Session {
    async fn run(&mut self, socket: &mut WebSocket, stop: &CancellationToken) -> End {
        let mut ticks = interval(self.limits.recheck);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let worked = tokio::select! {
                () = stop.cancelled() => Err(Close::Stopping.into()),
                message = socket.recv() => self.receive(socket, message).await,
                Some(output) = self.operations.next(), if !self.operations.is_empty() => {
                    self.hand_on(socket, output).await
                }
                _ = ticks.tick() => self.tick(socket).await,
            };
            if let Err(end) = worked {
                return end;
            }
        }
    }

    async fn receive(
        &mut self,
        socket: &mut WebSocket,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(Close::BadMessage.into()),
            Some(Err(error)) => {
                return Err(close_for(&error).map_or(End::Gone, End::Unreadable));
            }
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
        };
        match self.protocol.receive(text.as_str())? {
            Step::Nothing => Ok(()),
            Step::Send(text) => send(socket, Message::text(text), self.limits.send_timeout).await,
            Step::Init(payload) => {
                self.sign_in(&payload)?;
                let text = self.protocol.acknowledge();
                send(socket, Message::text(text), self.limits.send_timeout).await
            }
            Step::Start(operation, request) => self.start(operation, *request),
            Step::Stop(operation) => {
                self.abort(operation.number);
                Ok(())
            }
        }
    }

    /// By the token of `connection_init`, else by what came with the request that opened the socket.
    fn sign_in(&mut self, payload: &Value) -> Result<(), Close> {
        let caller = match token(payload) {
            Some(token) => self
                .executor
                .platform()
                .caller(&token)
                .map_err(|error| refusal(&error))?,
            None => self.early.ok_or(Close::Forbidden)?,
        };
        let seat = self
            .seats
            .take(caller.user, self.limits.sockets_per_user)
            .ok_or(Close::TooManySockets)?;
        self.signed_in = Some((caller, seat));
        Ok(())
    }

    fn start(&mut self, operation: OperationId, request: Request) -> Result<(), End> {
        let (caller, _) = self.signed_in.as_ref().ok_or(Close::NotAcknowledged)?;
        let (abort, registration) = AbortHandle::new_pair();
        let answers = Abortable::new(self.executor.answers(*caller, request), registration);
        self.aborts.insert(operation.number, abort);
        let of = operation.clone();
        let answers = answers.map(move |response| Output::Answer(of.clone(), Box::new(response)));
        self.operations.push(
            answers
                .chain(stream::once(async move { Output::End(operation) }))
                .boxed(),
        );
        Ok(())
    }

    fn abort(&mut self, number: u64) {
        if let Some(abort) = self.aborts.remove(&number) {
            abort.abort();
        }
    }

    async fn hand_on(&mut self, socket: &mut WebSocket, output: Output) -> Result<(), End> {
        let text = match output {
            Output::Answer(operation, response) => {
                let Some((text, last)) = self.protocol.answer(&operation, &response) else {
                    return Ok(());
                };
                if last {
                    self.abort(operation.number);
                }
                text
            }
            Output::End(operation) => {
                self.aborts.remove(&operation.number);
                let Some(text) = self.protocol.end(&operation) else {
                    return Ok(());
                };
                text
            }
        };
        send(socket, Message::text(text), self.limits.send_timeout).await
    }

    async fn tick(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let Some((caller, _)) = &self.signed_in else {
            let late = self.opened.elapsed() >= self.limits.init_timeout;
            return if late {
                Err(Close::InitTimeout.into())
            } else {
                Ok(())
            };
        };
        self.executor
            .platform()
            .still(caller)
            .map_err(|error| refusal(&error))?;
        let silent = self.heard.elapsed();
        if silent >= self.limits.silence {
            return Err(Close::NoAnswer.into());
        }
        let pause = self.limits.silence / 3;
        if silent < pause || self.pinged.elapsed() < pause {
            return Ok(());
        }
        self.pinged = Instant::now();
        send(
            socket,
            Message::Ping(Default::default()),
            self.limits.send_timeout,
        )
        .await
    }
}

/// While a frame waits for the peer, no operation is asked for more: that is the back-pressure.
async fn send(socket: &mut WebSocket, message: Message, patience: Duration) -> Result<(), End> {
    match timeout(patience, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

fn refusal(error: &ApiError) -> Close {
    match error.code {
        ErrorCode::TokenExpired => Close::TokenExpired,
        _ => Close::Forbidden,
    }
}

/// `Authorization`, as clients of browsers send it, or `token`.
fn token(payload: &Value) -> Option<String> {
    let object = payload.as_object()?;
    let named = ["Authorization", "authorization", "token"];
    let text = named
        .into_iter()
        .find_map(|name| object.get(name))?
        .as_str()?;
    let is_bearer = text
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let token = if is_bearer { &text[7..] } else { text };
    Some(token.trim().to_owned())
}
