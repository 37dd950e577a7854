//! The name of an organisation: changed by its administrators, seen by its people, in its history.

use serde_json::json;

use super::node::Node;

const RENAME: &str =
    "mutation($input: RenameOrganisationInput!) { renameOrganisation(input: $input) {
    revision organisation { id name revision } } }";

#[tokio::test]
async fn an_administrator_renames_the_organisation_and_the_audit_says_who() {
    let node = Node::start().await;
    let viewer = node.colleague("viewer").await;
    let input = json!({ "idempotencyKey": "rename", "name": "Works 3", "expectedRevision": 1, "note": "merger" });
    let renamed = node.admin.data(RENAME, json!({ "input": input })).await;
    let payload = &renamed["renameOrganisation"];
    assert_eq!(payload["organisation"]["name"], "Works 3");
    assert_eq!(payload["revision"], payload["organisation"]["revision"]);
    let seen = viewer
        .data("{ me { organisation { name } } }", json!({}))
        .await;
    assert_eq!(seen["me"]["organisation"]["name"], "Works 3");

    let late = json!({ "idempotencyKey": "late", "name": "Works 4", "expectedRevision": 1 });
    let late = node.admin.graphql(RENAME, json!({ "input": late })).await;
    assert_eq!(late.code(), "revision_mismatch");
    let nameless = json!({ "idempotencyKey": "nameless", "name": " " });
    let nameless = node
        .admin
        .graphql(RENAME, json!({ "input": nameless }))
        .await;
    assert_eq!(nameless.code(), "invalid_input");
    let refused = json!({ "idempotencyKey": "viewer", "name": "Mine" });
    let refused = viewer.graphql(RENAME, json!({ "input": refused })).await;
    assert_eq!(refused.code(), "forbidden");

    let audit = node
        .admin
        .data("{ audit(first: 1) { nodes { type who note } } }", json!({}))
        .await;
    let newest = &audit["audit"]["nodes"][0];
    assert_eq!(
        (&newest["type"], &newest["who"], &newest["note"]),
        (
            &json!("organisation.renamed"),
            &json!("admin@plant.example"),
            &json!("merger")
        ),
        "{audit}"
    );
}

#[tokio::test]
async fn a_rename_touches_no_other_organisation() {
    let node = Node::start().await;
    let stranger = node.stranger().await;
    let input = json!({ "idempotencyKey": "rename", "name": "Elsewhere Ltd" });
    stranger.data(RENAME, json!({ "input": input })).await;
    let ours = node
        .admin
        .data("{ me { organisation { name } } }", json!({}))
        .await;
    assert_eq!(ours["me"]["organisation"]["name"], "plant.example");
}
