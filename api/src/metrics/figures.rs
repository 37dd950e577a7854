//! Figures that a house keeps itself.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// How a figure moves.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Only up, from the start of the node.
    Counter,
    /// Up and down.
    Gauge,
}

/// Name, help, kind, and how it is read.
pub struct Figure<House>(
    pub &'static str,
    pub &'static str,
    pub Kind,
    pub fn(&House) -> u64,
);

/// The figures of one house.
pub struct Figures<House: 'static> {
    house: Arc<House>,
    figures: &'static [Figure<House>],
}

impl<House> Figures<House> {
    pub fn of(house: &Arc<House>, figures: &'static [Figure<House>]) -> Self {
        Self {
            house: Arc::clone(house),
            figures,
        }
    }
}

impl<House> fmt::Debug for Figures<House> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Figures")
            .field(&self.figures.len())
            .finish()
    }
}

impl<House: Send + Sync + 'static> Collector for Figures<House> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Figure(name, help, kind, read) in self.figures {
            let value = read(&self.house);
            match kind {
                Kind::Counter => {
                    let counter = ConstCounter::new(value);
                    let metric =
                        encoder.encode_descriptor(name, help, None, counter.metric_type())?;
                    counter.encode(metric)?;
                }
                Kind::Gauge => {
                    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                    let metric =
                        encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
                    gauge.encode(metric)?;
                }
            }
        }
        Ok(())
    }
}
