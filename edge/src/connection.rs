//! What the edge is connected to: the model that the bootstrap content and the local file share.

mod address;
pub(crate) mod duration;
mod model;
mod subtopic;

use std::collections::HashSet;

use serde::Deserialize;

pub use address::{Address, Area};
pub use duration::{format_duration, parse_duration};
pub use model::{
    ByteOrder, Connection, Deadband, Defaults, Device, Link, MaxGap, Plan, Point, PointType,
    Reconnect, Report, Timing,
};

use crate::connection::model::check_connection;

/// A fault in the description of the connections. Never retryable: someone has to change the description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    #[error("content is not JSON: {0}")]
    NotJson(String),
    #[error("content has no `connections`")]
    NoConnections,
    #[error("`{field}`: {reason}")]
    Field { field: String, reason: String },
}

impl ConnectionError {
    pub const fn is_retryable(&self) -> bool {
        false
    }

    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// Other keys of the content belong to other agents and are left alone.
#[derive(Deserialize)]
struct Content {
    connections: Option<Vec<serde_json::Value>>,
}

/// Reads and checks the connections of a bootstrap content: `{"connections": [ … ]}`.
///
/// # Errors
/// The first fault, with the path of its field, such as `connections[0].driver`.
pub fn connections_from_json(content: &str) -> Result<Vec<Connection>, ConnectionError> {
    let content: Content = serde_json::from_str(content)
        .map_err(|error| ConnectionError::NotJson(error.to_string()))?;
    let entries = content.connections.ok_or(ConnectionError::NoConnections)?;
    let mut connections = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let path = format!("connections[{index}]");
        check_driver(
            &path,
            entry.get("driver").and_then(serde_json::Value::as_str),
        )?;
        let connection: Connection = serde_json::from_value(entry)
            .map_err(|error| ConnectionError::field(&path, error.to_string()))?;
        connections.push(connection);
    }
    check_connections(&connections)?;
    Ok(connections)
}

/// Checks what the types cannot say.
///
/// # Errors
/// The first fault, with the path of its field.
pub fn check_connections(connections: &[Connection]) -> Result<(), ConnectionError> {
    // Over all connections: the platform knows no more of a series than its subtopic and name.
    let mut names = HashSet::new();
    for (index, connection) in connections.iter().enumerate() {
        let path = format!("connections[{index}]");
        check_driver(&path, Some(&connection.driver))?;
        if connections[..index]
            .iter()
            .any(|other| other.id == connection.id)
        {
            return Err(ConnectionError::field(
                format!("{path}.id"),
                format!("`{}` is given twice", connection.id),
            ));
        }
        check_connection(&path, connection, &mut names)?;
    }
    Ok(())
}

