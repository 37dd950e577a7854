//! Answers requests, one after the other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tellee_ml::protocol::{
    Failure, FailureCode, MAX_BATCH, Reply, ReplyBody, Request, RequestBody, ScoreShape,
};
use uuid::Uuid;

use crate::LIBTORCH_VERSION;
use crate::deadline::Deadline;
use crate::failure::invalid;
use crate::model::Model;
use crate::training::train;

/// How many models a worker holds at most.
const MAX_MODELS: usize = 1_024;

/// The models of this worker.
#[derive(Debug, Default)]
pub struct Handler {
    models: HashMap<Uuid, (u32, Model)>,
    /// The server is gone.
    ended: Arc<AtomicBool>,
}

/// A reply and its payload.
pub type Answer = (Reply, Vec<f32>);

impl Handler {
    /// Without models. Work ends soon after `ended` is set.
    pub fn new(ended: Arc<AtomicBool>) -> Self {
        Self {
            models: HashMap::new(),
            ended,
        }
    }

    /// Answers one request that was read at `arrived`. A panic within libtorch's bindings is a failure of this request alone.
    pub fn handle(&mut self, request: Request, payload: &[f32], arrived: Instant) -> Answer {
        let id = request.id;
        let deadline = Deadline::after(
            arrived,
            Duration::from_millis(request.deadline_ms),
            Arc::clone(&self.ended),
        );
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.answer(request.body, payload, &deadline)
        }));
        let (body, payload) = match result {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => (ReplyBody::Failed(failure), Vec::new()),
            Err(_) => {
                let message = "libtorch panicked".to_owned();
                (
                    ReplyBody::Failed(Failure {
                        code: FailureCode::Runtime,
                        message,
                    }),
                    Vec::new(),
                )
            }
        };
        (Reply { id, body }, payload)
    }

    fn answer(
        &mut self,
        body: RequestBody,
        payload: &[f32],
        deadline: &Deadline,
    ) -> Result<(ReplyBody, Vec<f32>), Failure> {
        deadline.check()?;
        let reply = match body {
            RequestBody::Hello {} => ReplyBody::Hello {
                code_version: env!("CARGO_PKG_VERSION").to_owned(),
                libtorch: LIBTORCH_VERSION.to_owned(),
            },
            RequestBody::Train { spec, rows, folder } => {
                if payload.len() != rows as usize * spec.signals.len() {
                    return Err(invalid(format!(
                        "{rows} rows of {} signals were announced, {} values came",
                        spec.signals.len(),
                        payload.len()
                    )));
                }
                ReplyBody::Trained(train(&spec, payload, &folder, deadline)?)
            }
            RequestBody::Load {
                model,
                version,
                folder,
                artifact,
            } => {
                if self.models.len() >= MAX_MODELS && !self.models.contains_key(&model) {
                    return Err(invalid(format!("{MAX_MODELS} models are loaded already")));
                }
                let loaded = Model::load(&folder, Some(&artifact))?;
                let description = loaded.describe();
                self.models.insert(model, (version, loaded));
                ReplyBody::Loaded(description)
            }
            RequestBody::Unload { model } => {
                self.models.remove(&model);
                ReplyBody::Unloaded {}
            }
            RequestBody::Score {
                model,
                version,
                batch,
            } => return self.score(model, version, batch, payload),
            RequestBody::Validate { folder, batches } => {
                if batches.len() > 16 || batches.iter().any(|batch| *batch > MAX_BATCH) {
                    return Err(invalid(format!(
                        "at most 16 batches of at most {MAX_BATCH} can be validated"
                    )));
                }
                ReplyBody::Validated(Model::load(&folder, None)?.validate(&batches)?)
            }
            RequestBody::Ping {} => ReplyBody::Pong {},
            RequestBody::Shutdown {} => ReplyBody::ShuttingDown {},
        };
        Ok((reply, Vec::new()))
    }

    fn score(
        &self,
        model: Uuid,
        version: u32,
        batch: u32,
        payload: &[f32],
    ) -> Result<(ReplyBody, Vec<f32>), Failure> {
        let Some((_, loaded)) = self
            .models
            .get(&model)
            .filter(|(loaded, _)| *loaded == version)
        else {
            return Err(invalid(format!(
                "version {version} of model `{model}` is not loaded"
            )));
        };
        let scored = loaded.score(payload, batch)?;
        let shape = ScoreShape {
            batch,
            signals: loaded.signals() as u32,
        };
        Ok((ReplyBody::Scored(shape), shape.pack(&scored)))
    }
}
