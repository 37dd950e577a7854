//! The queries, by area.

mod alarms;
mod history;
mod node;
mod registry;

use async_graphql::MergedObject;

#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQueries,
    registry::RegistryQueries,
    alarms::AlarmQueries,
    history::HistoryQueries,
);
