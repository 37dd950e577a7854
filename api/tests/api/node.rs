//! A whole node: real stores in a folder of its own, real entities, real projections, a real port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tellee_actors::command::{Command, CommandContext};
use tellee_actors::domain::alarm::{self, Activation, Cause, Contribution, Source};
use tellee_actors::domain::alarm_rule::{AlarmClass, LimitKind, Priority};
use tellee_actors::event::Who;
use tellee_actors::ids::{
    AlarmId, AlarmRuleId, ChannelId, CommandId, ModelId, OrganisationId, Position, ThingId,
};
use tellee_actors::store::database::Database;
use tellee_actors::store::{DatabaseConfig, EmbeddedEventStore, EventStore};
use tellee_actors::time::{Clock as _, ManualClock, SharedClock, SystemClock};
use tellee_api::error::ApiError;
use tellee_api::graphql::{self, SocketLimits};
use tellee_api::http::{self, Doors, HttpLimits, Rings};
use tellee_api::identity::{Passwords, Throttle, Tokens, Vault};
use tellee_api::ingest::{AccessView, Ingest, IngestLimits};
use tellee_api::metrics::{Metrics, observe};
use tellee_api::mqtt::{self, Broker, MqttConfig};
use tellee_api::platform::{Build, ModelHost, Platform, PlatformSettings, Scoring, Training};
use tellee_api::presence::Presence;
use tellee_api::rest::{self, LineDoor, MessageDoor, Rest};
use tellee_api::web;
use tellee_cluster::{LocalDirectory, LocalDirectoryConfig};
use tellee_projections::Projections;
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::{EmbeddedTelemetryStore, TelemetryConfig};
use tokio_util::sync::CancellationToken;

use super::client::Session;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "correct horse battery";

pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("the test hangs")
}

/// Stands in for the part that runs models: it says that there is none.
struct ModelHostDouble;

#[async_trait]
impl ModelHost for ModelHostDouble {
    fn state(&self) -> (&'static str, Option<String>) {
        ("ABSENT", Some("a double".to_owned()))
    }

    fn scoring(&self, _: ModelId) -> Option<Scoring> {
        None
    }

    async fn train(&self, _: Training) -> Result<(), ApiError> {
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub struct Settings {
    pub self_registration: bool,
    pub reveal_thing_keys: bool,
    pub limits: HttpLimits,
    pub sockets: SocketLimits,
    /// Publishes are served by `io_uring`.
    pub rings: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            self_registration: false,
            reveal_thing_keys: true,
            limits: HttpLimits {
                max_body: 8 * 1024 * 1024,
                max_connections: 4_096,
            },
            sockets: SocketLimits {
                recheck: Duration::from_millis(50),
                ..SocketLimits::default()
            },
            rings: false,
        }
    }
}

pub struct Node {
    pub address: SocketAddr,
    pub platform: Arc<Platform>,
    pub clock: Arc<ManualClock>,
    /// The file behind the read models, which counts how often it is read.
    pub database: Database,
    /// Of the first user.
    pub admin: Session,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
    /// What serves publishes, if that was asked for and the system lets us.
    pub rings: Option<Arc<Rings>>,
    _folder: tempfile::TempDir,
}

