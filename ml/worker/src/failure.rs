//! Failures of others as failures of a request.

use tch::TchError;
use tellee_ml::artifact::ArtifactError;
use tellee_ml::protocol::{Failure, FailureCode};

pub fn artifact_failure(error: &ArtifactError) -> Failure {
    Failure {
        code: FailureCode::Artifact,
        message: error.to_string(),
    }
}

/// libtorch's messages carry a C++ stack trace; the first line says what is wrong.
#[allow(clippy::needless_pass_by_value)]
pub fn runtime_failure(error: TchError) -> Failure {
    let text = error.to_string();
    let message = text.lines().next().unwrap_or("libtorch failed").to_owned();
    Failure {
        code: FailureCode::Runtime,
        message,
    }
}

pub fn invalid(message: impl Into<String>) -> Failure {
    Failure {
        code: FailureCode::Invalid,
        message: message.into(),
    }
}
