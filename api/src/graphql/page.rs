//! Connections in Relay's manner, with `nodes`.

use std::fmt::Display;
use std::str::FromStr;

use async_graphql::SimpleObject;
use tellee_projections::registry::{Cursor, Listing, PAGE_LIMIT, Page};

use super::scalars::Long;
use crate::error::ApiError;

#[derive(Debug, Clone, SimpleObject)]
pub struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

impl PageInfo {
    pub fn new(has_next_page: bool, end: Option<impl Display>) -> Self {
        Self {
            has_next_page,
            end_cursor: end.map(|cursor| cursor.to_string()),
        }
    }
}

/// `first` within its bounds.
pub fn first(first: i32) -> Result<u32, ApiError> {
    match u32::try_from(first) {
        Ok(first) if (1..=PAGE_LIMIT).contains(&first) => Ok(first),
        _ => Err(ApiError::invalid(
            "first",
            format!("must lie between 1 and {PAGE_LIMIT}"),
        )),
    }
}

/// A cursor that an earlier page gave.
pub fn cursor<C: FromStr>(after: Option<&str>) -> Result<Option<C>, ApiError> {
    match after {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| ApiError::invalid("after", format!("`{text}` is no cursor of this list"))),
    }
}

/// The page of the registry that `first` and `after` ask for.
pub fn page(first_rows: i32, after: Option<&str>) -> Result<Page, ApiError> {
    Ok(Page::after(cursor::<Cursor>(after)?, first(first_rows)?))
}

/// A page of `N`, with how many there are in all.
macro_rules! connection {
    ($($name:ident of $node:ty),* $(,)?) => {
        $(#[derive(SimpleObject)]
        pub struct $name {
            pub nodes: Vec<$node>,
            pub page_info: PageInfo,
            pub total: Long,
        }

        impl $name {
            pub fn of<R>(listing: Listing<R>, node: impl Fn(R) -> $node) -> Self {
                Self {
                    page_info: PageInfo::new(listing.has_more, listing.end),
                    total: Long(listing.total),
                    nodes: listing.rows.into_iter().map(node).collect(),
                }
            }
        })*
    };
}

connection!(
    ThingConnection of super::thing::Thing,
    ChannelConnection of super::channel::Channel,
    EdgeDeviceConnection of super::edge_device::EdgeDevice,
    DeviceTypeConnection of super::device_type::DeviceType,
    AlarmRuleConnection of super::alarm_rule::AlarmRule,
    ModelConnection of super::model::Model,
    UserConnection of super::user::User,
);
