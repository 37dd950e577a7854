//! What the demo provisions: one pump, its channel, its edge device, its alarm rules, its model.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tellee_edge::sim::{self, AlarmLimit, SimKind, SimTag};

use super::client::Client;
use crate::failure::Failure;

pub const EXTERNAL_ID: &str = "02:00:00:00:01:01";
const ORGANISATION: &str = "Karaton station";
const THING: &str = "P-101";
const CHANNEL: &str = "pump-station";
const MODEL: &str = "pump-bearing";
const TRAINING_TIMEOUT: Duration = Duration::from_secs(120);

/// Who the demo signs in as, and the key of its edge device. Made at the first start.
#[derive(Debug, Serialize, Deserialize)]
pub struct Account {
    pub email: String,
    pub password: String,
    pub external_key: String,
}

pub struct Plant {
    thing: String,
    channel: String,
    series: Vec<String>,
}

pub enum Trained {
    Version(u64),
    AlreadyThere,
}

/// The account kept in the demo's folder.
pub fn account(folder: &Path) -> Result<Account, Failure> {
    let path = folder.join("account.json");
    let failed = |error: &dyn std::fmt::Display| {
        Failure::DataFolder(format!(
            "the demo's account `{}` cannot be used: {error}",
            path.display()
        ))
    };
    if let Ok(text) = fs::read_to_string(&path) {
        return serde_json::from_str(&text).map_err(|error| failed(&error));
    }
    let account = Account {
        email: "operator@karaton-station.example".to_owned(),
        password: uuid::Uuid::new_v4().simple().to_string()[..12].to_owned(),
        external_key: uuid::Uuid::new_v4().to_string(),
    };
    let text = serde_json::to_vec_pretty(&account).map_err(|error| failed(&error))?;
    write_private(&path, &text).map_err(|error| failed(&error))?;
    Ok(account)
}

/// The file from which the edge agent reads its key.
pub fn external_key_file(folder: &Path, account: &Account) -> Result<PathBuf, Failure> {
    let path = folder.join("external-key");
    write_private(&path, account.external_key.as_bytes()).map_err(|error| {
        Failure::DataFolder(format!("`{}` cannot be written: {error}", path.display()))
    })?;
    Ok(path)
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}

