//! One worker: evaluates the samples of its part of the things.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hashbrown::HashMap;
use tellee_actors::domain::alarm_watch::{Evidence, Outcome, Standing};
use tellee_actors::ids::{AlarmId, AlarmRuleId, ThingId};
use tellee_actors::store::StoreError;
use tellee_actors::time::Timestamp;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::intake::{Intake, Work};
use super::rules::Rule;
use super::series::{Look, Series, SeriesRef, Versions, Watched, alarm_of};
use super::{Shared, stopped};
use crate::telemetry::{MessageBatch, Sample, SeriesFilter, SeriesKey, TelemetryError, TimeRange};

/// Pause before a read that failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Samples read at once when catching up.
const PAGE: usize = 4_096;
/// Alarms whose end is remembered until their rule watches again.
const ENDED_LIMIT: usize = 10_000;

pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub index: usize,
    pub intake: Arc<Intake>,
    pub series: HashMap<SeriesKey, Series>,
    /// Series that never came, by rule and thing.
    pub placeholders: HashMap<(AlarmRuleId, ThingId), SeriesKey>,
    /// The rules as of the last reconciliation that succeeded.
    pub known: BTreeMap<AlarmRuleId, Arc<Rule>>,
    /// Alarms that this worker ended, and how it left them: the read model may be a moment behind.
    pub ended: HashMap<AlarmId, Standing>,
    /// The access epoch at the last look at what became of things.
    pub things_as_of: u64,
    pub rules_pending: bool,
    /// Whether a reconciliation has succeeded since the start.
    pub started: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, index: usize, intake: Arc<Intake>) -> Self {
        Self {
            shared,
            index,
            intake,
            series: HashMap::new(),
            placeholders: HashMap::new(),
            known: BTreeMap::new(),
            ended: HashMap::new(),
            things_as_of: 0,
            rules_pending: true,
            started: false,
        }
    }

    pub(super) fn is_mine(&self, thing: ThingId) -> bool {
        self.shared.worker_of(thing) == self.index
    }

    /// Works until told to stop, then works off what is queued.
    pub(super) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut rules = self.shared.rules.changed();
        let mut ticks = tokio::time::interval(self.shared.config.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let intake = Arc::clone(&self.intake);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => break,
                _ = rules.changed() => {
                    self.rules_pending = true;
                    self.reconcile_or_wait().await;
                }
                _ = ticks.tick() => {
                    self.reconcile_or_wait().await;
                    self.tick().await;
                }
                work = intake.next() => self.work(work).await,
            }
        }
        while let Some(work) = intake.try_next() {
            self.work(work).await;
        }
    }

    /// Does what is queued at this moment.
    pub(super) async fn work_off(&mut self) {
        for _ in 0..self.intake.len() {
            let Some(work) = self.intake.try_next() else {
                return;
            };
            self.work(work).await;
        }
    }

    async fn work(&mut self, work: Work) {
        match work {
            Work::Batch(batch) => self.batch(&batch).await,
            Work::CatchUp { thing, from } => {
                while let Err(error) = self.catch_up(thing, from).await {
                    if self.is_over(&error) {
                        return;
                    }
                    tracing::warn!(%error, %thing, "the alarm watch cannot read what it passed over; it tries again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether trying again is of no use.
    fn is_over(&self, error: &WorkError) -> bool {
        let closed = matches!(
            error,
            WorkError::Store(StoreError::Closed) | WorkError::Telemetry(TelemetryError::Closed)
        );
        closed || *self.shared.stop.borrow()
    }

    async fn batch(&mut self, batch: &MessageBatch) {
        let rules = self.shared.rules.present();
        for record in &batch.records {
            if rules.named(&record.name).is_empty() {
                continue;
            }
            let key = SeriesRef {
                channel: batch.channel,
                thing: batch.thing,
                subtopic: &batch.subtopic,
                name: &record.name,
            };
            let evidence = Evidence {
                time: record.time,
                received_at: batch.received_at,
                value: record.value.as_number(),
                good: record.quality.is_good(),
                historical: batch.historical,
            };
            self.evaluate(key, Look::New, evidence, &record.unit).await;
        }
    }

    async fn evaluate(&mut self, key: SeriesRef<'_>, look: Look, evidence: Evidence, unit: &str) {
        let versions = self.shared.versions();
        let present = self
            .series
            .get(&key)
            .is_some_and(|series| series.versions == versions && !series.placeholder);
        if !present {
            self.sync(key.to_key(), true).await;
        }
        let Some(series) = self.series.get_mut(&key) else {
            return;
        };
        if series.watched.is_empty() {
            return;
        }
        self.shared
            .counters
            .evaluated
            .fetch_add(1, Ordering::Relaxed);
        if !unit.is_empty() && series.unit != unit {
            unit.clone_into(&mut series.unit);
        }
        let mut found = Vec::new();
        for (index, watched) in series.watched.iter_mut().enumerate() {
            found.extend(
                watched
                    .sample(look, evidence)
                    .into_iter()
                    .map(|outcome| (index, outcome)),
            );
        }
        for (index, outcome) in found {
            let Some(series) = self.series.get(&key) else {
                return;
            };
            self.send(&series.watched[index], &series.unit, outcome)
                .await;
        }
    }

    /// Makes the evaluators of a series those of the rules that watch it now. `came`: it is no placeholder (any more).
    pub(super) async fn sync(&mut self, key: SeriesKey, came: bool) {
        let versions = self.shared.versions();
        let rules = self.shared.rules.present();
        let mut wanted: Vec<Arc<Rule>> =
            rules.watching(&key, &self.shared.access).cloned().collect();
        let mut series = self.series.remove(&key).unwrap_or_default();
        let mut kept = Vec::with_capacity(wanted.len());
        for mut watched in std::mem::take(&mut series.watched) {
            match wanted.iter().position(|rule| rule.id == watched.rule.id) {
                None => self.end(&mut watched, &series.unit).await,
                Some(place) => {
                    let rule = wanted.swap_remove(place);
                    if !Arc::ptr_eq(&rule, &watched.rule) {
                        watched = self.begin(rule, &key, watched.standing, &series.unit).await;
                    }
                    kept.push(watched);
                }
            }
        }
        for rule in wanted {
            let Some(standing) = self.standing(alarm_of(&rule, &key)).await else {
                // Stopping: the series stays as it was before, unwatched.
                return;
            };
            kept.push(self.begin(rule, &key, standing, &series.unit).await);
        }
        series.watched = kept;
        series.versions = versions;
        if came {
            series.placeholder = false;
            for watched in &series.watched {
                let place = (watched.rule.id, key.thing);
                if let Some(placeholder) = self.placeholders.remove(&place)
                    && placeholder != key
                {
                    self.end_placeholder(&placeholder, watched.rule.id).await;
                }
            }
        }
        self.series.insert(key, series);
    }

    /// A new evaluator from `standing`. What the rule, as it is now, does not say any more ends at once.
    async fn begin(
        &self,
        rule: Arc<Rule>,
        key: &SeriesKey,
        standing: Standing,
        unit: &str,
    ) -> Watched {
        let mut watched = Watched::new(rule, key, standing, self.shared.config.lateness);
        if standing.abnormal.is_some() {
            for outcome in watched.tick(self.shared.clock.now()) {
                self.send(&watched, unit, outcome).await;
            }
        }
        watched
    }

    async fn end(&mut self, watched: &mut Watched, unit: &str) {
        if let Some(outcome) = watched.end(self.shared.clock.now()) {
            self.send(watched, unit, outcome).await;
        }
        if self.ended.len() >= ENDED_LIMIT {
            self.ended.clear();
        }
        self.ended.insert(watched.alarm, watched.standing);
    }

    async fn end_placeholder(&mut self, key: &SeriesKey, rule: AlarmRuleId) {
        let Some(mut series) = self.series.remove(key) else {
            return;
        };
        for mut watched in std::mem::take(&mut series.watched) {
            if watched.rule.id == rule {
                self.end(&mut watched, &series.unit).await;
            } else {
                series.watched.push(watched);
            }
        }
        if !series.watched.is_empty() {
            self.series.insert(key.clone(), series);
        }
    }

    /// How `alarm` stands, from the read model; `None` only when stopping.
    async fn standing(&mut self, alarm: AlarmId) -> Option<Standing> {
        if let Some(standing) = self.ended.remove(&alarm) {
            return Some(standing);
        }
        loop {
            let error = match self.shared.alarms.present(alarm).await {
                Ok(row) => {
                    return Some(row.map(|row| Standing::of(&row.state)).unwrap_or_default());
                }
                Err(error) => WorkError::Store(error),
            };
            if self.is_over(&error) {
                return None;
            }
            tracing::warn!(%error, %alarm, "the alarm watch cannot read an alarm; it tries again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn tick(&mut self) {
        let now = self.shared.clock.now();
        let mut found = Vec::new();
        for (key, series) in &mut self.series {
            for (index, watched) in series.watched.iter_mut().enumerate() {
                if watched.rule.definition.deadman.is_some() {
                    found.extend(
                        watched
                            .tick(now)
                            .into_iter()
                            .map(|outcome| (key.clone(), index, outcome)),
                    );
                }
            }
        }
        for (key, index, outcome) in found {
            if let Some(series) = self.series.get(&key) {
                self.send(&series.watched[index], &series.unit, outcome)
                    .await;
            }
        }
    }

    pub(super) async fn send(&self, watched: &Watched, unit: &str, outcome: Outcome) {
        let unit = match outcome {
            Outcome::Activate { .. } if unit.is_empty() => self.unit_of(watched).await,
            _ => unit.to_owned(),
        };
        let command = outcome.into_command(&watched.rule.definition, watched.source.clone(), &unit);
        self.shared
            .outbox
            .send(
                watched.alarm,
                watched.rule.organisation,
                Some(watched.rule.revision),
                command,
            )
            .await;
    }

    /// The unit that an engineer gave the series: on the thing, or else on its device type.
    async fn unit_of(&self, watched: &Watched) -> String {
        let organisation = watched.rule.organisation;
        let source = &watched.source;
        let registry = &self.shared.registry;
        let Ok(Some(thing)) = registry.thing(organisation, source.thing).await else {
            return String::new();
        };
        let mut tags = thing.tags;
        if let Some(device_type) = thing.device_type
            && let Ok(Some(device_type)) = registry.device_type(organisation, device_type).await
        {
            tags.extend(device_type.tags);
        }
        tags.into_iter()
            .find(|tag| tag.series == source.series)
            .map(|tag| tag.unit)
            .unwrap_or_default()
    }

    /// Reads what the queue passed over from the store and evaluates it in order.
    async fn catch_up(&mut self, thing: ThingId, from: Timestamp) -> Result<(), WorkError> {
        let filter = SeriesFilter {
            thing: Some(thing),
            ..SeriesFilter::default()
        };
        let mut offset = 0;
        loop {
            let (found, _) = self.shared.telemetry.series(&filter, offset, PAGE).await?;
            offset += found.len();
            let last_page = found.len() < PAGE;
            let rules = self.shared.rules.present();
            for info in found {
                if !rules.named(&info.key.name).is_empty() {
                    self.catch_up_series(&info.key, info.id, &info.unit, from)
                        .await?;
                }
            }
            if last_page {
                return Ok(());
            }
        }
    }

    async fn catch_up_series(
        &mut self,
        key: &SeriesKey,
        id: crate::telemetry::SeriesId,
        unit: &str,
        mut from: Timestamp,
    ) -> Result<(), WorkError> {
        loop {
            let range = TimeRange {
                from,
                to: Timestamp::MAX,
            };
            let samples = self.shared.telemetry.range(id, range, PAGE).await?;
            for sample in &samples {
                self.stored_sample(key, sample, unit, Look::New).await;
            }
            self.shared
                .counters
                .caught_up
                .fetch_add(samples.len() as u64, Ordering::Relaxed);
            match samples.last() {
                // Samples of one time beyond a page would never be passed; one nanosecond further is past them.
                Some(last) if samples.len() == PAGE => {
                    from = if last.time == from {
                        Timestamp(from.0.saturating_add(1))
                    } else {
                        last.time
                    };
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) async fn stored_sample(
        &mut self,
        key: &SeriesKey,
        sample: &Sample,
        unit: &str,
        look: Look,
    ) {
        let reference = SeriesRef {
            channel: key.channel,
            thing: key.thing,
            subtopic: &key.subtopic,
            name: &key.name,
        };
        let evidence = Evidence {
            time: sample.time,
            received_at: sample.received_at,
            value: sample.value.as_number(),
            good: sample.quality.is_good(),
            historical: !sample.quality.is_live(),
        };
        self.evaluate(reference, look, evidence, unit).await;
    }
}

impl Shared {
    pub(super) fn versions(&self) -> Versions {
        Versions {
            rules: self.rules.present().version(),
            access: self.access.epoch(),
        }
    }
}
