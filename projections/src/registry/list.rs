//! Lists: conditions, order and pages as SQL. Values are always bound, never part of the text.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Error, Row, params_from_iter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::metadata::{MANY, contains, leaves};
use super::page::{Cursor, Direction, Listing, Order, Page, Start, fold_name};
use crate::follower::sql::{get_id, get_json};

pub(super) fn blob(id: Uuid) -> SqlValue {
    SqlValue::Blob(id.as_bytes().to_vec())
}

/// Conditions that all must hold.
pub(super) struct Conditions {
    sql: String,
    values: Vec<SqlValue>,
    /// Rows are candidates only: their metadata must contain this.
    metadata: Option<Map<String, Value>>,
}

impl Conditions {
    pub(super) fn none() -> Self {
        Self {
            sql: "TRUE".to_owned(),
            values: Vec::new(),
            metadata: None,
        }
    }

    pub(super) fn organisation(organisation: tellee_actors::ids::OrganisationId) -> Self {
        let mut conditions = Self::none();
        conditions.and("organisation = ?", [blob(organisation.0)]);
        conditions
    }

    pub(super) fn and(&mut self, sql: &str, values: impl IntoIterator<Item = SqlValue>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    pub(super) fn and_name(&mut self, part: Option<&str>) {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            self.and("instr(name_key, ?) > 0", [SqlValue::Text(fold_name(part))]);
        }
    }

    pub(super) fn and_ids(&mut self, ids: impl IntoIterator<Item = Uuid>) {
        let values: Vec<SqlValue> = ids.into_iter().map(blob).collect();
        let marks = vec!["?"; values.len()].join(",");
        self.and(&format!("id IN ({marks})"), values);
    }

    pub(super) fn and_metadata(&mut self, part: Option<Map<String, Value>>) {
        let Some(part) = part.filter(|part| !part.is_empty()) else {
            return;
        };
        // A few leaves narrow enough; all candidates are compared in full.
        for leaf in leaves(&part).into_iter().take(4) {
            self.and(
                "id IN (SELECT entity FROM registry_metadata WHERE leaf = ? OR leaf = ?)",
                [SqlValue::Integer(leaf), SqlValue::Integer(MANY)],
            );
        }
        self.metadata = Some(part);
    }
}

/// One page of `table`, and the total. `name_key` is the column of names.
pub(super) fn list<R>(
    connection: &Connection,
    table: &str,
    conditions: &Conditions,
    page: &Page,
    read: impl Fn(&Row<'_>) -> Result<R, Error>,
) -> Result<Listing<R>, Error> {
    match &conditions.metadata {
        Some(part) => list_candidates(connection, table, conditions, part, page, read),
        None => list_rows(connection, table, conditions, page, read),
    }
}

fn list_rows<R>(
    connection: &Connection,
    table: &str,
    conditions: &Conditions,
    page: &Page,
    read: impl Fn(&Row<'_>) -> Result<R, Error>,
) -> Result<Listing<R>, Error> {
    let total: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM {table} WHERE {}",
            conditions.sql
        ))?
        .query_row(params_from_iter(&conditions.values), |row| row.get(0))?;
    let (after, after_values, offset) = begin(page);
    let sql = format!(
        "SELECT * FROM {table} WHERE {}{after} ORDER BY {} LIMIT ? OFFSET ?",
        conditions.sql,
        order(page)
    );
    let bounds = [page.rows() + 1, offset]
        .map(|bound| SqlValue::Integer(i64::try_from(bound).unwrap_or(i64::MAX)));
    let values = conditions.values.iter().chain(&after_values).chain(&bounds);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    let mut end = None;
    while let Some(row) = found.next()? {
        if rows.len() == page.rows() {
            return Ok(Listing {
                rows,
                total: total.cast_unsigned(),
                has_more: true,
                end,
            });
        }
        end = Some(cursor(row, page.order)?);
        rows.push(read(row)?);
    }
    Ok(Listing {
        rows,
        total: total.cast_unsigned(),
        has_more: false,
        end,
    })
}

