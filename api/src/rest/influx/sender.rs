//! Who writes where. Found once for many bodies: clients send the same query and header again and again.

use axum::http::{HeaderMap, Uri, header};
use hashbrown::HashMap;
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_projections::access::ThingAccess;

use super::channel::channel_of;
use super::credential::{Verified, credential};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::identity::Action;
use crate::ingest::Publisher;
use crate::line_protocol::Precision;
use crate::rest::Rest;
use crate::rest::paging::Query;

/// Where the samples of a body go.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    pub publisher: Publisher,
    pub channel: ChannelId,
    pub precision: Precision,
}

/// Senders remembered at most; beyond it all are forgotten and found anew.
const REMEMBERED: usize = 4_096;

/// Senders that were found, by the digest of query and header: no secret is kept.
#[derive(Debug, Default)]
pub struct Senders {
    found: RwLock<HashMap<[u8; 32], Found>>,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    sender: Sender,
    /// Of the access snapshot. At any other one the answer may differ.
    epoch: u64,
}

impl Senders {
    /// Who sends a request with these headers to this address.
    pub async fn sender(
        &self,
        rest: &Rest,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Sender, ApiError> {
        let digest = digest(headers, uri);
        // Read before the answer is found: a change in between makes the entry stale, never wrong.
        let epoch = rest.platform.projections.access().epoch();
        let known = self.found.read().get(&digest).copied();
        if let Some(known) = known.filter(|known| known.epoch == epoch) {
            return Ok(known.sender);
        }
        let (sender, lasting) = find(rest, headers, uri).await?;
        if lasting {
            let mut found = self.found.write();
            if found.len() >= REMEMBERED {
                found.clear();
            }
            found.insert(digest, Found { sender, epoch });
        }
        Ok(sender)
    }
}

fn digest(headers: &HeaderMap, uri: &Uri) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(uri.query().unwrap_or_default());
    // No query holds a line feed, so the two cannot run into each other.
    digest.update(b"\n");
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        digest.update(b"+");
        digest.update(value.as_bytes());
    }
    digest.finalize().into()
}

/// The sender, and whether it stays so as long as access does: a token expires, and a name may be given to another channel.
async fn find(rest: &Rest, headers: &HeaderMap, uri: &Uri) -> Result<(Sender, bool), ApiError> {
    let query = Query::of(uri);
    let shown = credential(headers, &query)?;
    let verified = shown.verify(rest)?;
    let is_thing = matches!(verified, Verified::Thing(_));
    let thing = match verified {
        Verified::Thing(thing) => thing,
        Verified::User(caller) => on_behalf(rest, &caller, &query, shown.name.as_deref())?,
    };
    let target = query.text("db").or_else(|| query.text("bucket"));
    let target =
        target.ok_or_else(|| ApiError::invalid("db", "(or `bucket`) must name a channel"))?;
    let precision: Precision = query
        .get("precision")
        .unwrap_or_default()
        .parse()
        .map_err(|error| ApiError::invalid("precision", error))?;
    let channel = channel_of(rest, thing, &target).await?;
    let by_id = target.contains(&channel.to_string());
    let sender = Sender {
        publisher: Publisher {
            thing: thing.thing,
            organisation: thing.organisation,
        },
        channel,
        precision,
    };
    Ok((sender, is_thing && by_id))
}

/// The thing that a user writes for: named by `thing`, else by the name beside the token, else by `org`.
fn on_behalf(
    rest: &Rest,
    caller: &Caller,
    query: &Query,
    name: Option<&str>,
) -> Result<ThingAccess, ApiError> {
    caller.require(Action::Publish)?;
    let named = query
        .text("thing")
        .or_else(|| name.map(str::to_owned))
        .or_else(|| query.text("org"));
    let Some(named) = named else {
        let reason = "must name the thing that the user writes for, or the user name or `org` must";
        return Err(ApiError::invalid("thing", reason));
    };
    let thing: Option<ThingId> = named.parse().ok();
    let access = rest.platform.projections.access();
    thing
        .and_then(|thing| access.thing(thing))
        .filter(|thing| thing.organisation == caller.organisation)
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::Forbidden,
                "there is no such thing of yours to write for",
            )
        })
}
