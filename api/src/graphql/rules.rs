//! Who may read what. Every field of the schema has a rule; a field without one is refused, and a test finds it.
//!
//! Rules are about roles. That an entity is of the caller's organisation is checked where it is looked up.

use std::sync::Arc;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo,
};
use async_graphql::{ServerError, ServerResult, Value};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::Action;

/// What a caller needs for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Whoever is signed in.
    SignedIn,
    May(Action),
}

/// Types whose every field may be read by whoever got hold of one: what leads to them is ruled below.
const READABLE_TYPES: &[&str] = &[
    "AggregateColumn",
    "Aggregates",
    "Alarm",
    "AlarmBucket",
    "AlarmChangeEvent",
    "AlarmComment",
    "AlarmConnection",
    "AlarmCounts",
    "AlarmJournalConnection",
    "AlarmJournalEntry",
    "AlarmKpis",
    "AlarmLevel",
    "AlarmPayload",
    "AlarmRefusal",
    "AlarmRule",
    "AlarmRuleConnection",
    "AlarmRulePayload",
    "AlarmsPayload",
    "AuditConnection",
    "BadActor",
    "Change",
    "Channel",
    "ChannelConnection",
    "ChannelPayload",
    "ConnectPayload",
    "Contribution",
    "Deadman",
    "DeviceType",
    "DeviceTypeConnection",
    "DeviceTypePayload",
    "EdgeDevice",
    "EdgeDeviceConnection",
    "EdgeDevicePayload",
    "EntitySnapshot",
    "HistoryConnection",
    "HistoryEntry",
    "MlStatus",
    "Model",
    "ModelConnection",
    "ModelPayload",
    "ModelSignal",
    "ModelVersion",
    "Organisation",
    "PageInfo",
    "Points",
    "PriorityCount",
    "PriorityShare",
    "RemovedPayload",
    "RevisionPayload",
    "Sample",
    "Series",
    "SeriesConnection",
    "SeriesLimit",
    "Server",
    "Tag",
    "TelemetryFrame",
    "Thing",
    "ThingConnection",
    "UnknownDevice",
    "UnknownDeviceConnection",
    "Viewer",
];

/// Types whose fields need more, and the roots, field by field.
const FIELD_RULES: &[(&str, &[&str], Rule)] = &[
    ("Query", &["me", "server"], Rule::SignedIn),
    (
        "Query",
        &[
            "things",
            "thing",
            "channels",
            "channel",
            "edgeDevices",
            "edgeDevice",
            "deviceTypes",
            "series",
            "seriesById",
            "alarms",
            "alarm",
            "alarmCounts",
            "alarmJournal",
            "alarmKpis",
            "alarmRules",
            "alarmRule",
            "models",
            "model",
            "history",
            "entityAt",
            "diff",
            "audit",
        ],
        Rule::May(Action::Read),
    ),
    ("Query", &["unknownDevices"], Rule::May(Action::Provision)),
    ("Query", &["users"], Rule::May(Action::ManageUsers)),
    (
        "User",
        &["id", "email", "role", "disabled", "revision"],
        Rule::May(Action::ManageUsers),
    ),
    (
        "UserConnection",
        &["nodes", "pageInfo", "total"],
        Rule::May(Action::ManageUsers),
    ),
    (
        "UserPayload",
        &["user", "revision"],
        Rule::May(Action::ManageUsers),
    ),
    (
        "ThingPayload",
        &["thing", "revision"],
        Rule::May(Action::Provision),
    ),
    ("ThingPayload", &["key"], Rule::May(Action::RevealKeys)),
    (
        "ThingKeyPayload",
        &["thing", "revision", "key"],
        Rule::May(Action::RevealKeys),
    ),
    (
        "Mutation",
        &[
            "createThing",
            "updateThing",
            "removeThing",
            "createDeviceType",
            "updateDeviceType",
            "removeDeviceType",
            "createChannel",
            "updateChannel",
            "removeChannel",
            "connect",
            "disconnect",
            "registerEdgeDevice",
            "updateEdgeDevice",
            "changeEdgeDeviceState",
            "removeEdgeDevice",
        ],
        Rule::May(Action::Provision),
    ),
    (
        "Mutation",
        &["changeThingKey"],
        Rule::May(Action::RevealKeys),
    ),
    // Provisioning or alarm rules, by the kind of the entity: the mutation itself asks.
    ("Mutation", &["rollBack"], Rule::May(Action::Read)),
    (
        "Mutation",
        &["createAlarmRule", "updateAlarmRule", "removeAlarmRule"],
        Rule::May(Action::EditAlarmRules),
    ),
    (
        "Mutation",
        &[
            "acknowledgeAlarms",
            "shelveAlarm",
            "unshelveAlarm",
            "commentAlarm",
            "resetAlarm",
        ],
        Rule::May(Action::OperateAlarms),
    ),
    (
        "Mutation",
        &["takeAlarmOutOfService", "returnAlarmToService"],
        Rule::May(Action::TakeOutOfService),
    ),
    (
        "Mutation",
        &[
            "createModel",
            "trainModel",
            "promoteModelVersion",
            "retireModelVersion",
            "removeModel",
        ],
        Rule::May(Action::ManageModels),
    ),
    (
        "Mutation",
        &["createUser", "changeUserRole", "disableUser", "enableUser"],
        Rule::May(Action::ManageUsers),
    ),
    ("Mutation", &["changePassword"], Rule::SignedIn),
    (
        "Subscription",
        &["telemetry", "alarmChanges"],
        Rule::May(Action::Read),
    ),
];

