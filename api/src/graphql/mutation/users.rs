//! Users and their organisation.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde_json::Map;
use tellee_actors::domain::user;
use tellee_actors::ids::{Revision, UserId};

use super::{RemoveInput, RevisionPayload, request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::graphql::context::{caller, id, platform};
use crate::graphql::enums::Role;
use crate::graphql::scalars::Long;
use crate::graphql::user::{Organisation, User};
use crate::platform::{NewUser, Platform};

#[derive(Debug, Clone, InputObject)]
pub struct CreateUserInput {
    pub idempotency_key: String,
    pub email: String,
    pub password: String,
    #[graphql(default_with = "Role::Operator")]
    pub role: Role,
}

#[derive(Debug, Clone, InputObject)]
pub struct ChangeUserRoleInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub role: Role,
}

#[derive(Debug, Clone, InputObject)]
pub struct ChangePasswordInput {
    pub idempotency_key: String,
    pub old_password: String,
    pub new_password: String,
}

#[derive(Debug, Clone, InputObject)]
pub struct RenameOrganisationInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub name: String,
    pub note: Option<String>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct OrganisationPayload {
    pub organisation: Organisation,
    pub revision: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct UserPayload {
    pub user: User,
    pub revision: Long,
}

#[derive(Default)]
pub struct UserMutations;

#[Object]
impl UserMutations {
    /// A user of the caller's organisation.
    async fn create_user(&self, ctx: &Context<'_>, input: CreateUserInput) -> Result<UserPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let new = NewUser {
            email: input.email,
            password: input.password,
            organisation: Some(caller.organisation),
            organisation_name: None,
            role: input.role.into(),
            platform_administrator: false,
            metadata: Map::new(),
        };
        let (user, accepted) = platform.create_user(caller, new, &asked).await?;
        Ok(payload(platform, caller, user, accepted.revision).await?)
    }

    async fn change_user_role(
        &self,
        ctx: &Context<'_>,
        input: ChangeUserRoleInput,
    ) -> Result<UserPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, input.expected_revision, None)?;
        let user: UserId = id(&input.id, "input.id")?;
        let command = user::Command::ChangeRole {
            role: input.role.into(),
        };
        let accepted = platform.change_user(caller, user, command, &asked).await?;
        Ok(payload(platform, caller, user, accepted.revision).await?)
    }

    /// The user's sessions end at once.
    async fn disable_user(&self, ctx: &Context<'_>, input: RemoveInput) -> Result<UserPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let user: UserId = id(&input.id, "input.id")?;
        let command = user::Command::Disable;
        let accepted = platform
            .change_user(caller, user, command, &input.request(ctx)?)
            .await?;
        Ok(payload(platform, caller, user, accepted.revision).await?)
    }

    async fn enable_user(&self, ctx: &Context<'_>, input: RemoveInput) -> Result<UserPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let user: UserId = id(&input.id, "input.id")?;
        let command = user::Command::Enable;
        let accepted = platform
            .change_user(caller, user, command, &input.request(ctx)?)
            .await?;
        Ok(payload(platform, caller, user, accepted.revision).await?)
    }

    /// The caller's own organisation.
    async fn rename_organisation(
        &self,
        ctx: &Context<'_>,
        input: RenameOrganisationInput,
    ) -> Result<OrganisationPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(
            ctx,
            &input.idempotency_key,
            input.expected_revision,
            input.note,
        )?;
        let accepted = platform
            .rename_organisation(caller, input.name, &asked)
            .await?;
        let row = platform
            .projections
            .registry()
            .organisation(caller.organisation)
            .await
            .map_err(ApiError::from)?;
        let row = row.ok_or_else(|| ApiError::not_found("such organisation"))?;
        Ok(OrganisationPayload {
            organisation: Organisation::from(row),
            revision: Long(accepted.revision.0),
        })
    }

    /// The caller's own password. All of the caller's sessions end.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        input: ChangePasswordInput,
    ) -> Result<RevisionPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let accepted = platform
            .change_password(caller, &input.old_password, &input.new_password, &asked)
            .await?;
        Ok(RevisionPayload {
            id: caller.user.to_string().into(),
            revision: Long(accepted.revision.0),
        })
    }
}

async fn payload(
    platform: &Platform,
    caller: &Caller,
    id: UserId,
    revision: Revision,
) -> Result<UserPayload, ApiError> {
    let row = platform
        .projections
        .registry()
        .user(caller.organisation, id)
        .await?;
    let row = row.ok_or_else(|| ApiError::not_found("such user"))?;
    Ok(UserPayload {
        user: User::from(row),
        revision: Long(revision.0),
    })
}
