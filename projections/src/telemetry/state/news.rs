//! What a flush tells the catalog.

use std::sync::Arc;

use super::newest::Newest;
use super::origins::Origins;
use super::series::Series;
use crate::telemetry::catalog::{Entry, Numbers};
use crate::telemetry::columns::Origin;
use crate::telemetry::model::SeriesId;

/// Entries, put together so that nearly all series share one with thousands of others.
#[derive(Debug, Default)]
pub struct News {
    definitions: Vec<Entry>,
    states: Vec<Entry>,
    /// Not yet full, by the number of their origin. Nearly always one.
    open: Vec<(u16, Numbers)>,
}

impl News {
    pub fn define(&mut self, series: &Series) {
        self.definitions.push(Entry::Define {
            id: series.id,
            key: Arc::clone(&series.key),
        });
    }

    pub fn newest(&mut self, origins: &Origins, id: SeriesId, newest: &Newest) {
        let Newest::Plain(origin, sample) = newest else {
            let latest = newest.latest(origins);
            self.states.push(Entry::State { id, latest });
            return;
        };
        let place = self.open.iter().position(|(number, _)| number == origin);
        let place = place.unwrap_or_else(|| {
            let Origin { unit, protocol } = origins.get(*origin);
            self.open.push((*origin, Numbers::new(unit, protocol)));
            self.open.len() - 1
        });
        let (_, numbers) = &mut self.open[place];
        numbers.push(id, sample.time, sample.number, sample.received_at);
        if numbers.len() == Numbers::MOST {
            let (_, full) = self.open.swap_remove(place);
            self.states.push(Entry::Numbers(full));
        }
    }

    /// Definitions first: a state of a series that is not defined yet would be lost.
    pub fn into_entries(self) -> Vec<Entry> {
        let mut entries = self.definitions;
        entries.extend(self.states);
        let rest = self.open.into_iter();
        entries.extend(rest.map(|(_, numbers)| Entry::Numbers(numbers)));
        entries
    }
}
