//! A new server has no user. The first one comes from the environment, or by a one-time code.

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
    if users > 0 || from_environment().is_some() {
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
    let Some((email, password)) = from_environment() else {
        return Ok(());
    };
    let registry = platform.projections.registry();
    let users = registry
        .user_count()
        .await
        .map_err(|error| Failure::events(&error))?;
    if users > 0 {
        return Ok(());
    }
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

fn from_environment() -> Option<(String, String)> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some((set(EMAIL)?, set(PASSWORD)?))
}
