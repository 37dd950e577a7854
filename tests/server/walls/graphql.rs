//! The queries and mutations of GraphQL, tried by a stranger.

use std::collections::BTreeSet;

use super::calls::call;
use super::sdl::fields;
use super::{plant, shows, two_organisations};
use crate::harness::Server;

#[tokio::test]
async fn no_graphql_query_shows_another_organisation() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, stranger) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let queries = fields("type", "Query");
    assert!(queries.len() > 20, "the schema was not read: {queries:?}");
    let mut seen = BTreeSet::new();
    for field in &queries {
        let mine = call(&owner, &owned, "query", field).await;
        let text = mine["data"].to_string();
        seen.extend(
            owned
                .ids()
                .into_iter()
                .filter(|id| shows(&text, id))
                .map(str::to_owned),
        );
        let theirs = call(&stranger, &owned, "query", field).await;
        let text = theirs["data"].to_string();
        for id in owned.ids() {
            assert!(!shows(&text, id), "`{}` shows `{id}`: {theirs}", field.name);
        }
        if mine["data"][&field.name].is_object()
            && field.arguments.iter().any(|(name, _)| name == "id")
        {
            assert!(
                theirs["data"][&field.name].is_null(),
                "`{}` answers a stranger: {theirs}",
                field.name
            );
        }
    }
    // The same questions do show them to their owner: the test looks at the right place.
    let unseen: Vec<_> = owned
        .ids()
        .into_iter()
        .filter(|id| !seen.contains(*id))
        .collect();
    assert!(unseen.is_empty(), "not even their owner saw {unseen:?}");
}

#[tokio::test]
async fn no_graphql_mutation_touches_another_organisation() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, stranger) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let before = owned.snapshot(&owner).await;
    // Nothing foreign can be named in these.
    let own = [
        "createChannel",
        "createDeviceType",
        "createUser",
        "changePassword",
        "renameOrganisation",
    ];
    for field in fields("type", "Mutation") {
        let answer = call(&stranger, &owned, "mutation", &field).await;
        if own.contains(&field.name.as_str()) {
            continue;
        }
        let nothing_done = answer["data"][&field.name].is_null()
            || answer["data"][&field.name]["alarms"]
                .as_array()
                .is_some_and(Vec::is_empty);
        let refused = answer.get("errors").is_some()
            || answer["data"][&field.name]["refused"]
                .as_array()
                .is_some_and(|refused| !refused.is_empty());
        assert!(nothing_done && refused, "`{}`: {answer}", field.name);
        let code = answer["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or("not_found");
        assert!(
            ["not_found", "invalid_input", "forbidden"].contains(&code),
            "`{}` was refused for another reason: {answer}",
            field.name
        );
    }
    assert_eq!(
        owned.snapshot(&owner).await,
        before,
        "a stranger changed something"
    );
}
