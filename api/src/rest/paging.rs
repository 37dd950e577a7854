//! `offset`, `limit`, `order`, `dir` and the filters of Mainflux' lists.

use axum::http::Uri;
use serde_json::{Map, Value};
use tellee_projections::registry::{Direction, Order, Page};

use crate::error::ApiError;

const DEFAULT_LIMIT: u32 = 10;
const LARGEST_LIMIT: u32 = 100;

/// The parameters of a request's query, decoded. A name given twice counts once: the first.
#[derive(Debug, Clone)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The parameter as a value of `T`; absent or empty: `None`.
    pub fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        what: &str,
    ) -> Result<Option<T>, ApiError> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| ApiError::invalid(name, format!("`{text}` is not {what}"))),
        }
    }

    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, "true or false")
    }

    /// A JSON object.
    pub fn object(&self, name: &'static str) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| ApiError::invalid(name, "is not a JSON object")),
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// Offset and limit within Mainflux' bounds.
    pub fn window(&self, largest: u32) -> Result<(u64, u32), ApiError> {
        let offset = self.parsed("offset", "a whole number from 0")?.unwrap_or(0);
        let limit = self
            .parsed("limit", "a whole number from 1")?
            .unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > largest {
            return Err(ApiError::invalid(
                "limit",
                format!("must lie between 1 and {largest}"),
            ));
        }
        Ok((offset, limit))
    }

    /// The page of a list with its order.
    pub fn page(&self) -> Result<(Page, u64, u32), ApiError> {
        let (offset, limit) = self.window(LARGEST_LIMIT)?;
        let order = order(self.get("order"))?;
        let direction = direction(self.get("dir"))?;
        Ok((
            Page::offset(offset, limit).ordered(order, direction),
            offset,
            limit,
        ))
    }
}

/// What `order` says.
pub fn order(text: Option<&str>) -> Result<Order, ApiError> {
    match text {
        None | Some("" | "id") => Ok(Order::Id),
        Some("name") => Ok(Order::Name),
        Some(other) => Err(ApiError::invalid(
            "order",
            format!("`{other}` is not `name` or `id`"),
        )),
    }
}

/// What `dir` says.
pub fn direction(text: Option<&str>) -> Result<Direction, ApiError> {
    match text {
        None | Some("" | "asc") => Ok(Direction::Ascending),
        Some("desc") => Ok(Direction::Descending),
        Some(other) => Err(ApiError::invalid(
            "dir",
            format!("`{other}` is not `asc` or `desc`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&text.parse::<Uri>().unwrap())
    }

    #[test]
    fn without_parameters_a_page_has_ten_rows() {
        let (_, offset, limit) = query("/things").page().unwrap();
        assert_eq!((offset, limit), (0, 10));
    }

    #[test]
    fn parameters_out_of_bounds_name_themselves() {
        for (uri, field) in [
            ("/things?limit=101", "limit"),
            ("/things?limit=0", "limit"),
            ("/things?limit=-1", "limit"),
            ("/things?offset=x", "offset"),
            ("/things?order=age", "order"),
            ("/things?dir=up", "dir"),
        ] {
            assert_eq!(
                query(uri).page().unwrap_err().field.as_deref(),
                Some(field),
                "{uri}"
            );
        }
        assert!(
            query("/things?metadata=%7B%22a%22")
                .object("metadata")
                .is_err()
        );
        assert!(query("/things?metadata=%5B%5D").object("metadata").is_err());
    }
}
