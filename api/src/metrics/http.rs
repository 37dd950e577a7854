//! Requests by route and status.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// The route as declared, never the path as asked: what clients send makes no new series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, Default)]
pub struct Requests {
    answered: Family<Kind, Counter>,
    in_flight: Gauge,
}

impl Requests {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            self.answered.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests being answered",
            self.in_flight.clone(),
        );
    }
}

/// Counts the requests of `routes`, which are finished: what comes after it is not counted.
pub fn observe(routes: Router, metrics: &Metrics) -> Router {
    routes.layer(from_fn_with_state(metrics.requests.clone(), count))
}

/// Counts the requests of one route whose usual answer is known, without a look-up for that.
#[derive(Debug, Clone)]
pub struct RouteMeter {
    requests: Requests,
    method: &'static str,
    route: &'static str,
    usual: StatusCode,
    usually: Counter,
}

/// One request of a [`RouteMeter`].
pub struct Counting<'meter> {
    meter: &'meter RouteMeter,
    _in_flight: InFlight,
}

impl RouteMeter {
    pub fn begin(&self) -> Counting<'_> {
        self.requests.in_flight.inc();
        Counting {
            meter: self,
            _in_flight: InFlight(self.requests.in_flight.clone()),
        }
    }
}

impl Counting<'_> {
    pub fn end(self, status: StatusCode) {
        let meter = self.meter;
        if status == meter.usual {
            meter.usually.inc();
            return;
        }
        let kind = Kind {
            method: meter.method,
            route: meter.route.to_owned(),
            status: status.as_u16(),
        };
        meter.requests.answered.get_or_create(&kind).inc();
    }
}

impl Metrics {
    /// For the requests of `route` that do not come by the router.
    pub fn route_meter(
        &self,
        method: &'static str,
        route: &'static str,
        usual: StatusCode,
    ) -> RouteMeter {
        let kind = Kind {
            method,
            route: route.to_owned(),
            status: usual.as_u16(),
        };
        RouteMeter {
            usually: self.requests.answered.get_or_create(&kind).clone(),
            requests: self.requests.clone(),
            method,
            route,
            usual,
        }
    }
}

/// Given back also where a client goes before its answer.
struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn count(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = known(request.method());
    requests.in_flight.inc();
    let in_flight = InFlight(requests.in_flight.clone());
    let response = next.run(request).await;
    drop(in_flight);
    let kind = Kind {
        method,
        route,
        status: response.status().as_u16(),
    };
    requests.answered.get_or_create(&kind).inc();
    response
}

fn known(method: &Method) -> &'static str {
    let methods = [
        (Method::GET, "GET"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::HEAD, "HEAD"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    methods
        .into_iter()
        .find(|(known, _)| known == method)
        .map_or("other", |(_, name)| name)
}
