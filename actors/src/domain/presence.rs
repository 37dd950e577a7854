//! Whether the entity that a command is for is there, and whether a person sent it.

use crate::domain::Rejection;
use crate::entity::DecideContext;
use crate::event::Who;
use crate::ids::{Revision, UserId};

/// `thing` and its id, as rejections name it.
pub(super) fn described(context: &DecideContext) -> String {
    format!(
        "{} `{}`",
        context.entity.kind.as_str().replace('_', " "),
        context.entity.id
    )
}

/// Refuses a command on what was never created or was removed.
pub(super) fn must_be_there(there: bool, context: &DecideContext) -> Result<(), Rejection> {
    if there {
        Ok(())
    } else {
        Err(Rejection::not_found(described(context)))
    }
}

/// Refuses to create what was created before. Ids are not used twice, so removing does not make room.
pub(super) fn must_be_new(exists: bool, context: &DecideContext) -> Result<(), Rejection> {
    if !exists {
        return Ok(());
    }
    Err(Rejection::AlreadyExists {
        what: described(context),
    })
}

/// Refuses a roll back of what is gone, or to a revision at which there was nothing.
pub(super) fn must_have_been_there(now: bool, then: bool, to: Revision) -> Result<(), Rejection> {
    if !now {
        return Err(Rejection::conflict(
            "what is not there cannot be rolled back",
        ));
    }
    if !then {
        return Err(Rejection::invalid(
            "to",
            format!("there was nothing at revision {to}"),
        ));
    }
    Ok(())
}

/// The person behind the command; only a person may do `what`.
pub(super) fn person(context: &DecideContext, what: &str) -> Result<UserId, Rejection> {
    match &context.who {
        Who::User(user) => Ok(*user),
        Who::Thing(_) | Who::System(_) => {
            Err(Rejection::conflict(format!("only a person may {what}")))
        }
    }
}
