//! From the first byte of a connection to its CONNACK.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::broker::{Attached, Broker, Ending, SignedIn, WillFate, Wishes};
use super::codec::{
    ConnAck, Connect, Frame, Outgoing, Properties, Reason, Version, Will, answer_version,
    decode_connect, encode, take_frame,
};
use super::seat::Seat;
use super::session::ClientLimits;
use super::wire::Wire;
use crate::tls::CertifiedThing;

/// CONNECT comes from clients that nobody knows yet: it may be this large, whatever larger packets are taken later.
const MAX_CONNECT_BYTES: usize = 128 * 1024;
const MAX_CLIENT_ID_BYTES: usize = 256;
/// Never, in session expiry intervals.
const FOR_EVER: u32 = u32::MAX;

/// A client that is in.
pub(super) struct Established {
    pub attached: Attached,
    pub client: SignedIn,
    pub version: Version,
    pub will: Option<Will>,
    pub keep_alive: Option<Duration>,
    /// Seconds; 0 if the session ends with the connection.
    pub session_expiry: u32,
    /// Whether acknowledgements may carry texts.
    pub wants_texts: bool,
    pub topic_alias_maximum: u16,
}

/// Lets a client in. The answer is in the output either way; `None`: the connection is to be closed after it.
pub(super) async fn handshake<S>(
    broker: &Arc<Broker>,
    wire: &mut Wire<S>,
    seat: Seat,
    certified: Option<CertifiedThing>,
) -> Option<Established>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let frame = seat.within(first_frame(wire)).await.flatten();
    drop(seat);
    let Some(frame) = frame else {
        broker.metrics().handshakes_given_up.one_more();
        return None;
    };
    let answer_version = answer_version(&frame);
    let connect = match decode_connect(frame) {
        Ok(connect) => connect,
        Err(error) => {
            broker.metrics().protocol_errors.one_more();
            tracing::debug!(%error, "a CONNECT was refused");
            // 3.1.1 answers an unknown level only; all else is closed without an answer.
            if let Some(version) = answer_version
                && (version == Version::V5 || error.reason == Reason::UNSUPPORTED_VERSION)
            {
                refuse(wire, version, error.reason);
            }
            return None;
        }
    };
    let version = connect.version;
    match establish(broker, *connect, certified, wire).await {
        Ok(established) => Some(established),
        Err(reason) => {
            if version == Version::V5 || reason.connect_return_code().is_some() {
                refuse(wire, version, reason);
            }
            None
        }
    }
}

async fn first_frame<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>) -> Option<Frame> {
    loop {
        let limit = if wire.input.first().is_none_or(|first| first >> 4 == 1) {
            MAX_CONNECT_BYTES
        } else {
            0
        };
        if let Some(frame) = take_frame(&mut wire.input, limit).ok()? {
            return Some(frame);
        }
        if wire.read().await.ok()? == 0 {
            return None;
        }
    }
}

fn refuse<S>(wire: &mut Wire<S>, version: Version, reason: Reason) {
    let connack = ConnAck {
        session_present: false,
        reason,
        properties: Properties::default(),
    };
    encode(&Outgoing::ConnAck(&connack), version, &mut wire.output);
}

