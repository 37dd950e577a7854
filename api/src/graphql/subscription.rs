//! Subscriptions: telemetry, conflated to what a screen can show, and alarm changes, never conflated.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, Enum, ID, Result, SimpleObject, Subscription as GraphQLSubscription};
use futures_util::{Stream, StreamExt as _, stream};
use tellee_actors::ids::{ChannelId, Position, ThingId};
use tellee_actors::time::Timestamp;
use tellee_projections::alarms::AlarmFeed;
use tellee_projections::live::{LiveFilter, LiveSubscription};
use tellee_projections::telemetry::{MessageBatch, Quality, SeriesId};
use tokio::time::{Instant, MissedTickBehavior};

use super::alarm::{Alarm, AlarmJournalEntry, position};
use super::context::{caller, platform};
use super::scalars::milliseconds;
use super::series::series_id;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Platform;

/// Series of one telemetry subscription, at most.
const SERIES_LIMIT: usize = 500;
const MAX_HZ: std::ops::RangeInclusive<f64> = 0.1..=10.0;
/// Batches that wait for one socket. When more come between two frames, the newest sample of each series is read from
/// the store instead, so that nothing newer is missed.
const QUEUE: usize = 1_024;
/// How often an open subscription looks whether its user may still see it, when nothing else happens.
const RECHECK: Duration = Duration::from_secs(1);

pub struct Subscription;

