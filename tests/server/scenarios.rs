//! Runs the scenarios of `tests/scenarios/<area>/NNN-name.yaml`, each against a server of its own.
//!
//! A scenario says what it `proves` and has `steps`. A step has `name`, `request` (`METHOD /path`), and may have `as`
//! (`admin`, the default; `nobody`; or a saved credential), `headers`, one of `body` (as JSON), `text`, `hex` (bytes,
//! blanks allowed) and `bytes` (so many of them), `save` (name to JSON pointer of the answer, or `location`), and it has
//! `expect`: `status`, `headers`, `body`, of which each part must be there (`null`: must not), and `length`, JSON pointer
//! to number of elements. `{name}` in any text is what was saved under that name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::harness::Server;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    proves: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    #[serde(default, rename = "as")]
    who: Option<String>,
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    hex: Option<String>,
    #[serde(default)]
    bytes: Option<usize>,
    expect: Expected,
    #[serde(default)]
    save: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    length: BTreeMap<String, usize>,
}

impl Step {
    /// The bytes of the body, and whether they are JSON.
    fn payload(&self, saved: &BTreeMap<String, String>) -> Option<(Vec<u8>, bool)> {
        if let Some(body) = &self.body {
            let body = serde_json::to_vec(&fill(body, saved)).expect("JSON");
            return Some((body, true));
        }
        if let Some(text) = &self.text {
            return Some((text.clone().into_bytes(), false));
        }
        if let Some(digits) = &self.hex {
            let digits = digits.replace(' ', "");
            return Some((hex::decode(digits).expect("hexadecimal digits"), false));
        }
        self.bytes.map(|count| (vec![b'x'; count], false))
    }

    fn request(&self, client: &Client, saved: &BTreeMap<String, String>) -> RequestBuilder {
        let target = filled(&self.request, saved);
        let (method, path) = target
            .split_once(' ')
            .unwrap_or_else(|| panic!("`{target}` has no method"));
        let method: Method = method.parse().expect("a method");
        let mut request = client.request(method, path);
        for (name, value) in &self.headers {
            request = request.header(name, filled(value, saved));
        }
        let Some((payload, is_json)) = self.payload(saved) else {
            return request;
        };
        if is_json && !self.headers.contains_key("content-type") {
            request = request.header("content-type", "application/json");
        }
        request.body(payload)
    }
}

fn filled(text: &str, saved: &BTreeMap<String, String>) -> String {
    saved.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

fn fill(value: &Value, saved: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, saved)),
        Value::Array(items) => items.iter().map(|item| fill(item, saved)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, inner)| (name.clone(), fill(inner, saved)))
            .collect(),
        other => other.clone(),
    }
}

/// Whether all of `wanted` is in `found`; the JSON pointer to the first part that is not.
fn lacks(wanted: &Value, found: &Value, at: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(name, inner)| {
            lacks(
                inner,
                found.get(name).unwrap_or(&Value::Null),
                &format!("{at}/{name}"),
            )
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() <= found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (wanted, found))| lacks(wanted, found, &format!("{at}/{index}"))),
        (wanted, found) if wanted == found => None,
        _ => Some(format!("{at}: wanted {wanted}, found {found}")),
    }
}

/// What did not hold, step by step.
async fn run(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("the scenario can be read");
    let scenario: Scenario =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!scenario.proves.is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let mut saved = BTreeMap::new();
    let mut failures = Vec::new();
    for step in scenario.steps {
        let client = match step.who.as_deref() {
            None | Some("admin") => admin.clone(),
            Some("nobody") => server.anonymous(),
            Some(credential) => server.anonymous().as_who(&filled(credential, &saved)),
        };
        let answer = Client::send(step.request(&client, &saved)).await;
        let mut found = failures_of(&step, &answer, &saved);
        for (name, pointer) in &step.save {
            match saved_value(&answer, pointer) {
                Some(value) => drop(saved.insert(name.clone(), value)),
                None => found.push(format!("nothing at `{pointer}` to save")),
            }
        }
        let file = path.file_name().unwrap_or_default().display();
        failures.extend(
            found
                .into_iter()
                .map(|failure| format!("{file}, `{}`: {failure}; {}", step.name, answer.text)),
        );
    }
    failures
}

fn saved_value(answer: &Answer, pointer: &str) -> Option<String> {
    if pointer == "location" {
        return answer
            .location
            .as_deref()?
            .rsplit('/')
            .next()
            .map(str::to_owned);
    }
    let found: Value = serde_json::from_str(&answer.text).ok()?;
    let found = found.pointer(pointer)?;
    Some(
        found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned),
    )
}

fn failures_of(step: &Step, answer: &Answer, saved: &BTreeMap<String, String>) -> Vec<String> {
    let expect = &step.expect;
    let mut failures = Vec::new();
    if answer.status != expect.status {
        failures.push(format!(
            "wanted status {}, found {}",
            expect.status, answer.status
        ));
    }
    for (name, value) in &expect.headers {
        let found = answer.headers.get(name);
        let found = found.and_then(|found| found.to_str().ok());
        let wanted = filled(value, saved);
        if found != Some(wanted.as_str()) {
            failures.push(format!(
                "header `{name}`: wanted `{wanted}`, found {found:?}"
            ));
        }
    }
    let json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    if let Some(wanted) = &expect.body {
        failures.extend(lacks(&fill(wanted, saved), &json, ""));
    }
    for (pointer, length) in &expect.length {
        let found = json
            .pointer(pointer)
            .and_then(Value::as_array)
            .map(Vec::len);
        if found != Some(*length) {
            failures.push(format!(
                "`{pointer}`: wanted {length} elements, found {found:?}"
            ));
        }
    }
    failures
}

async fn run_all(area: &str) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios")).join(area);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the scenarios are there")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let foreign = paths
        .iter()
        .find(|path| path.extension() != Some("yaml".as_ref()));
    assert_eq!(foreign, None, "no scenario");
    paths.sort();
    assert!(!paths.is_empty(), "no scenario in {}", folder.display());
    let mut failures = Vec::new();
    for path in paths {
        failures.extend(run(&path).await);
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[tokio::test]
async fn rest_scenarios_hold() {
    run_all("rest").await;
}

#[tokio::test]
async fn graphql_scenarios_hold() {
    run_all("graphql").await;
}

#[test]
fn a_part_that_is_missing_is_named() {
    let found = serde_json::json!({ "a": [1, { "b": 2 }] });
    assert_eq!(lacks(&serde_json::json!({ "a": [1] }), &found, ""), None);
    assert_eq!(
        lacks(&serde_json::json!({ "a": [1, { "b": 3 }] }), &found, ""),
        Some("/a/1/b: wanted 3, found 2".to_owned())
    );
}