/// As [`list_rows`], where each candidate's metadata must be looked at: the whole list is passed over once.
fn list_candidates<R>(
    connection: &Connection,
    table: &str,
    conditions: &Conditions,
    part: &Map<String, Value>,
    page: &Page,
    read: impl Fn(&Row<'_>) -> Result<R, Error>,
) -> Result<Listing<R>, Error> {
    let sql = format!(
        "SELECT * FROM {table} WHERE {} ORDER BY {}",
        conditions.sql,
        order(page)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(&conditions.values))?;
    let mut listing = Listing {
        rows: Vec::new(),
        total: 0,
        has_more: false,
        end: None,
    };
    let mut before_page = 0;
    while let Some(row) = found.next()? {
        let metadata: Map<String, Value> = get_json(row, "metadata")?;
        if !contains(&metadata, part) {
            continue;
        }
        listing.total += 1;
        let place = cursor(row, page.order)?;
        let skipped = match &page.start {
            Start::Offset(offset) => before_page < *offset,
            Start::After(after) => !follows(&place, after, page),
        };
        if skipped {
            before_page += 1;
        } else if listing.rows.len() == page.rows() {
            listing.has_more = true;
        } else {
            listing.end = Some(place);
            listing.rows.push(read(row)?);
        }
    }
    Ok(listing)
}

fn follows(place: &Cursor, after: &Cursor, page: &Page) -> bool {
    let order = match page.order {
        Order::Id => place.id.cmp(&after.id),
        Order::Created => (created(place), place.id).cmp(&(created(after), after.id)),
        Order::Name => (&place.key, place.id).cmp(&(&after.key, after.id)),
    };
    match page.direction {
        Direction::Ascending => order.is_gt(),
        Direction::Descending => order.is_lt(),
    }
}

/// Zero for a cursor of another order, which callers have refused.
fn created(place: &Cursor) -> i64 {
    place.key.parse().unwrap_or(0)
}

fn begin(page: &Page) -> (&'static str, Vec<SqlValue>, usize) {
    match &page.start {
        Start::Offset(offset) => (
            "",
            Vec::new(),
            usize::try_from(*offset).unwrap_or(usize::MAX),
        ),
        Start::After(after) => match (page.order, page.direction) {
            (Order::Id, Direction::Ascending) => (" AND id > ?", vec![blob(after.id)], 0),
            (Order::Id, Direction::Descending) => (" AND id < ?", vec![blob(after.id)], 0),
            (Order::Created, direction) => (
                match direction {
                    Direction::Ascending => " AND (created_at, id) > (?, ?)",
                    Direction::Descending => " AND (created_at, id) < (?, ?)",
                },
                vec![SqlValue::Integer(created(after)), blob(after.id)],
                0,
            ),
            (Order::Name, direction) => (
                match direction {
                    Direction::Ascending => " AND (name_key, id) > (?, ?)",
                    Direction::Descending => " AND (name_key, id) < (?, ?)",
                },
                vec![SqlValue::Text(after.key.clone()), blob(after.id)],
                0,
            ),
        },
    }
}

const fn order(page: &Page) -> &'static str {
    match (page.order, page.direction) {
        (Order::Id, Direction::Ascending) => "id",
        (Order::Id, Direction::Descending) => "id DESC",
        (Order::Created, Direction::Ascending) => "created_at, id",
        (Order::Created, Direction::Descending) => "created_at DESC, id DESC",
        (Order::Name, Direction::Ascending) => "name_key, id",
        (Order::Name, Direction::Descending) => "name_key DESC, id DESC",
    }
}

fn cursor(row: &Row<'_>, order: Order) -> Result<Cursor, Error> {
    let key = match order {
        Order::Id => String::new(),
        Order::Created => row.get::<_, i64>("created_at")?.to_string(),
        Order::Name => row.get("name_key")?,
    };
    Ok(Cursor {
        order,
        id: get_id(row, "id")?,
        key,
    })
}
