//! Running one operation for one caller: counted, timed, and with a stable code on each error.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Request, Response, ServerError};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use super::aggregates::AggregateBatches;
use super::limits;
use super::rows::Rows;
use super::rules::cause;
use super::schema::TelleeSchema;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::platform::Platform;

/// A query or a mutation that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Executor {
    schema: TelleeSchema,
    platform: Arc<Platform>,
}

impl Executor {
    pub const fn new(schema: TelleeSchema, platform: Arc<Platform>) -> Self {
        Self { schema, platform }
    }

    pub const fn platform(&self) -> &Arc<Platform> {
        &self.platform
    }

    /// The answer to a query or a mutation. Subscriptions need a socket.
    pub async fn answer(&self, caller: Caller, request: Request) -> Response {
        match self.prepare(caller, request) {
            Ok((_, OperationType::Subscription)) => refused(&ApiError::new(
                ErrorCode::InvalidInput,
                "a subscription needs a WebSocket with the sub-protocol `graphql-transport-ws`",
            )),
            Ok((request, _)) => self.run(request).await,
            Err(response) => *response,
        }
    }

    /// The answers to an operation of any kind: one to a query or a mutation, any number to a subscription.
    pub fn answers(&self, caller: Caller, request: Request) -> BoxStream<'static, Response> {
        match self.prepare(caller, request) {
            Ok((request, OperationType::Subscription)) => {
                self.schema.execute_stream(request).map(with_codes).boxed()
            }
            Ok((request, _)) => {
                let executor = self.clone();
                stream::once(async move { executor.run(request).await }).boxed()
            }
            Err(response) => stream::iter([*response]).boxed(),
        }
    }

    fn prepare(
        &self,
        caller: Caller,
        mut request: Request,
    ) -> Result<(Request, OperationType), Box<Response>> {
        let document = match request.parsed_query() {
            Ok(document) => document,
            Err(error) => return Err(Box::new(with_codes(Response::from_errors(vec![error])))),
        };
        limits::check(document).map_err(|error| Box::new(refused(&error)))?;
        let name = request.operation_name.clone();
        let kind = kind_of(
            request.parsed_query().map_err(refused_by_library)?,
            name.as_deref(),
        );
        let loader = Rows::loader(Arc::clone(&self.platform), caller.organisation);
        let aggregates = AggregateBatches::new(Arc::clone(&self.platform.telemetry));
        Ok((request.data(caller).data(loader).data(aggregates), kind))
    }

    async fn run(&self, request: Request) -> Response {
        match tokio::time::timeout(TIMEOUT, self.schema.execute(request)).await {
            Ok(response) => with_codes(response),
            Err(_) => {
                let reason = format!(
                    "the request ran longer than {} s and was given up",
                    TIMEOUT.as_secs()
                );
                refused(&ApiError::new(ErrorCode::QueryTooComplex, reason))
            }
        }
    }
}

fn refused_by_library(error: ServerError) -> Box<Response> {
    Box::new(with_codes(Response::from_errors(vec![error])))
}

/// What the chosen operation is. Where none can be chosen, the library says so when it runs.
fn kind_of(document: &ExecutableDocument, name: Option<&str>) -> OperationType {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        // A single operation with a name of its own is chosen without being named again.
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next()
        }
        (DocumentOperations::Multiple(_), None) => None,
    };
    operation.map_or(OperationType::Query, |operation| operation.node.ty)
}

/// A refusal of the whole request in the shape of GraphQL.
pub fn refused(error: &ApiError) -> Response {
    let mut server_error = ServerError::new(error.message.clone(), None);
    extend(&mut server_error, error);
    Response::from_errors(vec![server_error])
}

/// Gives each error its stable code.
fn with_codes(mut response: Response) -> Response {
    for error in &mut response.errors {
        let own = cause(error)
            .cloned()
            .unwrap_or_else(|| of_the_library(error));
        extend(error, &own);
    }
    response
}

/// Parsing, validation and limits of the library.
fn of_the_library(error: &ServerError) -> ApiError {
    let limits = [
        "too deep",
        "too complex",
        "recursion depth",
        "number of directives",
    ];
    let over = limits.iter().any(|limit| error.message.contains(limit));
    let code = if over {
        ErrorCode::QueryTooComplex
    } else {
        ErrorCode::InvalidInput
    };
    ApiError::new(code, error.message.clone())
}

fn extend(error: &mut ServerError, own: &ApiError) {
    let extensions = error.extensions.get_or_insert_with(Default::default);
    extensions.set("code", own.code.as_str());
    extensions.set("retryable", own.is_retryable());
    if let Some(field) = &own.field {
        extensions.set("field", field.as_str());
    }
    if let Some(wait) = own.retry_after {
        extensions.set(
            "retryAfterMs",
            u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        );
    }
}
