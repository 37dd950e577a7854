//! The stable code of each error, in answers to `POST` and in what a socket sends.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextSubscribe};
use async_graphql::{Response, ServerError};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::rules::cause;
use crate::error::{ApiError, ErrorCode};

/// Gives their codes to errors that leave by a socket, where no handler sees the response.
pub struct Codes;

impl ExtensionFactory for Codes {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

impl Extension for Codes {
    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        next.run(ctx, stream).map(decorate).boxed()
    }
}

/// Gives each error its stable code.
pub fn decorate(mut response: Response) -> Response {
    for error in &mut response.errors {
        match cause(error).cloned() {
            Some(own) => extend(error, &own),
            None => {
                // Parsing, validation and limits of the library.
                let limit = error.message.contains("too deep")
                    || error.message.contains("too complex")
                    || error.message.contains("recursion depth");
                let code = if limit {
                    ErrorCode::QueryTooComplex
                } else {
                    ErrorCode::InvalidInput
                };
                let own = ApiError::new(code, error.message.clone());
                extend(error, &own);
            }
        }
    }
    response
}

pub fn extend(error: &mut ServerError, own: &ApiError) {
    let extensions = error.extensions.get_or_insert_with(Default::default);
    extensions.set("code", own.code.as_str());
    extensions.set("retryable", own.code.is_retryable());
    if let Some(field) = &own.field {
        extensions.set("field", field.as_str());
    }
}
