//! REST as Mainflux 0.8 to 0.13 speaks it, at the root of the HTTP port, and the few paths of Tellee's own.

mod bootstrap;
mod channels;
mod connections;
mod credential;
mod identify;
mod influx;
mod input;
mod messages;
mod operations;
mod output;
mod paging;
mod retention;
mod session;
mod things;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, patch, post, put};

pub use credential::{Credential, SESSION_COOKIE, cookie_token, credential};
pub use influx::LineDoor;
pub(crate) use input::{ended_early, in_body_time, read_declared};
pub use input::{media_type, read_body, signed_in};
pub use messages::MessageDoor;
pub use output::error_response;

use crate::ingest::Ingest;
pub use crate::metrics::Metrics;
use crate::platform::Platform;

/// What every handler has at hand.
#[derive(Clone)]
pub struct Rest {
    pub platform: Arc<Platform>,
    pub ingest: Arc<Ingest>,
    pub metrics: Arc<Metrics>,
}

/// All REST routes. Unknown paths are left to the caller.
pub fn router(rest: Rest) -> Router {
    let messages = Router::new()
        .route(
            "/channels/{channel}/messages",
            post(messages::publish).get(messages::read),
        )
        .route(
            "/channels/{channel}/messages/",
            post(messages::publish).get(messages::read),
        )
        .route(
            "/channels/{channel}/messages/{*subtopic}",
            post(messages::publish_below),
        );
    let influx = Router::new()
        .route("/write", post(influx::write_v1))
        .route("/api/v2/write", post(influx::write_v2))
        .route("/query", post(influx::query).get(influx::query))
        .route("/ping", get(influx::ping))
        .with_state(influx::Influx::new(rest.clone()));
    Router::new()
        .route(
            "/users",
            post(users::create).get(users::list).put(users::update),
        )
        .route("/users/profile", get(users::profile))
        .route("/users/{id}", get(users::view))
        .route("/password", patch(users::change_password))
        .route("/tokens", post(users::issue_token))
        .route("/setup", post(session::set_up))
        .route("/ui/setup", get(session::setup_needed))
        .route(
            "/ui/session",
            get(session::view)
                .post(session::open)
                .delete(session::close),
        )
        .route("/things", post(things::create).get(things::list))
        .route("/things/bulk", post(things::create_bulk))
        .route("/things/search", post(things::search))
        .route(
            "/things/{id}",
            get(things::view).put(things::update).delete(things::remove),
        )
        .route("/things/{id}/key", patch(things::change_key))
        .route("/things/{id}/channels", get(things::channels))
        .route("/channels", post(channels::create).get(channels::list))
        .route("/channels/bulk", post(channels::create_bulk))
        .route(
            "/channels/{channel}",
            get(channels::view)
                .put(channels::update)
                .delete(channels::remove),
        )
        .route("/channels/{channel}/things", get(channels::things))
        .route(
            "/channels/{channel}/things/{thing}",
            put(connections::connect_one).delete(connections::disconnect_one),
        )
        .route("/connect", post(connections::connect))
        .route(
            "/disconnect",
            put(connections::disconnect).post(connections::disconnect),
        )
        .route("/identify", post(identify::identify))
        .route(
            "/identify/channels/{channel}/access-by-key",
            post(identify::access_by_key),
        )
        .route(
            "/identify/channels/{channel}/access-by-id",
            post(identify::access_by_id),
        )
        .route(
            "/channels/{channel}/access-by-key",
            post(identify::access_by_key),
        )
        .route(
            "/channels/{channel}/access-by-id",
            post(identify::access_by_id),
        )
        .route(
            "/things/configs",
            post(bootstrap::create).get(bootstrap::list),
        )
        .route(
            "/things/configs/{id}",
            get(bootstrap::view)
                .put(bootstrap::update)
                .delete(bootstrap::remove),
        )
        .route(
            "/things/configs/connections/{id}",
            put(bootstrap::update_connections),
        )
        .route(
            "/things/configs/certs/{id}",
            patch(bootstrap::update_certificates),
        )
        .route("/things/unknown/configs", get(bootstrap::unknown))
        .route("/things/state/{id}", put(bootstrap::change_state))
        .route("/things/bootstrap/{external_id}", get(bootstrap::bootstrap))
        .route("/health", get(operations::health))
        .route("/version", get(operations::version))
        .route("/metrics", get(operations::metrics))
        .merge(messages.clone())
        .nest("/http", messages)
        .with_state(rest)
        .merge(influx)
}
