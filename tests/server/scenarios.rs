//! Runs the scenarios of `tests/scenarios/<area>/NNN-name.json`, each against a server of its own.
//!
//! A scenario is a list of steps. A step has `name`, `request` (`METHOD /path`), and may have `as` (`admin`, the default;
//! `nobody`; or a saved credential), `body` (JSON), `expect` (`status`; `headers`; `body`, of which each part must be
//! there; `length`, JSON pointer to number of elements) and `save` (name to JSON pointer of the answer, or `location`).
//! `{name}` in any text is what was saved under that name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::harness::Server;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    #[serde(default, rename = "as")]
    who: Option<String>,
    request: String,
    #[serde(default)]
    body: Option<Value>,
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

async fn run(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let steps: Vec<Step> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let mut saved = BTreeMap::new();
    for step in steps {
        let place = format!("{}, step `{}`", path.display(), step.name);
        let client = match step.who.as_deref() {
            None | Some("admin") => admin.clone(),
            Some("nobody") => server.anonymous(),
            Some(credential) => server.anonymous().as_who(&filled(credential, &saved)),
        };
        let (method, target) = step
            .request
            .split_once(' ')
            .unwrap_or_else(|| panic!("{place}: no method"));
        let method: Method = method.parse().unwrap();
        let mut request = client.request(method, &filled(target, &saved));
        if let Some(body) = &step.body {
            request = request.json(&fill(body, &saved));
        }
        let answer = Client::send(request).await;
        check(&place, &step, &answer, &saved);
        for (name, pointer) in &step.save {
            let value = if pointer == "location" {
                answer.id()
            } else {
                let found = answer.json();
                let found = found
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("{place}: nothing at {pointer}"));
                found
                    .as_str()
                    .map_or_else(|| found.to_string(), str::to_owned)
            };
            saved.insert(name.clone(), value);
        }
    }
}

fn check(place: &str, step: &Step, answer: &Answer, saved: &BTreeMap<String, String>) {
    assert_eq!(
        answer.status, step.expect.status,
        "{place}: {}",
        answer.text
    );
    for (name, value) in &step.expect.headers {
        let found = answer
            .headers
            .get(name)
            .and_then(|found| found.to_str().ok());
        assert_eq!(
            found,
            Some(filled(value, saved).as_str()),
            "{place}: header {name}"
        );
    }
    if let Some(wanted) = &step.expect.body {
        let lacking = lacks(&fill(wanted, saved), &answer.json(), "");
        assert_eq!(lacking, None, "{place}: {}", answer.text);
    }
    for (pointer, length) in &step.expect.length {
        let found = answer.json();
        let found = found
            .pointer(pointer)
            .and_then(Value::as_array)
            .map(Vec::len);
        assert_eq!(
            found,
            Some(*length),
            "{place}: {pointer} of {}",
            answer.text
        );
    }
}

async fn run_all(area: &str) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios")).join(area);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scenario in {}", folder.display());
    for path in paths {
        run(&path).await;
    }
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