/// What changed since the last frame. Columns of one length: index into the subscription's `series`, milliseconds since
/// 1970, number, quality.
#[derive(Debug, Clone, Default, SimpleObject)]
pub struct TelemetryFrame {
    pub i: Vec<i32>,
    pub t: Vec<f64>,
    pub v: Vec<Option<f64>>,
    pub q: Vec<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AlarmChangeKind {
    Snapshot,
    Change,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmChangeEvent {
    /// Resume with it.
    pub cursor: String,
    /// SNAPSHOT carries `alarms`; CHANGE carries `change` and the alarm right after it.
    pub kind: AlarmChangeKind,
    pub alarms: Option<Vec<Alarm>>,
    pub change: Option<AlarmJournalEntry>,
    pub alarm: Option<Alarm>,
}

impl From<AlarmFeed> for AlarmChangeEvent {
    fn from(feed: AlarmFeed) -> Self {
        match feed {
            AlarmFeed::Snapshot { alarms, cursor } => Self {
                cursor: cursor.to_string(),
                kind: AlarmChangeKind::Snapshot,
                alarms: Some(alarms.into_iter().map(Alarm::from).collect()),
                change: None,
                alarm: None,
            },
            AlarmFeed::Change(change) => Self {
                cursor: change.entry.position.to_string(),
                kind: AlarmChangeKind::Change,
                alarms: None,
                change: Some(change.entry.clone().into()),
                alarm: Some(change.alarm.clone().into()),
            },
        }
    }
}

#[GraphQLSubscription]
impl Subscription {
    /// One frame per tick with what changed since the last, at most maxHz (0.1 to 10) a second: the newest sample by
    /// source time of each series. The first frame holds the newest sample of each series. At most 500 series.
    async fn telemetry(
        &self,
        ctx: &Context<'_>,
        series: Vec<ID>,
        #[graphql(default = 4.0)] max_hz: f64,
    ) -> Result<impl Stream<Item = Result<TelemetryFrame>> + use<>> {
        let (platform, caller) = (Arc::clone(platform(ctx)?), *caller(ctx)?);
        if series.is_empty() || series.len() > SERIES_LIMIT {
            let reason = format!("must name between 1 and {SERIES_LIMIT} series");
            return Err(ApiError::invalid("series", reason).into());
        }
        if !MAX_HZ.contains(&max_hz) {
            return Err(ApiError::invalid("maxHz", "must lie between 0.1 and 10").into());
        }
        let feed = TelemetryFeed::open(platform, caller, &series, max_hz).await?;
        Ok(stream::unfold(Some(feed), |feed| async move {
            let mut feed = feed?;
            match feed.next().await {
                Ok(frame) => Some((Ok(frame), Some(feed))),
                Err(error) => Some((Err(error.into()), None)),
            }
        }))
    }

    /// Never conflated. Without `after`: first the present alarms as one snapshot, then each change. With the cursor of
    /// the last event seen: each change since, or, where the cursor is not of this store, a new snapshot.
    async fn alarm_changes(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<AlarmChangeEvent>> + use<>> {
        let (platform, caller) = (Arc::clone(platform(ctx)?), *caller(ctx)?);
        let after: Option<Position> = position(after.as_deref())?;
        let feed = platform
            .projections
            .alarms()
            .changes(caller.organisation, after);
        let state = Some((Box::pin(feed), platform, caller));
        Ok(stream::unfold(state, |state| async move {
            let (mut feed, platform, caller) = state?;
            loop {
                let next = tokio::time::timeout(RECHECK, feed.next()).await;
                // Before anything is shown, and while nothing happens: may this user still see it?
                if let Err(error) = platform.still(&caller) {
                    return Some((Err(error.into()), None));
                }
                match next {
                    Err(_) => {}
                    Ok(None) => return None,
                    Ok(Some(event)) => {
                        let event = AlarmChangeEvent::from(event);
                        return Some((Ok(event), Some((feed, platform, caller))));
                    }
                }
            }
        }))
    }
}

/// The newest sample of a series that was not sent yet.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    time: Timestamp,
    seq: u32,
    value: Option<f64>,
    quality: Quality,
}

/// Where the series of one publisher in one channel stand in the subscription, by subtopic and name. A series that was
/// asked for twice stands in two places.
type Places = HashMap<String, HashMap<String, Vec<usize>>>;

struct TelemetryFeed {
    platform: Arc<Platform>,
    caller: Caller,
    ids: Vec<SeriesId>,
    places: HashMap<(ChannelId, ThingId), Places>,
    newest: Vec<Option<(Timestamp, u32)>>,
    fresh: HashMap<usize, Fresh>,
    live: LiveSubscription,
    lost: u64,
    ticks: tokio::time::Interval,
    first: bool,
}

impl TelemetryFeed {
    async fn open(
        platform: Arc<Platform>,
        caller: Caller,
        series: &[ID],
        max_hz: f64,
    ) -> Result<Self, ApiError> {
        let mut ids = Vec::with_capacity(series.len());
        let mut places: HashMap<(ChannelId, ThingId), Places> = HashMap::new();
        let mut channels: Vec<ChannelId> = Vec::new();
        for (place, id) in series.iter().enumerate() {
            let missing =
                || ApiError::invalid("series", format!("there is no series `{}`", id.as_str()));
            let id = series_id(id).ok_or_else(missing)?;
            let info = platform
                .telemetry
                .series_by_id(id)
                .await?
                .ok_or_else(missing)?;
            let owner = platform
                .projections
                .access()
                .channel_organisation(info.key.channel);
            if owner != Some(caller.organisation) {
                return Err(missing());
            }
            if !channels.contains(&info.key.channel) {
                channels.push(info.key.channel);
            }
            ids.push(id);
            let source = places
                .entry((info.key.channel, info.key.thing))
                .or_default();
            source
                .entry(info.key.subtopic)
                .or_default()
                .entry(info.key.name)
                .or_default()
                .push(place);
        }
        // Subscribed before the newest samples are read, so that none between the two is missed.
        let live = platform
            .live
            .subscribe(LiveFilter::Channels(channels), QUEUE);
        let mut ticks =
            tokio::time::interval_at(Instant::now(), Duration::from_secs_f64(1.0 / max_hz));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let newest = vec![None; ids.len()];
        Ok(Self {
            platform,
            caller,
            ids,
            places,
            newest,
            fresh: HashMap::new(),
            live,
            lost: 0,
            ticks,
            first: true,
        })
    }

    /// The next frame that is not empty; the first one may be.
    async fn next(&mut self) -> Result<TelemetryFrame, ApiError> {
        loop {
            self.ticks.tick().await;
            self.platform.still(&self.caller)?;
            while let Some(batch) = self.live.try_next() {
                self.take(&batch);
            }
            let lost = self.live.dropped();
            if self.first || lost != self.lost {
                self.lost = lost;
                self.read_newest().await?;
            }
            if self.first || !self.fresh.is_empty() {
                self.first = false;
                return Ok(self.frame());
            }
        }
    }

    fn take(&mut self, batch: &MessageBatch) {
        // It only fills history.
        if batch.historical {
            return;
        }
        let of_source = self.places.get(&(batch.channel, batch.thing));
        let Some(places) = of_source.and_then(|places| places.get(batch.subtopic.as_ref())) else {
            return;
        };
        for record in &batch.records {
            let fresh = Fresh {
                time: record.time,
                seq: record.seq,
                value: record.value.as_number(),
                quality: record.quality,
            };
            for place in places.get(&record.name).into_iter().flatten() {
                offer(&mut self.newest, &mut self.fresh, *place, fresh);
            }
        }
    }

    async fn read_newest(&mut self) -> Result<(), ApiError> {
        let samples = self.platform.telemetry.latest(&self.ids).await?;
        for (place, sample) in samples.into_iter().enumerate() {
            let Some(sample) = sample else { continue };
            let fresh = Fresh {
                time: sample.time,
                seq: sample.seq,
                value: sample.value.as_number(),
                quality: sample.quality,
            };
            offer(&mut self.newest, &mut self.fresh, place, fresh);
        }
        Ok(())
    }

    fn frame(&mut self) -> TelemetryFrame {
        let mut frame = TelemetryFrame::default();
        for (place, fresh) in self.fresh.drain() {
            frame.i.push(i32::try_from(place).unwrap_or(i32::MAX));
            frame.t.push(milliseconds(fresh.time));
            frame.v.push(fresh.value);
            frame.q.push(i32::from(fresh.quality.0));
        }
        frame
    }
}

/// Back-filled samples never replace newer ones.
fn offer(
    newest: &mut [Option<(Timestamp, u32)>],
    waiting: &mut HashMap<usize, Fresh>,
    place: usize,
    fresh: Fresh,
) {
    let Some(known) = newest.get_mut(place) else {
        return;
    };
    let identity = (fresh.time, fresh.seq);
    if known.is_some_and(|newest| identity <= newest) {
        return;
    }
    *known = Some(identity);
    waiting.insert(place, fresh);
}
