//! Which samples go to which model.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tellee_actors::domain::model::Definition;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_projections::telemetry::{MessageBatch, Record};

use crate::grid::Reading;
use crate::runner::RunnerHandle;

/// A sample that is older at its receipt is back-filled: it fills history and is not scored.
const MAX_LATENESS: Duration = Duration::from_secs(120);
/// A sample from further ahead comes from a wrong clock: it would make everything after it late.
const MAX_AHEAD: Duration = Duration::from_secs(60);

struct Route {
    subtopic: String,
    series: String,
    signal: usize,
    runner: RunnerHandle,
}

type Table = HashMap<(ThingId, ChannelId), Vec<Route>>;

/// Read without a lock on each message, replaced as a whole when the models change.
#[derive(Default)]
pub struct Routes {
    table: ArcSwap<Table>,
    out_of_time: AtomicU64,
}

impl Routes {
    pub fn set(&self, models: &[(Arc<Definition>, RunnerHandle)]) {
        let mut table = Table::new();
        for (definition, runner) in models {
            for (index, signal) in definition.signals.iter().enumerate() {
                table
                    .entry((definition.thing, signal.channel))
                    .or_default()
                    .push(Route {
                        subtopic: signal.subtopic.clone(),
                        series: signal.series.clone(),
                        signal: index,
                        runner: runner.clone(),
                    });
            }
        }
        self.table.store(Arc::new(table));
    }

    /// Whether any model looks at samples of `thing` in `channel`.
    pub fn watch(&self, thing: ThingId, channel: ChannelId) -> bool {
        self.table.load().contains_key(&(thing, channel))
    }

    pub fn published(&self, batch: &MessageBatch) {
        let table = self.table.load();
        let Some(routes) = table.get(&(batch.thing, batch.channel)) else {
            return;
        };
        if batch.historical {
            return;
        }
        for record in &batch.records {
            let matching = routes.iter().filter(|route| {
                route.series == record.name && route.subtopic.as_str() == batch.subtopic.as_ref()
            });
            for route in matching {
                if !is_timely(batch, record) {
                    self.out_of_time.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let value = if record.quality.is_good() {
                    record.value.as_number()
                } else {
                    None
                };
                route.runner.push((
                    route.signal,
                    Reading {
                        time: record.time,
                        seq: record.seq,
                        value,
                    },
                ));
            }
        }
    }

    pub fn out_of_time(&self) -> u64 {
        self.out_of_time.load(Ordering::Relaxed)
    }
}

fn is_timely(batch: &MessageBatch, record: &Record) -> bool {
    batch.received_at.since(record.time) <= MAX_LATENESS
        && record.time.since(batch.received_at) <= MAX_AHEAD
}
