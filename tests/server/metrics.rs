//! `/metrics` as operators know it.

use crate::harness::Server;

#[tokio::test]
async fn the_metrics_that_operations_name_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let metrics = server.anonymous().get("/metrics").await.expect(200).text;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let words = page.split('`').skip(1).step_by(2);
    let named: Vec<&str> = words
        .filter(|word| word.starts_with("tellee_") && *word != "tellee_")
        .collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        let there = metrics.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        assert!(there, "`{name}` is not in /metrics");
    }
}
