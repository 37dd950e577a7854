//! MQTT over WebSocket (MQTT 5, 6): binary messages are one byte stream, whatever their bounds.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use bytes::{Buf, Bytes};
use futures_util::{Sink, SinkExt as _, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::broker::Broker;
use super::serve::serve_seated;
use crate::tls::CertifiedThing;
use crate::websocket::{FAREWELL, close_for};

/// Bytes that the WebSocket layer may hold back for a client that does not read.
const MAX_WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// The route `/mqtt`, sub-protocol `mqtt`.
pub fn routes(broker: Arc<Broker>) -> Router {
    Router::new()
        .route("/mqtt", any(upgrade))
        .with_state(broker)
}

async fn upgrade(
    State(broker): State<Arc<Broker>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    certified: Option<Extension<CertifiedThing>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.0.ip());
    broker.metrics().connections_accepted.one_more();
    let Some(place) = broker.gate().enter(address) else {
        broker.metrics().connections_refused.one_more();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let upgrade = upgrade.protocols(["mqtt"]);
    // MQTT-6.0.0-3
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the sub-protocol is `mqtt`\n").into_response();
    }
    let seat = broker.seats().take();
    let certified = certified.map(|certified| certified.0);
    let most = broker.config().max_packet_bytes as usize;
    upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES + most)
        .on_upgrade(move |socket| async move {
            let stream = WebSocketStream {
                socket,
                rest: Bytes::new(),
                close: None,
                farewell: None,
            };
            serve_seated(broker, stream, seat, certified).await;
            drop(place);
        })
}

/// A WebSocket as a byte stream.
struct WebSocketStream {
    socket: WebSocket,
    /// Of the message at hand.
    rest: Bytes,
    /// Why nothing more is read, to be told at the end.
    close: Option<CloseFrame>,
    /// It was told: the connection stays until then.
    farewell: Option<Pin<Box<Sleep>>>,
}

impl WebSocketStream {
    /// Tells why the socket ends, then waits for the other side to read it.
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.close.is_some() {
            ready!(self.socket.poll_ready_unpin(context))?;
            self.socket
                .start_send_unpin(Message::Close(self.close.take()))?;
        }
        let farewell = self
            .farewell
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(FAREWELL)));
        ready!(self.socket.poll_flush_unpin(context))?;
        farewell.as_mut().poll(context).map(Ok)
    }
}

impl AsyncRead for WebSocketStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        while stream.rest.is_empty() {
            match ready!(Pin::new(&mut stream.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => stream.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                // MQTT-6.0.0-1
                Some(Ok(Message::Text(_))) => {
                    stream.close = Some(CloseFrame {
                        code: close_code::UNSUPPORTED,
                        reason: "packets come in binary messages".into(),
                    });
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a text message",
                    )));
                }
                Some(Err(error)) => {
                    stream.close = close_for(&error);
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        let count = stream.rest.len().min(into.remaining());
        into.put_slice(&stream.rest[..count]);
        stream.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocketStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        let mut socket = Pin::new(&mut stream.socket);
        ready!(socket.as_mut().poll_ready(context)).map_err(io::Error::other)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        socket.start_send(message).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket)
            .poll_flush(context)
            .map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let closed = if stream.close.is_some() || stream.farewell.is_some() {
            stream.poll_farewell(context)
        } else {
            stream.socket.poll_close_unpin(context)
        };
        closed.map_err(io::Error::other)
    }
}
