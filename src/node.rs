//! A running node: every house opened, joined and closed again in the right order.

pub mod backup;
pub mod control;
mod first_user;
mod listeners;
mod logging;
mod models;
mod open_files;
mod reload;
pub mod restore;
mod retention;
mod secrets;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::time::{SharedClock, SystemClock};
use tellee_api::http::{self, Doors, HttpLimits, Rings};
use tellee_api::identity::{Passwords, Throttle, Tokens};
use tellee_api::ingest::{AccessView, Ingest, IngestLimits};
use tellee_api::metrics::observe;
use tellee_api::mqtt::{self, Broker, MqttConfig};
use tellee_api::platform::{Build, Platform, PlatformSettings};
use tellee_api::presence::Presence;
use tellee_api::rest::{self, LineDoor, MessageDoor, Metrics, Rest};
use tellee_api::{graphql, web};
use tellee_cluster::{LocalDirectory, LocalDirectoryConfig};
use tellee_ml::MlService;
use tellee_projections::Projections;
use tellee_projections::live::LiveHub;
use tellee_projections::watch::{AlarmWatch, AlarmWatchConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use listeners::{Listeners, SecureListener, check_certificates};
pub use logging::init_logging;
pub use stores::{Stores, open_events, open_telemetry};

use crate::config::{Config, IoUring};
use crate::failure::Failure;
use crate::folder::DataFolder;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// `scripts/build.sh` says which commit it builds.
const BUILD: Build = Build {
    version: VERSION,
    commit: option_env!("TELLEE_COMMIT"),
    committed_at: option_env!("TELLEE_COMMIT_TIME"),
};

/// How long an orderly stop may take.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A node that answers.
pub struct Node {
    folder: DataFolder,
    stores: Stores,
    projections: Projections,
    directory: Arc<LocalDirectory>,
    watch: Arc<AlarmWatch>,
    broker: Arc<Broker>,
    ml: Option<MlService>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Node {
    /// Opens the stores and starts everything. Returns when both listeners answer.
    pub async fn start(
        config: &Config,
        folder: DataFolder,
        listeners: Listeners,
    ) -> Result<Self, Failure> {
        let hangups = reload::listen()?;
        let seats = open_files::seats(config, open_files::raise_limit());
        let clock: SharedClock = Arc::new(SystemClock::default());
        let control = control::bind(&folder)?;
        let vault = Arc::new(secrets::open_vault(&folder)?);
        backup::clear(folder.path());
        let mqtt_config = MqttConfig {
            max_connections: seats.mqtt as usize,
            ..mqtt_config(config)
        };
        let stores = Stores::open(&folder, &clock, mqtt_config.state_limits()).await?;
        let failed =
            |what: &'static str| move |error: &dyn std::fmt::Display| Failure::other(what, error);
        let projections =
            Projections::start(stores.events(), stores.database.clone(), Arc::clone(&clock))
                .await
                .map_err(|error| Failure::events(&error))?;
        let limits = LocalDirectoryConfig {
            resident_limit: config.entities.resident as usize,
            idle_timeout: config.entities.idle.duration(),
            ..LocalDirectoryConfig::default()
        };
        let directory = LocalDirectory::new(stores.events(), Arc::clone(&clock), limits)
            .map_err(|error| failed("the entities cannot be started")(&error))?;
        let directory = Arc::new(directory);

        let live = LiveHub::new();
        let presence = Arc::new(Presence::default());
        live.add_sink(Arc::<Presence>::clone(&presence));
        let watch = AlarmWatch::start(
            Arc::<LocalDirectory>::clone(&directory),
            &projections,
            stores.telemetry(),
            Arc::clone(&clock),
            AlarmWatchConfig {
                lateness: config.alarms.max_lateness.duration(),
                ..AlarmWatchConfig::default()
            },
        );
        live.add_sink(Arc::<AlarmWatch>::clone(&watch));
        let (host, ml) = models::start(
            config,
            &folder,
            &directory,
            &stores,
            &projections,
            &live,
            &clock,
        )
        .await;

        let access: Arc<dyn AccessView> = Arc::clone(projections.access()) as Arc<dyn AccessView>;
        let node_budget = u32::try_from(config.ingest.node_budget.bytes()).unwrap_or(u32::MAX);
        let ingest = Ingest::new(
            access,
            stores.telemetry(),
            Arc::clone(&live),
            Arc::clone(&clock),
            IngestLimits {
                bytes_in_flight: node_budget,
                max_ahead: config.ingest.max_ahead.duration(),
                ..IngestLimits::default()
            },
        );
        let broker = Broker::open(
            Arc::clone(&ingest),
            mqtt_config,
            Arc::clone(stores.journal()),
        );
        let setup_code = first_user::pending_setup(&projections, folder.path()).await?;
        let platform = Arc::new(Platform {
            node: node_name(config),
            build: BUILD,
            settings: PlatformSettings {
                self_registration: config.identity.self_registration,
                reveal_thing_keys: config.identity.reveal_thing_keys,
            },
            tokens: Tokens::new(
                *vault.token_key(),
                config.identity.token_lifetime.duration(),
                Arc::clone(&clock),
            ),
            throttle: Throttle::new(Arc::clone(&clock)),
            passwords: Passwords::default(),
            clock: Arc::clone(&clock),
            directory: Arc::<LocalDirectory>::clone(&directory),
            events: stores.events(),
            projections: projections.clone(),
            telemetry: stores.telemetry(),
            live,
            presence,
            models: host,
            vault,
            setup_code: tokio::sync::Mutex::new(setup_code),
            claims: tokio::sync::Mutex::default(),
        });
        first_user::make(&platform).await?;
        broker.set_users(Arc::<Platform>::clone(&platform));

        let telemetry = stores.embedded_telemetry();
        let reckoning = retention::reckoning(folder.reckoning(), &telemetry, &clock)
            .await
            .map_err(|error| Failure::telemetry(&error))?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let metrics = Metrics::new();
        metrics.show_node(&platform);
        metrics.show_ingest(&ingest);
        metrics.show_telemetry(&stores.embedded_telemetry());
        metrics.count_stored(&platform.live);
        metrics.register(|registry| mqtt::prometheus::register(Arc::clone(&broker), registry));
        let limits = HttpLimits {
            max_body: config.http.max_body.as_usize(),
            max_connections: seats.http as usize,
        };
        let rest = Rest {
            platform: Arc::clone(&platform),
            ingest,
            metrics: Arc::clone(&metrics),
        };
        let messages = MessageDoor::new(rest.clone(), limits.max_body);
        let lines = LineDoor::new(rest.clone(), limits.max_body);
        let routes = rest::router(rest)
            .merge(graphql::router(
                Arc::clone(&platform),
                config.http.allowed_origins.clone(),
            ))
            .merge(mqtt::websocket::routes(Arc::clone(&broker)))
            .merge(web::router());
        let doors = Doors {
            routes: observe(http::finish(routes, &limits), &metrics),
            messages: Some(Arc::new(messages)),
            lines: Some(Arc::new(lines)),
        };
        reload::follow(listeners.tls(), hangups, &tasks, &stop);
        if let Some(https) = listeners.https {
            let (tls, doors) = (Some(https.tls), doors.clone());
            tasks.spawn(http::serve(
                https.listener,
                tls,
                doors,
                limits,
                None,
                stop.clone(),
            ));
        }
        tasks.spawn(http::serve(
            listeners.http,
            None,
            doors,
            limits,
            rings(config.http.io_uring),
            stop.clone(),
        ));
        if let Some(mqtts) = listeners.mqtts {
            tasks.spawn(mqtt::serve_tls(
                Arc::clone(&broker),
                mqtts.listener,
                mqtts.tls,
            ));
        }
        tasks.spawn(mqtt::serve(Arc::clone(&broker), listeners.mqtt));
        let upkeep = retention::Upkeep {
            telemetry,
            projections: projections.clone(),
            events: stores.events(),
            broker: Arc::clone(&broker),
            rollups: config.retention.rollups,
            clock,
            reckoning,
        };
        tasks.spawn(retention::run(upkeep, stop.clone()));
        tasks.spawn(control::serve(
            control,
            stores.clone(),
            folder.path().to_owned(),
            stop.clone(),
        ));
        Ok(Self {
            folder,
            stores,
            projections,
            directory,
            watch,
            broker,
            ml,
            stop,
            tasks,
        })
    }

    /// Refuses new work, finishes what was taken, writes everything out and closes, within ten seconds.
    pub async fn stop(self) -> Result<(), Failure> {
        let orderly = async {
            self.stop.cancel();
            self.broker.stop();
            self.tasks.close();
            self.tasks.wait().await;
            if let Some(ml) = &self.ml {
                ml.stop().await;
            }
            self.watch.stop(Duration::from_secs(2)).await;
            let report = self.directory.stop(Duration::from_secs(2)).await;
            if report.unanswered > 0 {
                tracing::warn!(
                    commands = report.unanswered,
                    "commands were not answered in time"
                );
            }
            self.projections.stop().await;
        };
        let in_time = tokio::time::timeout(STOP_DEADLINE - Duration::from_secs(2), orderly)
            .await
            .is_ok();
        if !in_time {
            tracing::warn!("not everything ended in time; what was acknowledged is on disk");
        }
        self.stores.close().await?;
        drop(self.folder);
        Ok(())
    }
}

pub fn mqtt_config(config: &Config) -> MqttConfig {
    MqttConfig {
        max_connections: config.mqtt.max_connections as usize,
        max_packet_bytes: u32::try_from(config.mqtt.max_packet.bytes()).unwrap_or(u32::MAX),
        handshake_timeout_seconds: config.mqtt.connect_timeout.duration().as_secs().max(1),
        connection_bytes_in_flight: config.ingest.connection_budget.as_usize(),
        node_bytes_in_flight: config.ingest.node_budget.as_usize(),
        channel_log_bytes: config.mqtt.channel_backlog.as_usize(),
        node_log_bytes: config.mqtt.node_backlog.as_usize(),
        ..MqttConfig::default()
    }
}

/// The node's name: as configured, else the host's.
pub fn node_name(config: &Config) -> String {
    if !config.cluster.node.is_empty() {
        return config.cluster.node.clone();
    }
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "tellee".to_owned())
}

/// The threads on which devices publish, if they are wanted and the system lets us.
fn rings(wanted: IoUring) -> Option<Arc<Rings>> {
    if wanted == IoUring::Off {
        return None;
    }
    match Rings::start() {
        Ok(rings) => {
            let threads = rings.threads();
            tracing::info!(
                threads,
                "connections on which devices publish are served by `io_uring`"
            );
            Some(rings)
        }
        Err(error) => {
            tracing::info!(%error, "there is no `io_uring` here: HTTP is served without, at a higher cost a request");
            None
        }
    }
}
