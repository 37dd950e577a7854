//! Line protocol into the real server: durable, watched, and spoken as InfluxDB's own clients speak it.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client, Thing};
use crate::harness::{PATIENCE, Server, until};
use crate::mqtt_client::Mqtt;

async fn write(admin: &Client, thing: &Thing, channel: &str, body: &str) -> Answer {
    let path = format!("/write?db={channel}&precision=s");
    let client = admin.as_who(&format!("Token {}:{}", thing.id, thing.key));
    Client::send(client.request(Method::POST, &path).body(body.to_owned())).await
}

async fn graphql(admin: &Client, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let answer = admin.post("/graphql", &body).await.expect(200).json();
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill_and_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let lines: String = (0..500)
        .map(|number| {
            format!(
                "pump,unit={} count={number} {}\n",
                number % 5,
                1_600_000_000 + number
            )
        })
        .collect();
    write(&admin, &thing, &channel, &lines).await.expect(204);
    write(&admin, &thing, &channel, &lines).await.expect(204);
    let bad = write(&admin, &thing, &channel, "pump count=1 1\npump count=").await;
    bad.expect(400);
    drop(server.kill());
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let page = admin
        .get(&format!("/channels/{channel}/messages?limit=1000"))
        .await
        .expect(200)
        .json();
    assert_eq!(page["total"], json!(500));
    let mut counts: Vec<u64> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["value"].as_f64().unwrap() as u64)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (0..500).collect::<Vec<u64>>());
    // The server knows the lines no more, and the series as before.
    write(&admin, &thing, &channel, &lines).await.expect(204);
    let query = "query($channel: ID!) { series(channel: $channel) { total } }";
    let series = graphql(&admin, query, json!({ "channel": channel })).await;
    assert_eq!(series["series"]["total"], json!(5));
}

#[tokio::test]
async fn alarm_rules_and_mqtt_subscribers_see_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let create = "mutation($definition: AlarmRuleDefinitionInput!) { \
                  createAlarmRule(input: { idempotencyKey: \"rule\", definition: $definition }) { revision } }";
    let definition = json!({
        "name": "above", "thing": thing.id, "seriesName": "pump/vibration", "message": "above the limit",
        "action": "look at the machine", "levels": [{ "kind": "HI", "limit": 7.1, "priority": "P2" }],
    });
    // The first body comes before anybody watches; its lines are known when somebody does.
    let client = admin.as_who(&format!("Thing {}", thing.key));
    let path = format!("/api/v2/write?bucket={channel}");
    let send = async |value: f64| {
        let body = format!("pump,side=drive/end vibration={value},on=t\n");
        Client::send(client.request(Method::POST, &path).body(body))
            .await
            .expect(204);
    };
    send(1.0).await;
    graphql(&admin, create, json!({ "definition": definition })).await;
    let mut subscriber = Mqtt::of(server.mqtt, "watcher", &thing).await;
    assert_eq!(
        subscriber
            .subscribe(&format!("channels/{channel}/messages/#"))
            .await,
        1
    );
    send(9.5).await;
    let (topic, payload) = subscriber.next_message(PATIENCE).await.expect("a message");
    assert_eq!(
        topic,
        format!("channels/{channel}/messages/side=drive%2Fend")
    );
    let pack: Value = serde_json::from_slice(&payload).expect("SenML JSON");
    let text = pack.to_string();
    assert!(
        text.contains("pump/vibration") && text.contains("9.5"),
        "{text}"
    );
    let alarm = until("an alarm", async || {
        // Each look sends the value again: the rule may have come after the first.
        send(9.5).await;
        let query = "{ alarms { nodes { state seriesName } } }";
        let answer = graphql(&admin, query, Value::Null).await;
        Some(answer["alarms"]["nodes"][0].clone()).filter(|alarm| !alarm.is_null())
    })
    .await;
    assert_eq!(alarm["seriesName"], json!("pump/vibration"));
}

/// `TELLEE_INFLUX_PYTHON` is a Python that has the packages `influxdb` and `influxdb-client`; `scripts/influx-clients.sh`
/// makes one.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_clients_of_both_versions_write() {
    let python = std::env::var("TELLEE_INFLUX_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_clients = Command::new(&python)
        .args(["-c", "import influxdb, influxdb_client"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_clients {
        eprintln!("skipped: `{python}` has no packages `influxdb` and `influxdb-client`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/influx_clients.py");
    let output = Command::new(&python)
        .arg(script)
        .args([
            "127.0.0.1",
            &server.http.port().to_string(),
            &channel,
            &thing.id,
            &thing.key,
        ])
        .output()
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows = admin.messages(&channel).await;
    let mut found: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {} {}", row["subtopic"], row["name"], row["time"]))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "\"site=a%2Eb\" \"one/speed\" 1600000000",
            "\"site=a%2Eb\" \"two/speed\" 1600000001",
            "\"site=a%2Eb\" \"two/zipped\" 1600000002",
        ]
    );
}
