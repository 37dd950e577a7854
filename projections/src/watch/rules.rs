//! The alarm rules in memory, by the name of the series that they watch. Reads take no lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use parking_lot::Mutex;
use rusqlite::{Connection, Error};
use tellee_actors::domain::alarm_rule::{Definition, Event};
use tellee_actors::ids::{AlarmRuleId, OrganisationId, Revision, ThingId};
use tokio::sync::watch;

use crate::access::Access;
use crate::follower::sql::{get_id, get_json, get_revision};
use crate::follower::{DecodedEvent, DomainEvent};
use crate::telemetry::SeriesKey;

/// A rule that is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub id: AlarmRuleId,
    pub organisation: OrganisationId,
    pub revision: Revision,
    pub definition: Definition,
}

impl Rule {
    /// Whether the rule watches the series `name` of `thing` in `channel`. Device types are looked up in `access`.
    pub fn watches(&self, key: &SeriesKey, access: &Access) -> bool {
        let scope = &self.definition.scope;
        scope.series == key.name
            && scope.channel.is_none_or(|channel| channel == key.channel)
            && scope
                .subtopic
                .as_ref()
                .is_none_or(|subtopic| *subtopic == key.subtopic)
            && access.channel_organisation(key.channel) == Some(self.organisation)
            && self.watches_thing(key.thing, access)
    }

    /// Whether the rule is about `thing` at all.
    pub fn watches_thing(&self, thing: ThingId, access: &Access) -> bool {
        let scope = &self.definition.scope;
        if scope.thing.is_some_and(|wanted| wanted != thing) {
            return false;
        }
        if access
            .thing(thing)
            .is_none_or(|access| access.organisation != self.organisation)
        {
            return false;
        }
        scope.device_type.is_none() || scope.device_type == access.thing_device_type(thing)
    }
}

/// All rules at one moment.
#[derive(Debug, Default)]
pub struct Rules {
    /// Grows with each change.
    version: u64,
    /// Those that are enabled, by the name of the series.
    by_series: HashMap<String, Vec<Arc<Rule>>>,
    /// All, also those that are disabled.
    by_id: BTreeMap<AlarmRuleId, Arc<Rule>>,
}

impl Rules {
    /// Grows with each change of any rule.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether no rule is enabled.
    pub fn is_idle(&self) -> bool {
        self.by_series.is_empty()
    }

    /// The enabled rules for series called `name`, of all organisations.
    pub fn named(&self, name: &str) -> &[Arc<Rule>] {
        self.by_series.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn get(&self, id: AlarmRuleId) -> Option<&Arc<Rule>> {
        self.by_id.get(&id)
    }

    /// All rules, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.by_id.values()
    }

    /// The enabled rules that watch the series `key`.
    pub fn watching<'a>(
        &'a self,
        key: &'a SeriesKey,
        access: &'a Access,
    ) -> impl Iterator<Item = &'a Arc<Rule>> {
        self.named(&key.name)
            .iter()
            .filter(move |rule| rule.watches(key, access))
    }

    fn of(version: u64, by_id: &BTreeMap<AlarmRuleId, Arc<Rule>>) -> Self {
        let mut by_series: HashMap<String, Vec<Arc<Rule>>> = HashMap::new();
        for rule in by_id.values().filter(|rule| rule.definition.enabled) {
            by_series
                .entry(rule.definition.scope.series.clone())
                .or_default()
                .push(Arc::clone(rule));
        }
        Self {
            version,
            by_series,
            by_id: by_id.clone(),
        }
    }
}

/// Follows the event log; one writer, any number of readers.
#[derive(Debug)]
pub struct RuleBook {
    present: ArcSwap<Rules>,
    writer: Mutex<BTreeMap<AlarmRuleId, Arc<Rule>>>,
    version: watch::Sender<u64>,
}

impl Default for RuleBook {
    fn default() -> Self {
        Self {
            present: ArcSwap::default(),
            writer: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }
}

impl RuleBook {
    pub fn present(&self) -> Arc<Rules> {
        self.present.load_full()
    }

    /// Wakes on each change; the value grows.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn load(&self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection
            .prepare("SELECT id, organisation, revision, definition FROM registry_alarm_rules")?;
        let rules = statement
            .query_map([], |row| {
                Ok(Rule {
                    id: get_id(row, "id")?,
                    organisation: get_id(row, "organisation")?,
                    revision: get_revision(row, "revision")?,
                    definition: get_json(row, "definition")?,
                })
            })?
            .collect::<Result<Vec<_>, Error>>()?;
        let mut writer = self.writer.lock();
        writer.extend(rules.into_iter().map(|rule| (rule.id, Arc::new(rule))));
        self.publish(&writer);
        Ok(())
    }

    pub(crate) fn apply(&self, events: &[DecodedEvent]) {
        let mut writer = self.writer.lock();
        let mut changed = false;
        for event in events {
            let DomainEvent::AlarmRule(rule_event) = &event.event else {
                continue;
            };
            changed = true;
            let id = AlarmRuleId(event.entity.id);
            match rule_event {
                Event::Created {
                    organisation,
                    definition,
                } => {
                    let rule = Rule {
                        id,
                        organisation: *organisation,
                        revision: event.revision,
                        definition: definition.clone(),
                    };
                    writer.insert(id, Arc::new(rule));
                }
                Event::Updated { definition } | Event::RolledBack { definition, .. } => {
                    let Some(before) = writer.get(&id) else {
                        continue;
                    };
                    let rule = Rule {
                        id,
                        organisation: before.organisation,
                        revision: event.revision,
                        definition: definition.clone(),
                    };
                    writer.insert(id, Arc::new(rule));
                }
                Event::Removed {} => {
                    writer.remove(&id);
                }
            }
        }
        if changed {
            self.publish(&writer);
        }
    }

    /// Called with the writer's lock held, so that versions follow each other.
    fn publish(&self, rules: &BTreeMap<AlarmRuleId, Arc<Rule>>) {
        let version = *self.version.borrow() + 1;
        self.present.store(Arc::new(Rules::of(version, rules)));
        self.version.send_replace(version);
    }
}
