//! Why a command was refused, in terms of the domain.

use serde::{Deserialize, Serialize};

/// The domain says no. Trying the same again says no again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Rejection {
    #[error("there is no {what}")]
    NotFound { what: String },
    #[error("{what} exists already")]
    AlreadyExists { what: String },
    /// `field` is the path of the input field, as in `levels[1].limit`.
    #[error("`{field}`: {reason}")]
    Invalid { field: String, reason: String },
    /// The command does not fit the present state: acknowledging what is normal, connecting what was removed.
    #[error("{reason}")]
    Conflict { reason: String },
    /// The acknowledgement names an occurrence that is not the present one.
    #[error("occurrence {given} is not the present one, {present}")]
    StaleOccurrence { given: u64, present: u64 },
    #[error("{what} is not supported here")]
    Unsupported { what: String },
}

impl Rejection {
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub fn conflict(reason: impl Into<String>) -> Self {
        Self::Conflict {
            reason: reason.into(),
        }
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }
}
