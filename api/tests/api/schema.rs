//! The committed schema, read so that each of its fields can be asked.

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use hashbrown::HashMap;
use serde_json::{Value, json};

use super::walls::Ours;

/// Its name, its arguments, its type.
pub type Field = (String, Vec<(String, Type)>, Type);

pub struct Schema(HashMap<String, TypeDefinition>);

impl Schema {
    pub fn read() -> Self {
        let document = parse_schema(include_str!("../../schema.graphql")).unwrap();
        let types = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(definition) => {
                    Some((definition.node.name.node.to_string(), definition.node))
                }
                _ => None,
            });
        Self(types.collect())
    }

    pub fn fields(&self, of: &str) -> Vec<Field> {
        let Some(TypeKind::Object(object)) = self.0.get(of).map(|definition| &definition.kind)
        else {
            return Vec::new();
        };
        let field = |field: &Positioned<async_graphql::parser::types::FieldDefinition>| {
            let arguments = field.node.arguments.iter();
            let arguments = arguments.map(|argument| {
                (
                    argument.node.name.to_string(),
                    argument.node.ty.node.clone(),
                )
            });
            (
                field.node.name.to_string(),
                arguments.collect(),
                field.node.ty.node.clone(),
            )
        };
        object.fields.iter().map(field).collect()
    }

    /// All leaves of `of`, and those of what it leads to.
    pub fn selection(&self, of: &str, depth: usize) -> String {
        let mut leaves = Vec::new();
        for (name, arguments, ty) in self.fields(of) {
            if arguments.iter().any(|(_, ty)| !ty.nullable) {
                continue;
            }
            let inner = name_of(&ty.base);
            if !matches!(
                self.0.get(inner).map(|definition| &definition.kind),
                Some(TypeKind::Object(_))
            ) {
                leaves.push(name);
            } else if depth > 0 && name != "changes" {
                leaves.push(format!("{name} {{ {} }}", self.selection(inner, depth - 1)));
            }
        }
        if leaves.is_empty() {
            "__typename".to_owned()
        } else {
            leaves.join(" ")
        }
    }

    pub fn value(&self, name: &str, ty: &Type, kind: &str, ours: &Ours) -> Value {
        let base = match &ty.base {
            BaseType::List(inner) => return json!([self.value(name, inner, kind, ours)]),
            BaseType::Named(base) => base.as_str(),
        };
        match (base, name) {
            ("ID", "thing") => json!(ours.id("THING")),
            ("ID", "channel" | "channels") => json!(ours.id("CHANNEL")),
            ("ID", "deviceType") => json!(ours.id("DEVICE_TYPE")),
            ("ID", "model") => json!(ours.id("MODEL")),
            ("ID", "alarm") => json!(ours.id("ALARM")),
            ("ID", "series") => json!(ours.id("SERIES")),
            ("ID", "things") => json!(ours.id("THING")),
            ("ID", _) => json!(ours.id(kind)),
            ("EntityKind", _) if kind == "SERIES" => json!("THING"),
            ("EntityKind", _) => json!(kind),
            ("DateTime", "from") => json!("2023-11-14T00:00:00Z"),
            ("DateTime", _) => json!("2023-11-15T00:00:00Z"),
            ("String", "idempotencyKey") => json!(uuid::Uuid::now_v7().to_string()),
            ("String", "password" | "newPassword" | "oldPassword") => json!("long enough"),
            ("String", "email") => json!("stolen@plant.example"),
            ("String", "after") => Value::Null,
            ("String", _) => json!("stolen"),
            ("Int", "first") => json!(5),
            ("Int" | "Long" | "Float", _) => json!(1),
            ("Boolean", _) => json!(false),
            ("JSON", _) => json!({}),
            _ => self.composed(base, kind, ours),
        }
    }

    fn composed(&self, base: &str, kind: &str, ours: &Ours) -> Value {
        match &self.0[base].kind {
            TypeKind::Enum(members) => json!(members.values[0].node.value.to_string()),
            TypeKind::InputObject(input) => {
                let fields = input.fields.iter().filter(|field| {
                    let name = field.node.name.node.as_str();
                    // A revision that is not the present one would hide what the door itself says.
                    name != "expectedRevision" || !field.node.ty.node.nullable
                });
                let fields = fields.map(|field| {
                    let name = field.node.name.to_string();
                    let value = self.value(&name, &field.node.ty.node, kind, ours);
                    (name, value)
                });
                Value::Object(fields.collect())
            }
            other => panic!("{base}: {other:?}"),
        }
    }

    pub fn takes_id(&self, ty: &Type) -> bool {
        let base = name_of(&ty.base);
        match self.0.get(base).map(|definition| &definition.kind) {
            Some(TypeKind::InputObject(input)) => input
                .fields
                .iter()
                .any(|field| self.takes_id(&field.node.ty.node)),
            _ => base == "ID",
        }
    }
}

pub fn name_of(base: &BaseType) -> &str {
    match base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => name_of(&inner.base),
    }
}
