//! What `/metrics` shows. The houses keep their figures; they are read when somebody asks.

mod figures;
mod houses;
mod http;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::EmbeddedTelemetryStore;

use self::figures::Figures;
use self::houses::{INGEST, NODE, Stored, TELEMETRY};
use self::http::Requests;
pub use self::http::{RouteMeter, observe};
use crate::ingest::Ingest;
use crate::platform::Platform;

/// The metrics of the whole node.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Requests,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tellee");
        let requests = Requests::default();
        requests.register(&mut registry);
        Self {
            registry: Mutex::new(registry),
            requests,
        }
    }
}

impl Metrics {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Lets a house add metrics of its own; their names begin with `tellee_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock());
    }

    /// Shows the projections and the live feed of the node.
    pub fn show_node(&self, platform: &Arc<Platform>) {
        self.show(Figures::of(platform, NODE));
    }

    /// Shows the path of messages.
    pub fn show_ingest(&self, ingest: &Arc<Ingest>) {
        self.show(Figures::of(ingest, INGEST));
    }

    /// Shows the telemetry store.
    pub fn show_telemetry(&self, store: &Arc<EmbeddedTelemetryStore>) {
        self.show(Figures::of(store, TELEMETRY));
    }

    /// Counts what is stored from now on, by protocol.
    pub fn count_stored(&self, live: &LiveHub) {
        let stored = Stored::default();
        stored.register(&mut self.registry.lock());
        live.add_sink(Arc::new(stored));
    }

    fn show<House: Send + Sync + 'static>(&self, figures: Figures<House>) {
        self.registry.lock().register_collector(Box::new(figures));
    }

    /// The text of `/metrics` in the OpenMetrics format.
    ///
    /// # Errors
    /// Only if a collector fails to write.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock())?;
        Ok(text)
    }
}
