//! Users: the first one, further ones, signing in.

use serde_json::{Map, Value};
use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::organisation;
use tellee_actors::domain::user::{self, Role};
use tellee_actors::event::Who;
use tellee_actors::ids::{OrganisationId, UserId};
use uuid::Uuid;

use super::{Platform, Request};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::identity::{Action, Allowance};

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: String,
    pub password: String,
    /// `None`: an organisation of their own.
    pub organisation: Option<OrganisationId>,
    /// What their own organisation is called; `None`: after their address.
    pub organisation_name: Option<String>,
    pub role: Role,
    pub platform_administrator: bool,
    pub metadata: Map<String, Value>,
}

/// The id of the user with this e-mail address: the same address, in any case, is the same user.
pub fn user_id(email: &str) -> UserId {
    UserId(Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("user\n{}", normal_email(email)).as_bytes(),
    ))
}

/// The name of an organisation that is made with its first user. The first administrator's is that of the plant: the
/// domain of the address. All others bear the whole address, so that two of one domain can be told apart.
pub fn organisation_name(email: &str, platform_administrator: bool) -> String {
    match email.split_once('@') {
        Some((_, domain)) if platform_administrator && !domain.is_empty() => domain.to_owned(),
        _ => email.to_owned(),
    }
}

fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

impl Platform {
    /// Whether the first user is still to be made.
    pub async fn needs_setup(&self) -> bool {
        self.setup_code.lock().await.is_some()
    }

