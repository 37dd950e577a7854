//! Paging: by offset for REST, by cursor for GraphQL. Both have a total and a limit.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The most rows that one page gives.
pub const PAGE_LIMIT: u32 = 1_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By id. Ids that Tellee makes grow with time, but for those of users; others may come from their makers.
    #[default]
    Id,
    /// By the time of creation, then by id.
    Created,
    /// By name without regard to case, then by id.
    Name,
}

impl Order {
    const fn letter(self) -> char {
        match self {
            Self::Id => 'i',
            Self::Created => 'c',
            Self::Name => 'n',
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        [Self::Id, Self::Created, Self::Name]
            .into_iter()
            .find(|order| order.letter() == letter)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    #[default]
    Ascending,
    Descending,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After this many rows.
    Offset(u64),
    /// After the row that gave this cursor; it need not exist any more.
    After(Cursor),
}

/// Which part of a list, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub start: Start,
    /// Rows wanted; more than [`PAGE_LIMIT`] is read as [`PAGE_LIMIT`].
    pub limit: u32,
    pub order: Order,
    pub direction: Direction,
}

impl Page {
    /// The page of REST: `limit` rows after the first `offset`.
    pub const fn offset(offset: u64, limit: u32) -> Self {
        Self {
            start: Start::Offset(offset),
            limit,
            order: Order::Id,
            direction: Direction::Ascending,
        }
    }

    /// The page of GraphQL: the first `limit` rows after `after`.
    pub fn after(after: Option<Cursor>, limit: u32) -> Self {
        Self {
            start: after.map_or(Start::Offset(0), Start::After),
            ..Self::offset(0, limit)
        }
    }

    pub const fn ordered(mut self, order: Order, direction: Direction) -> Self {
        self.order = order;
        self.direction = direction;
        self
    }

    pub(crate) fn rows(&self) -> usize {
        usize::try_from(self.limit.min(PAGE_LIMIT)).unwrap_or(usize::MAX)
    }
}

/// A place in a list: the sort key of the row before it. As text it is opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// That of the list which it is a place in.
    pub order: Order,
    pub id: Uuid,
    /// What the list is ordered by: the folded name, or the time of creation in digits; empty where it is the id.
    pub key: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = self.order.letter();
        write!(formatter, "{}{order}{}", self.id.simple(), self.key)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cursor of this list")]
pub struct CursorError(pub String);

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || CursorError(text.to_owned());
        let (id, rest) = text.split_at_checked(ID_LENGTH).ok_or_else(wrong)?;
        let id = Uuid::try_parse(id).map_err(|_| wrong())?;
        let order = rest.chars().next().and_then(Order::of_letter);
        let order = order.ok_or_else(wrong)?;
        let key = rest.get(1..).unwrap_or_default().to_owned();
        let fits = match order {
            Order::Id => key.is_empty(),
            Order::Created => key.parse::<i64>().is_ok(),
            Order::Name => true,
        };
        fits.then_some(Self { order, id, key }).ok_or_else(wrong)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<R> {
    pub rows: Vec<R>,
    /// How many rows match in all.
    pub total: u64,
    /// Whether rows follow this page.
    pub has_more: bool,
    /// The place after the last row of this page; `None` if it is empty.
    pub end: Option<Cursor>,
}

/// Letters of an id in a cursor.
const ID_LENGTH: usize = 32;

/// The form in which names are searched and ordered.
pub fn fold_name(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for (order, key) in [
            (Order::Id, ""),
            (Order::Created, "1700000000000"),
            (Order::Name, "pump 1.2 / осевой"),
            (Order::Name, ""),
        ] {
            let cursor = Cursor {
                order,
                id: Uuid::now_v7(),
                key: key.to_owned(),
            };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn a_foreign_text_is_no_cursor() {
        let id = Uuid::now_v7().simple();
        let faults =
            ["", "npump", "xpump", "cpump", "c", "i1", "наn"].map(|rest| format!("{id}{rest}"));
        for text in ["", ".", "abc", "zz.pump"]
            .map(str::to_owned)
            .iter()
            .chain(&faults[..])
        {
            let parsed = text.parse::<Cursor>();
            assert_eq!(parsed.is_ok(), text.ends_with("npump"), "{text}");
        }
    }
}