/// Before the rest, because the shape of the rest depends on it.
fn check_driver(path: &str, driver: Option<&str>) -> Result<(), ConnectionError> {
    let field = format!("{path}.driver");
    match driver {
        Some("modbus") => Ok(()),
        Some(other) => Err(ConnectionError::field(
            field,
            format!("driver `{other}` is not known; known: `modbus`"),
        )),
        None => Err(ConnectionError::field(field, "missing; known: `modbus`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(device: &str) -> String {
        format!(
            r#"{{"connections":[{{"id":"plc","driver":"modbus","link":{{"kind":"tcp","host":"10.0.0.5","port":502}},
               "devices":[{device}]}}]}}"#
        )
    }

    fn fault(content: &str) -> String {
        connections_from_json(content).unwrap_err().to_string()
    }

    #[test]
    fn the_shape_of_the_guide_is_read() {
        let text = r#"{"agent":{"other":1},"connections":[{
            "id":"boiler-plc","driver":"modbus","link":{"kind":"tcp","host":"10.0.0.5","port":502},
            "timing":{"timeout":"1s","retries":1,"reconnect":{"min":"1s","max":"30s"}},
            "defaults":{"byte_order":"ABCD","address_base":0,"every":"1s","report":"on_change","heartbeat":"60s"},
            "devices":[{"unit":1,"thing":"boiler-7","subtopic":"boiler",
              "plan":{"max_registers":125,"max_gap":"auto","degrade_after":3,"probe_every":"60s"},
              "points":[
                {"name":"steam_temp","at":"holding/100","type":"f32","scale":0.1,"unit":"Cel","deadband":0.5},
                {"name":"running","at":"coil/3"},
                {"name":"level","at":"30011","type":"u16","deadband":{"percent":1}}]}]}]}"#;
        let connections = connections_from_json(text).unwrap();
        assert_eq!(connections[0].devices[0].points.len(), 3);
    }

    #[test]
    fn a_fault_names_its_field() {
        let unknown =
            r#"{"connections":[{"id":"a","driver":"opcua","link":{"url":"x"},"devices":[]}]}"#;
        assert_eq!(
            fault(unknown),
            "`connections[0].driver`: driver `opcua` is not known; known: `modbus`"
        );
        let point = |point: &str| content(&format!(r#"{{"unit":1,"points":[{point}]}}"#));
        assert_eq!(
            fault(&point(r#"{"name":"a","at":"holdng/1"}"#)),
            "`connections[0].devices[0].points[0].at`: area `holdng` is not one of coil, discrete, input, holding"
        );
        assert!(fault(&point(r#"{"name":"a b","at":"holding/1"}"#)).contains("points[0].name"));
        assert!(
            fault(&point(r#"{"name":"a","at":"coil/1","type":"f32"}"#)).contains("points[0].type")
        );
        assert!(
            fault(&point(r#"{"name":"a","at":"holding/1","every":"10ms"}"#))
                .contains("points[0].every")
        );
        assert!(
            fault(&point(r#"{"name":"a","at":"holding/65535","type":"f32"}"#))
                .contains("points[0].at")
        );
        assert!(fault(&point(r#"{"name":"a","at":"holding/1","colour":1}"#)).contains("colour"));
        assert!(
            fault(&point(r#"{"name":"a","at":"holding/1","scale":0}"#)).contains("points[0].scale")
        );
        assert_eq!(fault("{}"), "content has no `connections`");
        assert!(fault("").starts_with("content is not JSON"));
    }

    #[test]
    fn two_connections_may_not_give_one_series() {
        let connection = |id: &str, subtopic: &str| {
            format!(
                r#"{{"id":"{id}","driver":"modbus","link":{{"kind":"tcp","host":"10.0.0.5","port":502}},
                   "devices":[{{"unit":1,"subtopic":"{subtopic}","points":[{{"name":"temp","at":"holding/1"}}]}}]}}"#
            )
        };
        let both = |one: &str, other: &str| {
            let (one, other) = (connection("a", one), connection("b", other));
            format!(r#"{{"connections":[{one},{other}]}}"#)
        };
        // To the platform `.` and `/` are the same.
        for (one, other) in [("x", "x"), ("x/y", "x.y")] {
            let fault = fault(&both(one, other));
            let field = "`connections[1].devices[0].points[0].name`";
            assert!(fault.starts_with(field), "{fault}");
        }
        assert!(connections_from_json(&both("x", "y")).is_ok());
    }

    #[test]
    fn a_subtopic_that_the_platform_refuses_or_reads_otherwise_is_a_fault() {
        let subtopic = |subtopic: &str| {
            let subtopic = serde_json::Value::from(subtopic);
            content(&format!(
                r#"{{"unit":1,"subtopic":{subtopic},"points":[{{"name":"a","at":"holding/1"}}]}}"#
            ))
        };
        let too_deep = vec!["a"; 33].join("/");
        for text in [
            "%2A",
            "%2a/b",
            "%e9",
            "50%41",
            "a\u{1}b",
            "a\u{85}b",
            "a\0",
            "a+b",
            "#",
            "*",
            ">",
            "a?b",
            "a//b",
            "",
            &too_deep,
            &too_deep.replace('/', "."),
            &"a".repeat(257),
        ] {
            let told = fault(&subtopic(text));
            assert!(told.contains("devices[0].subtopic"), "{text}: {told}");
        }
        let deep = vec!["a"; 32].join("/");
        for text in ["pump/1", "a.b", "насос", "a b", "50%", "100%x", "%", &deep] {
            assert!(connections_from_json(&subtopic(text)).is_ok(), "{text}");
        }
    }

    #[test]
    fn names_are_unique_within_a_subtopic() {
        let twice = content(
            r#"{"unit":1,"points":[{"name":"a","at":"holding/1"},{"name":"a","at":"holding/2"}]}"#,
        );
        assert!(fault(&twice).contains("given twice"));
    }
}
