//! Who may read what. Every field of the schema has a rule; a field without one is refused, and a test finds it.
//!
//! Rules are about roles. That an entity is of the caller's organisation is checked where it is looked up.

mod readable;

use std::sync::{Arc, LazyLock};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo,
};
use async_graphql::{ServerError, ServerResult, Value};

use hashbrown::HashMap;

use self::readable::READABLE;
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
        "OrganisationPayload",
        &["organisation", "revision"],
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
        &[
            "createUser",
            "changeUserRole",
            "disableUser",
            "enableUser",
            "renameOrganisation",
        ],
        Rule::May(Action::ManageUsers),
    ),
    ("Mutation", &["changePassword"], Rule::SignedIn),
    (
        "Subscription",
        &["telemetry", "alarmChanges"],
        Rule::May(Action::Read),
    ),
];

/// The rules by type and field.
static RULES: LazyLock<HashMap<&'static str, HashMap<&'static str, Rule>>> = LazyLock::new(|| {
    let mut rules: HashMap<&'static str, HashMap<&'static str, Rule>> = HashMap::new();
    let readable = READABLE
        .iter()
        .map(|(parent, fields)| (*parent, *fields, Rule::May(Action::Read)));
    let others = FIELD_RULES
        .iter()
        .map(|(parent, fields, rule)| (*parent, *fields, *rule));
    for (parent, fields, rule) in readable.chain(others) {
        rules
            .entry(parent)
            .or_default()
            .extend(fields.iter().map(|field| (*field, rule)));
    }
    rules
});

/// The rule of a field; `None` if it has none.
pub fn rule(parent_type: &str, field: &str) -> Option<Rule> {
    RULES.get(parent_type)?.get(field).copied()
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
        if is_ruled(info.parent_type, info.name) {
            let pos = info.field.name.pos;
            allowed(ctx, info.parent_type, info.name)
                .map_err(|error| async_graphql::Error::from(error).into_server_error(pos))?;
        }
        next.run(ctx, info).await
    }
}

/// What the schema says of itself is for whoever is signed in. The members of a list come with a type such as `[Thing!]`
/// for a parent; the field that holds the list was ruled before.
fn is_ruled(parent_type: &str, field: &str) -> bool {
    !field.starts_with("__") && !parent_type.starts_with("__") && !parent_type.starts_with('[')
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
    fn a_field_that_nobody_ruled_is_refused() {
        assert_eq!(rule("Thing", "name"), Some(Rule::May(Action::Read)));
        assert_eq!(rule("Thing", "key"), None);
        assert_eq!(
            rule("ThingPayload", "key"),
            Some(Rule::May(Action::RevealKeys))
        );
        assert_eq!(rule("Secrets", "all"), None);
    }

    #[test]
    fn no_field_has_two_rules() {
        let mut seen = std::collections::BTreeSet::new();
        let readable = READABLE.iter().map(|(parent, fields)| (*parent, *fields));
        for (parent, fields) in readable.chain(
            FIELD_RULES
                .iter()
                .map(|(parent, fields, _)| (*parent, *fields)),
        ) {
            for field in fields {
                assert!(
                    seen.insert((parent, *field)),
                    "`{parent}.{field}` has two rules"
                );
            }
        }
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
        let readable = READABLE.iter().map(|(parent, fields)| (*parent, *fields));
        for (parent, names) in readable.chain(
            FIELD_RULES
                .iter()
                .map(|(parent, names, _)| (*parent, *names)),
        ) {
            for name in names {
                let known = fields.contains(&(parent.to_owned(), (*name).to_owned()));
                assert!(known, "`{parent}.{name}` is no field of the schema");
            }
        }
    }
}