impl Node {
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manual = Arc::new(ManualClock::at(SystemClock::default().now()));
        let clock: SharedClock = Arc::<ManualClock>::clone(&manual);
        let embedded =
            EmbeddedEventStore::open(&folder.path().join("events.db"), DatabaseConfig::default())
                .await
                .unwrap();
        let database = embedded.database().clone();
        let events: Arc<dyn EventStore> = Arc::new(embedded);
        let projections =
            Projections::start(Arc::clone(&events), database.clone(), Arc::clone(&clock))
                .await
                .unwrap();
        let directory = LocalDirectory::new(
            Arc::clone(&events),
            Arc::clone(&clock),
            LocalDirectoryConfig::default(),
        )
        .unwrap();
        let path = folder.path().join("telemetry");
        let telemetry =
            EmbeddedTelemetryStore::open(&path, TelemetryConfig::default(), Arc::clone(&clock))
                .unwrap();
        let telemetry = Arc::new(telemetry);
        let live = LiveHub::new();
        let presence = Arc::new(Presence::default());
        live.add_sink(Arc::<Presence>::clone(&presence));
        let access: Arc<dyn AccessView> = Arc::clone(projections.access()) as Arc<dyn AccessView>;
        let ingest = Ingest::new(
            access,
            Arc::<EmbeddedTelemetryStore>::clone(&telemetry),
            Arc::clone(&live),
            Arc::clone(&clock),
            IngestLimits::default(),
        );
        let vault = Arc::new(Vault::open(&folder.path().join("secrets")).unwrap());
        let platform = Arc::new(Platform {
            node: "node-1".to_owned(),
            build: Build {
                version: "0.0.0-test",
                commit: None,
                committed_at: None,
            },
            settings: PlatformSettings {
                self_registration: settings.self_registration,
                reveal_thing_keys: settings.reveal_thing_keys,
            },
            tokens: Tokens::new(
                *vault.token_key(),
                Duration::from_secs(3_600),
                Arc::clone(&clock),
            ),
            throttle: Throttle::new(Arc::clone(&clock)),
            passwords: Passwords::default(),
            clock,
            directory: Arc::new(directory),
            events,
            projections,
            telemetry: Arc::<EmbeddedTelemetryStore>::clone(&telemetry),
            live: Arc::clone(&live),
            presence,
            models: Arc::new(ModelHostDouble),
            vault,
            setup_code: tokio::sync::Mutex::new(None),
            claims: tokio::sync::Mutex::default(),
        });
        platform
            .create_first_user("admin@plant.example", PASSWORD, None)
            .await
            .unwrap();

        let metrics = Metrics::new();
        let broker = Broker::new(Arc::clone(&ingest), MqttConfig::default());
        metrics.show_node(&platform);
        metrics.show_telemetry(&telemetry);
        metrics.show_ingest(&ingest);
        metrics.register(|registry| mqtt::prometheus::register(broker, registry));
        metrics.count_stored(&live);
        let rest = Rest {
            platform: Arc::clone(&platform),
            ingest,
            metrics: Arc::clone(&metrics),
        };
        let origins = vec!["https://desk.example".to_owned()];
        let messages = MessageDoor::new(rest.clone(), settings.limits.max_body);
        let lines = LineDoor::new(rest.clone(), settings.limits.max_body);
        let routes = rest::router(rest)
            .merge(graphql::router_with(
                Arc::clone(&platform),
                origins,
                settings.sockets,
            ))
            .merge(web::router());
        let doors = Doors {
            routes: observe(http::finish(routes, &settings.limits), &metrics),
            messages: Some(Arc::new(messages)),
            lines: Some(Arc::new(lines)),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        // Where there is no `io_uring`, what a test says must hold without.
        let rings = settings.rings.then(Rings::start).and_then(Result::ok);
        let served = tokio::spawn(http::serve(
            listener,
            None,
            doors,
            settings.limits,
            rings.clone(),
            stop.clone(),
        ));
        let admin = Session::sign_in(address, "admin@plant.example").await;
        Self {
            address,
            platform,
            clock: manual,
            database,
            admin,
            stop,
            served,
            rings,
            _folder: folder,
        }
    }

    /// Nobody.
    pub fn anonymous(&self) -> Session {
        Session::anonymous(self.address)
    }

    /// A new user with an organisation of their own.
    pub async fn stranger(&self) -> Session {
        self.user("stranger@elsewhere.example", serde_json::json!({}))
            .await
    }

