//! One connection on a ring: requests one after the other, as long as they are plain publishes.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::Arrival;
use super::answer;
use super::head::{Head, Reading};
use super::lane::Lane;
use super::seats::Taken;
use super::wakes::Bell;
use super::wire::Wire;
use crate::error::ApiError;
use crate::http::connection::{Connection, HEAD_TIMEOUT};
use crate::http::doors::{Outcome, Shortcut, close_if_refused};
use crate::http::silent::Place;
use crate::http::socket::Guards;
use crate::rest::{ended_early, in_body_time};

/// How long a client may take to read an answer.
const SEND_SECONDS: u64 = 30;

/// What the next request is.
enum Next {
    Publish,
    Other,
    /// The client has gone, or has to.
    None,
}

pub async fn serve(lane: Rc<Lane>, arrival: Arrival) {
    let Arrival {
        connection,
        stream,
        guards,
        place,
        ..
    } = arrival;
    let wire = match Wire::new(stream) {
        Ok(wire) => wire,
        Err(error) => return tracing::debug!(%error, "a connection ended early"),
    };
    let leave = place.leave();
    let session = Session {
        seat: lane.seats.take(leave.clone()),
        bell: lane.wakes.bell(),
        lane,
        wire,
        known: None,
    };
    session.run(connection, &leave, guards, place).await;
}

struct Session {
    lane: Rc<Lane>,
    seat: Taken,
    bell: Arc<Bell>,
    wire: Wire,
    /// The last head and the way of its request.
    known: Option<(Box<Head>, Shortcut)>,
}

impl Session {
    async fn run(
        mut self,
        connection: Connection,
        leave: &CancellationToken,
        guards: Guards,
        place: Place,
    ) {
        // One wait for all requests: to begin one takes a lock.
        let mut left = pin!(leave.cancelled());
        loop {
            match self.next(&connection, left.as_mut()).await {
                Next::Publish => {}
                Next::Other => return self.give_back(connection, guards, place),
                Next::None => return,
            }
            let goes_on = self.publish().await;
            if !self.send(&connection, left.as_mut()).await {
                return;
            }
            if !goes_on {
                // Whether it can still be said matters to nobody.
                let _ = self.wire.end();
                return;
            }
        }
    }

    /// Waits for the head of a request, which `known` then holds.
    async fn next(
        &mut self,
        connection: &Connection,
        mut left: Pin<&mut WaitForCancellationFuture<'_>>,
    ) -> Next {
        self.seat.wait(HEAD_TIMEOUT.as_secs());
        loop {
            if let Some(next) = self.look(connection) {
                self.seat.came();
                return next;
            }
            let read = pin!(self.wire.read_more(0));
            match select(read, left.as_mut()).await {
                Either::Left((Ok(true), _)) => {}
                Either::Left((Ok(false) | Err(_), _)) | Either::Right(_) => return Next::None,
            }
        }
    }

    /// What was read of the next request says what it is; `None` if not yet.
    fn look(&mut self, connection: &Connection) -> Option<Next> {
        let unread = self.wire.unread();
        if unread.is_empty() {
            return None;
        }
        if self
            .known
            .as_ref()
            .is_some_and(|(head, _)| head.begins(unread))
        {
            return Some(Next::Publish);
        }
        let head = match Head::read(unread) {
            Reading::Whole(head) => head,
            Reading::Part => return None,
            Reading::Other => return Some(Next::Other),
        };
        let Some(shortcut) = connection.doors.shortcut(&head.request) else {
            return Some(Next::Other);
        };
        self.known = Some((head, shortcut));
        Some(Next::Publish)
    }

    /// Takes the request, and writes the answer. Answers whether the connection goes on after it.
    async fn publish(&mut self) -> bool {
        let Self {
            lane, bell, wire, ..
        } = self;
        let Some((head, shortcut)) = &self.known else {
            return false;
        };
        let outcome = {
            let taking = pin!(shortcut.take(&head.request, body(wire, head)));
            bell.wait_for(taking).await
        };
        match outcome {
            Outcome::Kept(status) => {
                wire.take(head.request_bytes());
                lane.answers.borrow_mut().kept(status, wire.answer());
                true
            }
            Outcome::Refused(mut response) => {
                if head.body > 0 {
                    close_if_refused(&mut response);
                }
                let whole = wire.unread().len() >= head.request_bytes();
                wire.take(head.request_bytes());
                let Some(response) = answer::whole(response).await else {
                    return false;
                };
                lane.answers.borrow().other(&response, wire.answer());
                whole && !answer::closes(&response)
            }
        }
    }

    /// False: the client does not read.
    async fn send(
        &mut self,
        connection: &Connection,
        left: Pin<&mut WaitForCancellationFuture<'_>>,
    ) -> bool {
        self.seat.wait(SEND_SECONDS);
        let send = pin!(self.wire.send());
        let sent = match select(send, left).await {
            Either::Left((sent, _)) => sent,
            // Whoever stops waits for those that are being answered.
            Either::Right(((), send)) if connection.stop.is_cancelled() => send.await,
            Either::Right(_) => return false,
        };
        self.seat.came();
        sent.is_ok()
    }

    fn give_back(self, connection: Connection, guards: Guards, place: Place) {
        let Self { lane, wire, .. } = self;
        let (stream, unread) = match wire.into_parts() {
            Ok(parts) => parts,
            Err(error) => return tracing::debug!(%error, "a connection ended early"),
        };
        let back = Arrival {
            connection,
            stream,
            guards,
            place,
            unread,
        };
        lane.tokio.spawn(back.serve_here());
    }
}

/// The body of the request that `head` begins, where it lies.
async fn body<'a>(wire: &'a mut Wire, head: &Head) -> Result<&'a [u8], ApiError> {
    let whole = head.request_bytes();
    if wire.unread().len() < whole {
        let read = in_body_time(wire.read_to(whole)).await?;
        if !read.unwrap_or(false) {
            return Err(ended_early());
        }
    }
    wire.unread().get(head.body_range()).ok_or_else(ended_early)
}
