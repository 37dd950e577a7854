//! All doors, tried by nobody in particular.

use serde_json::json;

use super::calls::selection;
use super::sdl::fields;
use super::{plant, routes, shows, two_organisations};
use crate::harness::Server;

#[tokio::test]
async fn nobody_signed_in_sees_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, _) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let anonymous = server.anonymous();
    for field in fields("type", "Query") {
        let query = json!({ "query": format!("{{ {} {} }}", field.name, selection(&field.kind)) });
        let text = anonymous.post("/graphql", &query).await.text;
        assert!(
            text.contains("unauthenticated") || text.contains("errors"),
            "`{}`: {text}",
            field.name
        );
        for id in owned.ids() {
            assert!(!shows(&text, id), "`{}` shows `{id}`", field.name);
        }
    }
    for path in routes() {
        let path = path
            .replace("{channel}", &owned.channel)
            .replace("{thing}", &owned.thing.id);
        let path = path
            .replace("{id}", &owned.thing.id)
            .replace("{external_id}", "secret-gw")
            .replace("{*subtopic}", "a");
        let text = anonymous.get(&path).await.text;
        assert!(
            !text.contains(&owned.thing.key) && !text.contains("secret pump"),
            "{path}: {text}"
        );
    }
}
