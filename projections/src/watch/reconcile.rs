//! After a start and after each change of a rule: series, evaluators and alarms are brought into line with the rules.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use tellee_actors::domain::alarm;
use tellee_actors::domain::alarm_watch::{Outcome, Standing};
use tellee_actors::ids::{AlarmRuleId, ThingId};

use super::rules::{Rule, Rules};
use super::series::{Look, Series, SeriesRef, end_of};
use super::worker::{WorkError, Worker};
use crate::alarms::AlarmRow;
use crate::telemetry::{SeriesFilter, SeriesKey};

const PAGE: usize = 1_000;

impl Worker {
    /// Does what is pending; what fails stays pending until the next tick.
    pub(super) async fn reconcile_or_wait(&mut self) {
        if self.rules_pending {
            match self.reconcile().await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the alarm watch cannot follow its rules yet; it tries again")
                }
            }
        }
        let epoch = self.shared.access.epoch();
        if self.things_as_of != epoch {
            self.things_as_of = epoch;
            let rules = self.shared.rules.present();
            self.follow_things(&rules).await;
            self.watch_what_never_came(&rules).await;
        }
    }

    async fn reconcile(&mut self) -> Result<(), WorkError> {
        let rules = self.shared.rules.present();
        let mut changed = self.changed(&rules);
        if !self.started {
            // Rules that went while nobody watched.
            let standing = self.shared.alarms.standing_rules().await?;
            changed.extend(standing.into_iter().filter(|id| rules.get(*id).is_none()));
        }
        self.sync_series_of(&changed, &rules).await;
        for rule in changed.iter().filter_map(|id| rules.get(*id)) {
            if rule.definition.enabled {
                self.adopt_stored(rule).await?;
            }
        }
        self.watch_what_never_came(&rules).await;
        for id in &changed {
            self.end_what_nobody_watches(*id).await?;
        }
        self.started = true;
        self.known = rules
            .iter()
            .map(|rule| (rule.id, Arc::clone(rule)))
            .collect();
        self.rules_pending = self.shared.rules.present().version() != rules.version();
        Ok(())
    }

    /// Things and channels that were removed, and things that became of another type, leave the rules that watched them or come under others.
    async fn follow_things(&mut self, rules: &Rules) {
        let access = &self.shared.access;
        let is_right = |(key, series): &(&SeriesKey, &Series)| {
            let watching = rules.watching(key, access).count();
            let still = series
                .watched
                .iter()
                .filter(|watched| watched.rule.watches(key, access))
                .count();
            watching == still && still == series.watched.len()
        };
        let wrong = self.series.iter().filter(|entry| !is_right(entry));
        let keys: Vec<SeriesKey> = wrong.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.sync(key, false).await;
        }
        let access = &self.shared.access;
        self.series
            .retain(|key, series| !series.watched.is_empty() || access.thing(key.thing).is_some());
        self.placeholders
            .retain(|(_, thing), _| access.thing(*thing).is_some());
    }

    fn changed(&self, rules: &Rules) -> Vec<AlarmRuleId> {
        let gone = self
            .known
            .keys()
            .filter(|id| rules.get(**id).is_none())
            .copied();
        let new = rules
            .iter()
            .filter(|rule| {
                self.known
                    .get(&rule.id)
                    .is_none_or(|known| !Arc::ptr_eq(known, rule))
            })
            .map(|rule| rule.id);
        gone.chain(new).collect()
    }

    /// Evaluators that are here already.
    async fn sync_series_of(&mut self, changed: &[AlarmRuleId], rules: &Rules) {
        let names: HashSet<String> = changed
            .iter()
            .flat_map(|id| [self.known.get(id), rules.get(*id)])
            .flatten()
            .map(|rule| rule.definition.scope.series.clone())
            .collect();
        let keys: Vec<SeriesKey> = self
            .series
            .keys()
            .filter(|key| names.contains(&key.name))
            .cloned()
            .collect();
        for key in keys {
            self.sync(key, false).await;
        }
    }

    /// Series in the store that `rule` watches: their newest samples say how things stand by the rule as it is now.
    async fn adopt_stored(&mut self, rule: &Rule) -> Result<(), WorkError> {
        let scope = &rule.definition.scope;
        let filter = SeriesFilter {
            channels: scope.channel.map(|channel| vec![channel]),
            thing: scope.thing,
            subtopic: scope.subtopic.clone(),
            name: Some(scope.series.clone()),
            name_contains: None,
        };
        let mut offset = 0;
        loop {
            let (found, _) = self.shared.telemetry.series(&filter, offset, PAGE).await?;
            offset += found.len();
            let last_page = found.len() < PAGE;
            // What is queued is older than what was just read, and must not be overtaken by it.
            self.work_off().await;
            for info in found {
                if !self.is_mine(info.key.thing) || !rule.watches(&info.key, &self.shared.access) {
                    continue;
                }
                match &info.latest {
                    Some(sample) => {
                        self.stored_sample(&info.key, sample, &info.unit, Look::Again)
                            .await;
                    }
                    None => self.sync(info.key, true).await,
                }
            }
            if last_page {
                return Ok(());
            }
        }
    }

    /// A deadman also waits for series that never came: of every thing that its rule is about.
    async fn watch_what_never_came(&mut self, rules: &Rules) {
        let with_deadman: Vec<&Arc<Rule>> = rules
            .iter()
            .filter(|rule| rule.definition.enabled && rule.definition.deadman.is_some())
            .collect();
        if with_deadman.is_empty() {
            return;
        }
        let names: HashSet<&str> = with_deadman
            .iter()
            .map(|rule| rule.definition.scope.series.as_str())
            .collect();
        let mut known: HashMap<ThingId, Vec<SeriesKey>> = HashMap::new();
        for key in self
            .series
            .keys()
            .filter(|key| names.contains(key.name.as_str()))
        {
            known.entry(key.thing).or_default().push(key.clone());
        }
        let mut here = self.watched_pairs();
        for rule in with_deadman {
            for thing in self.things_of(rule) {
                if here.insert((rule.id, thing))
                    && let Some(key) = self.placeholder(rule, thing, &known)
                {
                    let fresh = || Series {
                        placeholder: true,
                        ..Series::default()
                    };
                    let series = self.series.entry(key.clone()).or_insert_with(fresh);
                    if series.placeholder {
                        self.placeholders.insert((rule.id, thing), key.clone());
                    }
                    self.sync(key, false).await;
                }
            }
        }
    }

    fn watched_pairs(&self) -> HashSet<(AlarmRuleId, ThingId)> {
        let pairs = self.series.iter().flat_map(|(key, series)| {
            series
                .watched
                .iter()
                .map(move |watched| (watched.rule.id, key.thing))
        });
        pairs.collect()
    }

    fn things_of(&self, rule: &Rule) -> Vec<ThingId> {
        let scope = &rule.definition.scope;
        let access = &self.shared.access;
        let mut things = match scope.thing {
            Some(thing) => vec![thing],
            // A rule about every thing of the organisation says nothing about which of them should send the series.
            None if scope.device_type.is_none() => Vec::new(),
            None => access.things_of(rule.organisation, scope.device_type),
        };
        things.retain(|thing| self.is_mine(*thing) && rule.watches_thing(*thing, access));
        things
    }

    /// Where the series would come: where one of its name comes already, or else in the channel of the rule, or else in
    /// the first that the thing is connected to.
    fn placeholder(
        &self,
        rule: &Rule,
        thing: ThingId,
        known: &HashMap<ThingId, Vec<SeriesKey>>,
    ) -> Option<SeriesKey> {
        let known = known.get(&thing).into_iter().flatten();
        if let Some(known) = known
            .into_iter()
            .find(|key| rule.watches(key, &self.shared.access))
        {
            return Some(known.clone());
        }
        let scope = &rule.definition.scope;
        let channel = scope
            .channel
            .or_else(|| self.shared.access.thing_channels(thing).first().copied())?;
        Some(SeriesKey {
            channel,
            thing,
            subtopic: scope.subtopic.clone().unwrap_or_default(),
            name: scope.series.clone(),
        })
    }

    /// Alarms of a rule that is gone, disabled or about other series now: their conditions are over.
    async fn end_what_nobody_watches(&mut self, rule: AlarmRuleId) -> Result<(), WorkError> {
        let alarms = self.shared.alarms.of_rule(rule).await?;
        for alarm in alarms {
            if !self.is_mine(alarm.source.thing)
                || self.is_watched(&alarm)
                || self.ended.contains_key(&alarm.id)
            {
                continue;
            }
            let Some(outcome) = end_of(&Standing::of(&alarm.state), self.shared.clock.now()) else {
                continue;
            };
            let Outcome::Return { source_time, value } = outcome else {
                continue;
            };
            let command = alarm::Command::Return { source_time, value };
            self.shared
                .outbox
                .send(alarm.id, alarm.organisation, None, command)
                .await;
        }
        Ok(())
    }

    fn is_watched(&self, alarm: &AlarmRow) -> bool {
        let source = &alarm.source;
        let key = SeriesRef {
            channel: source.channel,
            thing: source.thing,
            subtopic: &source.subtopic,
            name: &source.series,
        };
        let series = self.series.get(&key);
        series.is_some_and(|series| {
            series
                .watched
                .iter()
                .any(|watched| watched.alarm == alarm.id)
        })
    }
}