async fn establish<S>(
    broker: &Arc<Broker>,
    connect: Connect,
    certified: Option<CertifiedThing>,
    wire: &mut Wire<S>,
) -> Result<Established, Reason> {
    let config = broker.config();
    let version = connect.version;
    let asked = &connect.properties;
    if asked.authentication_method.is_some() {
        return Err(Reason::BAD_AUTHENTICATION_METHOD);
    }
    let client = broker
        .sign_in(
            certified,
            connect.user_name.as_deref(),
            connect.password.as_deref(),
        )
        .inspect_none(|| broker.metrics().authentication_failures.one_more())
        .ok_or(Reason::NOT_AUTHORISED)?;
    if connect
        .will
        .as_ref()
        .is_some_and(|will| !broker.may_use_topic(client.publisher.thing, &will.topic))
    {
        return Err(Reason::NOT_AUTHORISED);
    }
    let client_id = client_id(&connect)?;
    let session_expiry = match version {
        // A user's session ends with its connection: it would hold up the logs of all channels.
        _ if client.user.is_some() => 0,
        Version::V3 if connect.clean_start => 0,
        Version::V3 => config.max_session_expiry_seconds,
        Version::V5 => asked
            .session_expiry
            .unwrap_or(0)
            .min(config.max_session_expiry_seconds),
    };
    let limits = ClientLimits {
        version,
        receive_maximum: asked.receive_maximum.unwrap_or(u16::MAX),
        maximum_packet_size: asked.maximum_packet_size.unwrap_or(u32::MAX),
    };
    let wishes = Wishes {
        client_id: &client_id,
        clean_start: connect.clean_start,
        expiry: session_expiry,
        will: connect.will.as_ref(),
    };
    let attached = broker.attach(client, &wishes, limits).await?;
    durable_in_time(broker, &attached, session_expiry, connect.will.is_some()).await?;
    let keep_alive = connect.keep_alive.min(config.max_keep_alive_seconds);
    let capped = keep_alive != connect.keep_alive;
    let connack = ConnAck {
        session_present: attached.present,
        reason: Reason::SUCCESS,
        properties: Properties {
            session_expiry: asked
                .session_expiry
                .filter(|asked| *asked != session_expiry)
                .map(|_| session_expiry),
            receive_maximum: Some(config.receive_maximum),
            maximum_packet_size: Some(config.max_packet_bytes),
            topic_alias_maximum: Some(config.topic_alias_maximum),
            assigned_client_id: connect.client_id.is_empty().then_some(client_id),
            server_keep_alive: capped.then_some(keep_alive),
            // What a spooling client needs to know before it trusts a PUBACK with the only copy of its data.
            user_properties: vec![("durable-ack".to_owned(), "puback".to_owned())],
            ..Properties::default()
        },
    };
    encode(&Outgoing::ConnAck(&connack), version, &mut wire.output);
    Ok(Established {
        attached,
        client,
        version,
        will: connect.will,
        // 3.1.1 cannot be told of a shorter one.
        keep_alive: Some(if version == Version::V5 {
            keep_alive
        } else {
            connect.keep_alive
        })
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_millis(u64::from(seconds) * 1_500)),
        session_expiry,
        wants_texts: asked.request_problem_information.unwrap_or(true)
            && limits.maximum_packet_size >= 1024,
        topic_alias_maximum: asked
            .topic_alias_maximum
            .unwrap_or(0)
            .min(config.topic_alias_maximum),
    })
}

/// Waits until the session is durable, as long as a handshake may take. If it takes longer the connection is given up:
/// the client was told nothing, so its will is not published, and the session stays as asked.
async fn durable_in_time(
    broker: &Arc<Broker>,
    attached: &Attached,
    session_expiry: u32,
    had_will: bool,
) -> Result<(), Reason> {
    let patience = Duration::from_secs(broker.config().handshake_timeout_seconds);
    let reached = broker.journal().reached(attached.position);
    if tokio::time::timeout(patience, reached).await.is_ok() {
        return Ok(());
    }
    broker.metrics().handshakes_given_up.one_more();
    tracing::warn!(client_id = %attached.handle.client_id, "a session was not durable in time: its client is sent away");
    let ending = Ending {
        will: WillFate::Dropped,
        had_will,
        session_expiry,
    };
    broker.detach(&attached.handle, ending).await;
    Err(Reason::SERVER_UNAVAILABLE)
}

/// The client id, made up where the client left it to the server.
fn client_id(connect: &Connect) -> Result<String, Reason> {
    if connect.client_id.len() > MAX_CLIENT_ID_BYTES {
        return Err(Reason::CLIENT_ID_NOT_VALID);
    }
    if !connect.client_id.is_empty() {
        return Ok(connect.client_id.clone());
    }
    if connect.version == Version::V3 && !connect.clean_start {
        return Err(Reason::CLIENT_ID_NOT_VALID);
    }
    Ok(format!("auto-{}", uuid::Uuid::new_v4().simple()))
}

/// Seconds of a session expiry as DISCONNECT may set it anew.
pub(super) fn renewed_expiry(established: u32, asked: Option<u32>, most: u32) -> u32 {
    match asked {
        None => established,
        Some(FOR_EVER) => most,
        Some(seconds) => seconds.min(most),
    }
}

trait InspectNone {
    fn inspect_none(self, note: impl FnOnce()) -> Self;
}

impl<T> InspectNone for Option<T> {
    fn inspect_none(self, note: impl FnOnce()) -> Self {
        if self.is_none() {
            note();
        }
        self
    }
}