    /// A new user of the administrator's organisation.
    pub async fn colleague(&self, role: &str) -> Session {
        let organisation = self.admin.session_organisation().await;
        let email = format!("{role}@plant.example");
        self.user(
            &email,
            serde_json::json!({ "organisation": organisation, "role": role }),
        )
        .await
    }

    async fn user(&self, email: &str, mut body: serde_json::Value) -> Session {
        body["email"] = email.into();
        body["password"] = PASSWORD.into();
        let made = self.admin.post("/users", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        Session::sign_in(self.address, email).await
    }

    /// Takes an alarm of `channel` and `thing` through one occurrence after the other; the position of the last event.
    pub async fn alarm(
        &self,
        organisation: OrganisationId,
        thing: ThingId,
        channel: ChannelId,
        times: u64,
    ) -> Position {
        let rule = AlarmRuleId(uuid::Uuid::from_u128(7));
        let id = AlarmId::of(rule, thing, channel, "", "vibration");
        let mut last = Position::START;
        for _ in 0..times {
            let raise = alarm::Command::Activate {
                source: Source {
                    organisation,
                    rule,
                    thing,
                    channel,
                    subtopic: String::new(),
                    series: "vibration".to_owned(),
                },
                activation: self.activation(),
            };
            let back = alarm::Command::Return {
                source_time: self.clock.now(),
                value: Some(1.0),
            };
            for command in [raise, back] {
                let context = CommandContext {
                    command_id: CommandId::generate(),
                    who: Who::System("test".to_owned()),
                    organisation: Some(organisation),
                    expected_revision: None,
                    note: None,
                    input: None,
                    timeout: PATIENCE,
                };
                let accepted = self
                    .platform
                    .directory
                    .ask(id.into(), Command::Alarm(command), context)
                    .await;
                last = accepted.unwrap().position;
            }
        }
        self.platform.seen(last).await.unwrap();
        last
    }

    fn activation(&self) -> Activation {
        Activation {
            cause: Cause::Limit(LimitKind::Hi),
            priority: Priority::P2,
            class: AlarmClass::Process,
            latching: false,
            acknowledge_required: false,
            message: "vibration is high".to_owned(),
            consequence: "the bearing wears".to_owned(),
            action: "look at the bearing".to_owned(),
            time_to_respond_ms: None,
            unit: "mm/s".to_owned(),
            value: Some(9.0),
            limit: Some(7.1),
            quality: 192,
            source_time: self.clock.now(),
            received_at: self.clock.now(),
            contributions: vec![Contribution {
                series: "vibration".to_owned(),
                share: 1.0,
                expected: Some(2.0),
                actual: Some(9.0),
            }],
        }
    }

    /// Raises the alarm of rule number `rule` on `thing` and leaves it standing.
    pub async fn raise(
        &self,
        organisation: OrganisationId,
        thing: ThingId,
        channel: ChannelId,
        rule: u128,
    ) {
        let rule = AlarmRuleId(uuid::Uuid::from_u128(rule));
        let command = alarm::Command::Activate {
            source: Source {
                organisation,
                rule,
                thing,
                channel,
                subtopic: String::new(),
                series: "vibration".to_owned(),
            },
            activation: self.activation(),
        };
        let context = CommandContext {
            command_id: CommandId::generate(),
            who: Who::System("test".to_owned()),
            organisation: Some(organisation),
            expected_revision: None,
            note: None,
            input: None,
            timeout: PATIENCE,
        };
        let id = AlarmId::of(rule, thing, channel, "", "vibration");
        let asked = self
            .platform
            .directory
            .ask(id.into(), Command::Alarm(command), context)
            .await;
        self.platform.seen(asked.unwrap().position).await.unwrap();
    }

    /// Waits until the projections have seen all that happened.
    pub async fn settled(&self) {
        let head = *self.platform.events.head().borrow();
        self.platform.seen(head).await.unwrap();
    }

    /// Tells the port to stop, without waiting.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stop(self) {
        self.stop.cancel();
        in_time(self.served).await.unwrap();
    }
}