/// The rule of a field; `None` if it has none.
pub fn rule(parent_type: &str, field: &str) -> Option<Rule> {
    if READABLE_TYPES.binary_search(&parent_type).is_ok() {
        return Some(Rule::May(Action::Read));
    }
    FIELD_RULES
        .iter()
        .find(|(of, fields, _)| *of == parent_type && fields.contains(&field))
        .map(|(_, _, rule)| *rule)
}

/// Refuses every field that the caller may not read.
pub struct Rules;

impl ExtensionFactory for Rules {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Rules {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        // Items of a list come here too, with the list as their parent: the field that holds it was ruled before.
        let item_of_list = info.parent_type.starts_with('[');
        // The schema about itself; `introspection` switches it off where it is not wanted.
        if !info.is_for_introspection && !item_of_list && !info.parent_type.starts_with("__") {
            let pos = info.field.name.pos;
            allowed(ctx, info.parent_type, info.name)
                .map_err(|error| async_graphql::Error::from(error).into_server_error(pos))?;
        }
        next.run(ctx, info).await
    }
}

fn allowed(ctx: &ExtensionContext<'_>, parent_type: &str, field: &str) -> Result<(), ApiError> {
    let caller = ctx
        .data_opt::<Caller>()
        .ok_or_else(ApiError::unauthenticated)?;
    match rule(parent_type, field) {
        None => Err(ApiError::internal(&format!(
            "`{parent_type}.{field}` has no rule"
        ))),
        Some(Rule::SignedIn) => Ok(()),
        Some(Rule::May(action)) => caller.require(action),
    }
}

/// The error of ours behind one of the library's.
pub fn cause(error: &ServerError) -> Option<&ApiError> {
    error.source::<ApiError>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::schema::builder;

    #[test]
    fn the_list_of_readable_types_is_sorted() {
        assert!(READABLE_TYPES.is_sorted());
    }

    #[test]
    fn every_field_of_the_schema_has_a_rule_and_every_rule_a_field() {
        let sdl = builder().finish().sdl();
        let document = async_graphql::parser::parse_schema(&sdl).unwrap();
        let mut fields = std::collections::BTreeSet::new();
        for definition in &document.definitions {
            use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let TypeKind::Object(object) = &definition.node.kind else {
                continue;
            };
            for field in &object.fields {
                fields.insert((
                    definition.node.name.node.to_string(),
                    field.node.name.node.to_string(),
                ));
            }
        }
        for (parent, field) in &fields {
            assert!(
                rule(parent, field).is_some(),
                "`{parent}.{field}` has no rule: say who may read it"
            );
        }
        for parent in READABLE_TYPES {
            assert!(
                fields.iter().any(|(of, _)| of == parent),
                "`{parent}` is no type of the schema"
            );
        }
        for (parent, names, _) in FIELD_RULES {
            for name in *names {
                let known = fields.contains(&((*parent).to_owned(), (*name).to_owned()));
                assert!(known, "`{parent}.{name}` is no field of the schema");
            }
        }
    }
}
