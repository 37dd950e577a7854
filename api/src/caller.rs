//! Who makes a request.

use tellee_actors::domain::user::Role;
use tellee_actors::event::Who;
use tellee_actors::ids::{OrganisationId, UserId};

use crate::error::ApiError;
use crate::identity::policy::least_role;
use crate::identity::{Action, allows};

/// A signed-in user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub user: UserId,
    pub organisation: OrganisationId,
    pub role: Role,
    pub platform_administrator: bool,
    /// Of the token by which the user signed in; it is void once the user's epoch is later.
    pub session_epoch: u64,
    /// The second since 1970 at which the token expires.
    pub expires: i64,
}

impl Caller {
    pub const fn who(&self) -> Who {
        Who::User(self.user)
    }

    /// Whether the caller may do `action`; if not, the error names the least role that may.
    pub fn require(&self, action: Action) -> Result<(), ApiError> {
        if allows(self.role, action) {
            Ok(())
        } else {
            Err(ApiError::forbidden(least_role(action)))
        }
    }
}
