//! Users who read the channels of their organisation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tellee_actors::domain::user::Role;
use tellee_actors::ids::{ChannelId, OrganisationId, UserId};
use tellee_api::caller::Caller;
use tellee_api::mqtt::Users;

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;
const EMAIL: &str = "operator@plant.example";
const TOKEN: &str = "a.b.c";

struct OneUser {
    caller: Caller,
    stands: AtomicBool,
}

impl Users for OneUser {
    fn by_token(&self, email: &str, token: &str) -> Option<Caller> {
        ((email, token) == (EMAIL, TOKEN)).then_some(self.caller)
    }

    fn still(&self, _: &Caller) -> bool {
        self.stands.load(Ordering::SeqCst)
    }
}

fn user_of(server: &Server) -> Arc<OneUser> {
    let caller = Caller {
        user: UserId(server.thing.organisation.0),
        organisation: server.thing.organisation,
        role: Role::Operator,
        platform_administrator: false,
        session_epoch: 0,
        expires: i64::MAX,
    };
    let user = Arc::new(OneUser {
        caller,
        stands: AtomicBool::new(true),
    });
    server.broker.set_users(Arc::<OneUser>::clone(&user));
    user
}

async fn join(server: &Server, options: &Options, token: &str) -> (Raw, u8) {
    let mut raw = Raw::open(server, options.level).await;
    raw.send(&options.connect(EMAIL, token.as_bytes())).await;
    let connack = raw.next().await;
    assert_eq!(connack.first, 0x20);
    (raw, connack.body[1])
}

#[tokio::test]
async fn a_user_reads_across_the_channels_of_the_organisation_and_no_others() {
    let server = Server::start().await;
    let _user = user_of(&server);
    let foreign = server.new_thing_of(OrganisationId::generate());
    let foreign_channel = ChannelId::generate();
    server.access.connect(&foreign, foreign_channel);
    let foreign_topic = format!("channels/{foreign_channel}/messages");
    let mut intruder = Raw::join(&server, &foreign, &Options::new(Level::V5, "f")).await;
    intruder.retain(&foreign_topic, PACK).await;
    let mut own = Raw::simple(&server, Level::V5, "p").await;
    for level in [Level::V3, Level::V5] {
        for filter in [
            "channels/+/messages/#",
            "#",
            "$share/g/channels/+/messages/+",
        ] {
            let (mut raw, code) = join(&server, &Options::new(level, "u"), TOKEN).await;
            assert_eq!(code, 0);
            assert_eq!(raw.subscribe(filter, 1).await, 1);
            intruder.publish_acknowledged(&foreign_topic, PACK).await;
            intruder
                .publish_acknowledged(&format!("{foreign_topic}/x"), PACK)
                .await;
            raw.expect_nothing().await;
            own.publish_acknowledged(&server.topic("x"), PACK).await;
            assert_eq!(raw.next().await.publish(level).0, server.topic("x"));
            let refused = if level == Level::V3 { 0x80 } else { 0x87 };
            assert_eq!(
                raw.subscribe(&format!("{foreign_topic}/#"), 0).await,
                refused
            );
            assert_eq!(raw.subscribe("$SYS/#", 0).await, refused);
            raw.leave().await;
        }
    }
    // A thing has no such grant.
    assert_eq!(own.subscribe("channels/+/messages/#", 0).await, 0x87);
}

#[tokio::test]
async fn a_user_signs_in_by_a_token_that_stands_and_does_not_publish() {
    let server = Server::start().await;
    let user = user_of(&server);
    let (_, code) = join(&server, &Options::new(Level::V3, "u"), "x.y.z").await;
    assert_eq!(code, 5);
    let (mut raw, _) = join(&server, &Options::lasting(Level::V5, "u"), TOKEN).await;
    assert_eq!(
        raw.publish_acknowledged(&server.topic("x"), PACK).await,
        0x87
    );
    assert!(server.store.batches().is_empty());
    raw.subscribe("channels/+/messages/#", 0).await;
    user.stands.store(false, Ordering::SeqCst);
    raw.expect_end(0x87).await;
    // What a user was connected by does not stay.
    until(|| server.broker.metrics().sessions.get() == 0).await;
}