/// Makes the plant, or finds that of an earlier run and gives its edge device the new address of the simulator.
pub async fn provision(
    client: &Client,
    account: &Account,
    kind: &SimKind,
    content: &Value,
) -> Result<Plant, Failure> {
    let tags = sim::tags(kind).map_err(|error| Failure::Usage(error.to_string()))?;
    let series = tags.iter().map(|tag| tag.name.clone()).collect();
    let content = content.to_string();
    let found = client
        .graphql(
            "query($name: String!) { things(name: $name, first: 10) { nodes { id name channels { id } \
             edgeDevice { id revision } } } }",
            json!({ "name": THING }),
        )
        .await?;
    let nodes = found["things"]["nodes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if let Some(thing) = nodes
        .iter()
        .find(|thing| thing["name"] == THING && !thing["edgeDevice"].is_null())
    {
        client
            .graphql(
                "mutation($input: UpdateEdgeDeviceInput!) { updateEdgeDevice(input: $input) { revision } }",
                json!({ "input": { "idempotencyKey": key(), "id": thing["edgeDevice"]["id"], "content": content,
                                   "note": "the simulator has a new address" } }),
            )
            .await?;
        return Ok(Plant {
            thing: text(&thing["id"]),
            channel: text(&thing["channels"][0]["id"]),
            series,
        });
    }
    let plant = create(client, &tags, series).await?;
    register(client, &plant, account, &content).await?;
    Ok(plant)
}

async fn create(client: &Client, tags: &[SimTag], series: Vec<String>) -> Result<Plant, Failure> {
    client
        .graphql(
            "mutation($input: RenameOrganisationInput!) { renameOrganisation(input: $input) { revision } }",
            json!({ "input": { "idempotencyKey": key(), "name": ORGANISATION } }),
        )
        .await?;
    let made = client
        .graphql(
            "mutation($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }",
            json!({ "input": { "idempotencyKey": key(), "name": CHANNEL, "metadata": { "type": "data" } } }),
        )
        .await?;
    let channel = text(&made["createChannel"]["channel"]["id"]);
    let inputs: Vec<Value> = tags.iter().map(tag_input).collect();
    let made = client
        .graphql(
            "mutation($input: CreateThingInput!) { createThing(input: $input) { thing { id } } }",
            json!({ "input": { "idempotencyKey": key(), "name": THING, "tags": inputs,
                               "metadata": { "title": "Feed pump A", "unit": "100 Crude feed" } } }),
        )
        .await?;
    let thing = text(&made["createThing"]["thing"]["id"]);
    for tag in tags {
        if let Some(definition) = rule(tag, &thing) {
            client
                .graphql(
                    "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { revision } }",
                    json!({ "input": { "idempotencyKey": key(), "definition": definition } }),
                )
                .await?;
        }
    }
    Ok(Plant {
        thing,
        channel,
        series,
    })
}

/// Registers the edge device of a plant that was just made.
async fn register(
    client: &Client,
    plant: &Plant,
    account: &Account,
    content: &str,
) -> Result<(), Failure> {
    client
        .graphql(
            "mutation($input: RegisterEdgeDeviceInput!) { registerEdgeDevice(input: $input) { revision } }",
            json!({ "input": { "idempotencyKey": key(), "externalId": EXTERNAL_ID, "externalKey": account.external_key,
                               "name": "edge-01", "content": content, "channels": [plant.channel],
                               "thing": plant.thing, "activate": true } }),
        )
        .await?;
    Ok(())
}

fn tag_input(tag: &SimTag) -> Value {
    json!({
        "series": tag.name, "title": tag.title, "unit": tag.unit.clone().unwrap_or_default(),
        "low": tag.low, "high": tag.high, "decimals": tag.decimals,
        "expectedIntervalMs": (tag.expected_interval_s * 1_000.0) as u64,
    })
}

/// The rule that the simulator suggests for a tag.
fn rule(tag: &SimTag, thing: &str) -> Option<Value> {
    let first = tag.alarms.first()?;
    let levels: Vec<Value> = tag
        .alarms
        .iter()
        .map(|alarm| {
            let (kind, priority) = match alarm.limit {
                AlarmLimit::HiHi => ("HI_HI", "P1"),
                AlarmLimit::Hi => ("HI", "P2"),
                AlarmLimit::Lo => ("LO", "P3"),
                AlarmLimit::LoLo => ("LO_LO", "P2"),
            };
            json!({ "kind": kind, "limit": alarm.value, "priority": priority })
        })
        .collect();
    let word = if matches!(first.limit, AlarmLimit::Hi | AlarmLimit::HiHi) {
        "high"
    } else {
        "low"
    };
    let (consequence, action) = advice(&tag.name);
    Some(json!({
        "name": format!("{} {word}", tag.title), "thing": thing, "seriesName": tag.name, "levels": levels,
        "deadband": first.deadband, "onDelayMs": (first.on_delay_s * 1_000.0) as u64, "offDelayMs": 5_000,
        "message": format!("{} {word}", tag.title), "consequence": consequence, "action": action,
        "timeToRespondMs": 600_000,
    }))
}

/// What happens if nobody acts, and what to do.
fn advice(series: &str) -> (&'static str, &'static str) {
    match series {
        name if name.starts_with("vibration") => (
            "Bearing damage, then loss of the pump",
            "Change over to the standby pump and inspect the bearing",
        ),
        name if name.starts_with("bearing_temperature") => (
            "Lubrication fails, the bearing seizes",
            "Check the oil level and the cooling, then change over",
        ),
        "suction_pressure" => (
            "Cavitation damages the impeller",
            "Open the suction valve, check the strainer",
        ),
        "flow" => (
            "The unit downstream runs short of feed",
            "Check the discharge valve and the speed",
        ),
        "discharge_pressure" => ("The relief valve opens", "Open the discharge valve"),
        "motor_current" => (
            "The motor trips on overload",
            "Reduce the flow, check for a blockage",
        ),
        _ => (
            "The pump is stressed",
            "Look at the trend and call the shift engineer",
        ),
    }
}

/// Makes the model and trains it on the last healthy seconds, unless an earlier run left a live one.
pub async fn train(client: &Client, plant: &Plant, healthy: Duration) -> Result<Trained, Failure> {
    let found = client
        .graphql(
            "query($thing: ID!) { models(thing: $thing) { nodes { id name live } } server { time ml { state reason } } }",
            json!({ "thing": plant.thing }),
        )
        .await?;
    let ml = &found["server"]["ml"];
    if ml["state"] != "READY" {
        let reason = ml["reason"].as_str().unwrap_or("the worker is not ready");
        return Err(Failure::Other(format!("{} ({reason})", text(&ml["state"]))));
    }
    let known = found["models"]["nodes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let known = known.into_iter().find(|model| model["name"] == MODEL);
    if known.as_ref().is_some_and(|model| !model["live"].is_null()) {
        return Ok(Trained::AlreadyThere);
    }
    let model = match known {
        Some(model) => text(&model["id"]),
        None => create_model(client, plant).await?,
    };
    let to: jiff::Timestamp = text(&found["server"]["time"])
        .parse()
        .map_err(|error| Failure::Other(format!("the server's time is not understood: {error}")))?;
    let from = to
        .checked_sub(jiff::SignedDuration::try_from(healthy).unwrap_or(jiff::SignedDuration::ZERO));
    let from = from.map_err(|error| Failure::Other(error.to_string()))?;
    client
        .graphql(
            "mutation($input: TrainModelInput!) { trainModel(input: $input) { revision } }",
            json!({ "input": { "idempotencyKey": key(), "model": model, "from": from.to_string(),
                               "to": to.to_string(), "promote": true } }),
        )
        .await?;
    wait_until_live(client, &model).await
}

async fn create_model(client: &Client, plant: &Plant) -> Result<String, Failure> {
    let signals: Vec<Value> = plant
        .series
        .iter()
        .map(|series| json!({ "channel": plant.channel, "series": series }))
        .collect();
    let made = client
        .graphql(
            "mutation($input: CreateModelInput!) { createModel(input: $input) { model { id } } }",
            json!({ "input": { "idempotencyKey": key(), "name": MODEL, "thing": plant.thing, "signals": signals,
                               "samplePeriodMs": 500, "window": 8, "persistence": 4,
                               "scoreSeries": "bearing.score" } }),
        )
        .await?;
    Ok(text(&made["createModel"]["model"]["id"]))
}

async fn wait_until_live(client: &Client, model: &str) -> Result<Trained, Failure> {
    let waiting = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let found = client
                .graphql(
                    "query($id: ID!) { model(id: $id) { live lastFailure } }",
                    json!({ "id": model }),
                )
                .await?;
            if let Some(version) = found["model"]["live"].as_u64() {
                return Ok(Trained::Version(version));
            }
            if let Some(reason) = found["model"]["lastFailure"].as_str() {
                return Err(Failure::Other(format!("training failed: {reason}")));
            }
        }
    };
    tokio::time::timeout(TRAINING_TIMEOUT, waiting)
        .await
        .unwrap_or_else(|_| Err(Failure::Other("training takes too long".to_owned())))
}

fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
