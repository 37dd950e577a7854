//! A new server has no user. The first one comes from the environment, or by a one-time code.

use std::env::VarError;
use std::path::Path;
use std::sync::Arc;

use tellee_api::identity::SetupCode;
use tellee_api::platform::Platform;
use tellee_projections::Projections;

use crate::failure::Failure;

const EMAIL: &str = "TELLEE_ADMIN_EMAIL";
const PASSWORD: &str = "TELLEE_ADMIN_PASSWORD";

/// The set-up code, if there is no user yet and the environment names none.
pub async fn pending_setup(
    projections: &Projections,
    data_dir: &Path,
) -> Result<Option<SetupCode>, Failure> {
    let users = projections
        .registry()
        .user_count()
        .await
        .map_err(|error| Failure::events(&error))?;
    if users > 0 || from_environment()?.is_some() {
        return Ok(None);
    }
    let code = SetupCode::open(data_dir).map_err(|error| {
        Failure::DataFolder(format!("the set-up code cannot be written: {error}"))
    })?;
    tracing::info!(
        code = code.as_str(),
        "no user yet: open the dashboard, or `POST /setup`, with this one-time code"
    );
    Ok(Some(code))
}

/// Makes the administrator that the environment names, if there is no user yet.
pub async fn make(platform: &Arc<Platform>) -> Result<(), Failure> {
    let registry = platform.projections.registry();
    let users = registry
        .user_count()
        .await
        .map_err(|error| Failure::events(&error))?;
    if users > 0 {
        return Ok(());
    }
    let Some((email, password)) = from_environment()? else {
        return Ok(());
    };
    platform
        .create_first_user(&email, &password, None)
        .await
        .map_err(|error| {
            Failure::Usage(format!(
                "the administrator of {EMAIL} cannot be made: {error}"
            ))
        })?;
    tracing::info!(email, "the administrator named in the environment was made");
    Ok(())
}

fn from_environment() -> Result<Option<(String, String)>, Failure> {
    let set = |name: &str| match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::Usage(format!("`{name}` is not UTF-8"))),
    };
    match (set(EMAIL)?, set(PASSWORD)?) {
        (Some(email), Some(password)) => Ok(Some((email, password))),
        (None, None) => Ok(None),
        _ => Err(Failure::Usage(format!(
            "there is no user yet, and `{EMAIL}` and `{PASSWORD}` make one only together: set both or none"
        ))),
    }
}
