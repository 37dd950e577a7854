//! Units and protocols that samples came with, each pair once.

use std::sync::Arc;

use crate::telemetry::codec::block::shared_text;
use crate::telemetry::columns::Origin;

/// Beyond this, samples bring their origin along: senders choose units, and may choose very many.
const MAX: usize = 128;

#[derive(Debug, Default, Clone)]
pub struct Origins {
    known: Vec<Origin>,
    /// The likeliest to be asked for next.
    newest: usize,
}

impl Origins {
    /// The number of the origin, if there is room for it.
    pub fn number(&mut self, unit: &str, protocol: &str) -> Option<u16> {
        let is_it = |origin: &Origin| same(&origin.unit, unit) && same(&origin.protocol, protocol);
        if !self.known.get(self.newest).is_some_and(is_it) {
            self.newest = match self.known.iter().position(is_it) {
                Some(place) => place,
                None if self.known.len() < MAX => {
                    self.known.push(Origin {
                        unit: shared_text(unit),
                        protocol: shared_text(protocol),
                    });
                    self.known.len() - 1
                }
                None => return None,
            };
        }
        Some(self.newest as u16)
    }

    /// What [`Self::number`] has numbered.
    pub fn get(&self, number: u16) -> Origin {
        self.known
            .get(number as usize)
            .cloned()
            .unwrap_or_else(|| Origin {
                unit: Arc::from(""),
                protocol: Arc::from(""),
            })
    }
}

/// Most units are empty: not worth a call to compare them.
fn same(known: &str, text: &str) -> bool {
    known.len() == text.len() && (text.is_empty() || known == text)
}