    /// Makes the first administrator with the one-time code.
    pub async fn set_up(
        &self,
        code: &str,
        email: &str,
        password: &str,
        organisation: Option<String>,
        address: &str,
    ) -> Result<UserId, ApiError> {
        let throttled = format!("setup {address}");
        self.throttle.check(&throttled, Allowance::ACCOUNT)?;
        let mut setup_code = self.setup_code.lock().await;
        let Some(present) = setup_code.as_ref() else {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "tellee is set up already",
            ));
        };
        if !present.matches(code) {
            self.throttle.failed(&throttled);
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "the set-up code is wrong",
            ));
        }
        let user = self
            .create_first_user(email, password, organisation)
            .await?;
        if let Err(error) = present.spend() {
            tracing::warn!(%error, "the file of the used set-up code could not be removed");
        }
        *setup_code = None;
        Ok(user)
    }

    /// The platform administrator, with an organisation of their own, called `organisation` or else after the domain of
    /// the address.
    pub async fn create_first_user(
        &self,
        email: &str,
        password: &str,
        organisation: Option<String>,
    ) -> Result<UserId, ApiError> {
        let new = NewUser {
            email: email.to_owned(),
            password: password.to_owned(),
            organisation: None,
            organisation_name: organisation,
            role: Role::Administrator,
            platform_administrator: true,
            metadata: Map::new(),
        };
        self.make_user(Who::System("setup".to_owned()), new, &Request::default())
            .await
            .map(|(id, _)| id)
    }

    /// Makes a user for an administrator: anywhere for a platform administrator, else in the caller's organisation.
    pub async fn create_user(
        &self,
        caller: &Caller,
        mut new: NewUser,
        request: &Request,
    ) -> Result<(UserId, Accepted), ApiError> {
        caller.require(Action::ManageUsers)?;
        if !caller.platform_administrator {
            if new
                .organisation
                .is_some_and(|wanted| wanted != caller.organisation)
            {
                return Err(ApiError::invalid(
                    "organisation",
                    "there is no such organisation",
                ));
            }
            new.organisation = Some(caller.organisation);
            new.platform_administrator = false;
        }
        self.make_user(caller.who(), new, request).await
    }

    /// Makes a user without a token, where that is allowed.
    pub async fn register_user(&self, new: NewUser) -> Result<UserId, ApiError> {
        if !self.settings.self_registration {
            return Err(ApiError::unauthenticated());
        }
        let new = NewUser {
            organisation: None,
            organisation_name: None,
            role: Role::Administrator,
            platform_administrator: false,
            ..new
        };
        self.make_user(
            Who::System("registration".to_owned()),
            new,
            &Request::default(),
        )
        .await
        .map(|(id, _)| id)
    }

    async fn make_user(
        &self,
        who: Who,
        new: NewUser,
        request: &Request,
    ) -> Result<(UserId, Accepted), ApiError> {
        let email = normal_email(&new.email);
        let id = user_id(&email);
        let own_name = new
            .organisation_name
            .unwrap_or_else(|| organisation_name(&email, new.platform_administrator));
        if new.organisation.is_none() {
            // Before the user is made: a user without an organisation could not sign in.
            organisation::check_name(&own_name)
                .map_err(|_| ApiError::invalid("organisation", "is no name of an organisation"))?;
        }
        let password = self.passwords.hash(&new.password).await?;
        let command_id = request.id();
        let organisation = match new.organisation {
            Some(organisation) => {
                let known = self
                    .projections
                    .registry()
                    .organisation(organisation)
                    .await?;
                known
                    .ok_or_else(|| {
                        ApiError::invalid("organisation", "there is no such organisation")
                    })?
                    .id
            }
            None => OrganisationId(Uuid::new_v5(&id.0, b"organisation")),
        };
        let create = user::Command::Create {
            organisation,
            email: email.clone(),
            password,
            role: new.role,
            platform_administrator: new.platform_administrator,
            metadata: new.metadata,
        };
        let step = Request {
            command_id: Some(command_id),
            input: request.input,
            ..Request::default()
        };
        let accepted = self
            .ask_only(
                who.clone(),
                organisation,
                id.into(),
                Command::User(create),
                &step,
            )
            .await?;
        let mut last = accepted.position;
        if new.organisation.is_none() {
            let create = Command::Organisation(organisation::Command::Create { name: own_name });
            let step = Request {
                command_id: Some(command_id.step("organisation")),
                ..Request::default()
            };
            let made = self
                .ask_only(who, organisation, organisation.into(), create, &step)
                .await?;
            last = last.max(made.position);
        }
        self.seen(last).await?;
        Ok((id, accepted))
    }

    /// Gives the caller's organisation another name.
    pub async fn rename_organisation(
        &self,
        caller: &Caller,
        name: String,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::ManageUsers)?;
        self.ask(
            caller.who(),
            caller.organisation,
            caller.organisation.into(),
            Command::Organisation(organisation::Command::Rename { name }),
            request,
        )
        .await
    }

    /// A token for the user with this e-mail address and password, and when it expires in seconds since 1970.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        address: &str,
    ) -> Result<(String, i64), ApiError> {
        let by_name = format!("email {}", normal_email(email));
        let by_address = format!("address {address}");
        self.throttle.check(&by_name, Allowance::ACCOUNT)?;
        self.throttle.check(&by_address, Allowance::ADDRESS)?;
        let row = self
            .projections
            .registry()
            .user_by_email(&normal_email(email))
            .await?;
        let hash = row.as_ref().map(|row| row.password.clone());
        let right = self.passwords.verify(password, hash).await?;
        match row {
            Some(row) if right && !row.disabled => {
                self.throttle.succeeded(&by_name);
                Ok(self.tokens.issue(row.id, row.session_epoch)?)
            }
            _ => {
                self.throttle.failed(&by_name);
                self.throttle.failed(&by_address);
                Err(ApiError::new(
                    ErrorCode::Unauthenticated,
                    "the e-mail address or the password is wrong",
                ))
            }
        }
    }

    /// The user behind a token: who, of which organisation, with which role now. No disk, no lock.
    pub fn caller(&self, token: &str) -> Result<Caller, ApiError> {
        let claims = self.tokens.verify(token)?;
        let access = self
            .projections
            .access()
            .user(claims.sub)
            .ok_or_else(ApiError::unauthenticated)?;
        if access.disabled || claims.epoch < access.session_epoch {
            return Err(ApiError::unauthenticated());
        }
        Ok(Caller {
            user: claims.sub,
            organisation: access.organisation,
            role: access.role,
            platform_administrator: access.platform_administrator,
            session_epoch: claims.epoch,
            expires: claims.exp,
        })
    }

    /// Changes the caller's own password; all of the user's sessions end.
    pub async fn change_password(
        &self,
        caller: &Caller,
        old: &str,
        new: &str,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        let row = self
            .projections
            .registry()
            .user(caller.organisation, caller.user)
            .await?;
        let row = row.ok_or_else(ApiError::unauthenticated)?;
        let name = format!("email {}", row.email);
        self.throttle.check(&name, Allowance::ACCOUNT)?;
        // A retry shows the old password, which is none any more.
        if let Some(before) = self.done_before(caller.user.into(), request).await?
            && self
                .passwords
                .verify(new, Some(row.password.clone()))
                .await?
        {
            return Ok(before);
        }
        if !self.passwords.verify(old, Some(row.password)).await? {
            self.throttle.failed(&name);
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "the old password is wrong",
            ));
        }
        let password = self.passwords.hash(new).await?;
        let command = Command::User(user::Command::ChangePassword { password });
        self.ask(
            caller.who(),
            caller.organisation,
            caller.user.into(),
            command,
            request,
        )
        .await
    }

    /// Changes a user of the caller's organisation.
    pub async fn change_user(
        &self,
        caller: &Caller,
        id: UserId,
        command: user::Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::ManageUsers)?;
        let row = self
            .projections
            .registry()
            .user(caller.organisation, id)
            .await?;
        row.ok_or_else(|| ApiError::not_found("such user"))?;
        let locks_out = matches!(
            command,
            user::Command::Disable | user::Command::ChangeRole { .. }
        );
        if locks_out && id == caller.user {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "you cannot take your own rights away",
            ));
        }
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::User(command),
            request,
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_administrators_organisation_is_named_after_the_domain() {
        assert_eq!(
            organisation_name("anna@plant.example", true),
            "plant.example"
        );
        assert_eq!(
            organisation_name("anna@plant.example", false),
            "anna@plant.example"
        );
    }

    #[test]
    fn one_address_is_one_user_in_any_case() {
        assert_eq!(
            user_id("Anna@Plant.example"),
            user_id(" anna@plant.example ")
        );
        assert_ne!(user_id("anna@plant.example"), user_id("anna@other.example"));
    }
}
