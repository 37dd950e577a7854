//! What each role may do within its organisation.

use tellee_actors::domain::user::Role;

/// Something that a policy allows or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See things, channels, telemetry, alarms, rules, models and their history.
    Read,
    /// Acknowledge, reset and comment alarms, shelve those below P1.
    OperateAlarms,
    /// Shelve a P1 alarm, or shelve one again.
    ShelveAny,
    /// Take an alarm out of service and return it.
    TakeOutOfService,
    /// Make, change, connect and remove things, channels, device types and edge devices; roll them back.
    Provision,
    /// See or change the key of a thing.
    RevealKeys,
    /// Make, change, remove and roll back alarm rules.
    EditAlarmRules,
    /// Make, train, promote and retire models.
    ManageModels,
    /// Write telemetry with a user's token.
    Publish,
    /// Make users and change their roles, name the organisation.
    ManageUsers,
}

impl Action {
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::OperateAlarms,
        Self::ShelveAny,
        Self::TakeOutOfService,
        Self::Provision,
        Self::RevealKeys,
        Self::EditAlarmRules,
        Self::ManageModels,
        Self::Publish,
        Self::ManageUsers,
    ];
}

/// Whether `role` may do `action`.
pub const fn allows(role: Role, action: Action) -> bool {
    match action {
        Action::Read => true,
        Action::OperateAlarms => !matches!(role, Role::Viewer | Role::DataScientist),
        Action::ShelveAny => matches!(
            role,
            Role::Supervisor | Role::Engineer | Role::Administrator
        ),
        Action::TakeOutOfService => matches!(
            role,
            Role::Maintainer | Role::Supervisor | Role::Engineer | Role::Administrator
        ),
        Action::Provision | Action::RevealKeys | Action::EditAlarmRules | Action::Publish => {
            matches!(role, Role::Engineer | Role::Administrator)
        }
        Action::ManageModels => {
            matches!(
                role,
                Role::DataScientist | Role::Engineer | Role::Administrator
            )
        }
        Action::ManageUsers => matches!(role, Role::Administrator),
    }
}

/// The least role to name when `action` is refused.
pub const fn least_role(action: Action) -> &'static str {
    match action {
        Action::Read => "viewer",
        Action::OperateAlarms => "operator",
        Action::ShelveAny => "supervisor",
        Action::TakeOutOfService => "maintainer",
        Action::Provision | Action::RevealKeys | Action::EditAlarmRules | Action::Publish => {
            "engineer"
        }
        Action::ManageModels => "data scientist",
        Action::ManageUsers => "administrator",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_may_do_everything_and_a_viewer_only_reads() {
        for action in Action::ALL {
            assert!(allows(Role::Administrator, action));
            assert_eq!(allows(Role::Viewer, action), action == Action::Read);
        }
    }

    #[test]
    fn an_operator_works_alarms_and_changes_no_configuration() {
        assert!(allows(Role::Operator, Action::OperateAlarms));
        for action in [
            Action::ShelveAny,
            Action::Provision,
            Action::EditAlarmRules,
            Action::RevealKeys,
        ] {
            assert!(!allows(Role::Operator, action));
        }
    }
}
