//! The schema with its limits.

use std::sync::Arc;

use async_graphql::{Schema, SchemaBuilder};

use super::mutation::Mutation;
use super::query::Query;
use super::rules::Rules;
use super::subscription::Subscription;
use crate::platform::Platform;

pub type TelleeSchema = Schema<Query, Mutation, Subscription>;

/// Fields within fields, at most: what the introspection of usual tools needs.
const DEPTH: usize = 16;
/// Sum over all fields, lists counted with their `first`.
const COMPLEXITY: usize = 50_000;
const DIRECTIVES: usize = 10;

pub(super) fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        .limit_directives(DIRECTIVES)
        .disable_suggestions()
        .extension(Rules)
}

pub fn schema(platform: Arc<Platform>) -> TelleeSchema {
    builder().data(platform).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_SCHEMA=1 cargo test -p tellee-api` writes the file anew.
    #[test]
    fn the_committed_schema_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
        let sdl = builder().finish().sdl();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &sdl).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == sdl,
            "api/schema.graphql is not what the code says; see the comment above"
        );
    }
}
