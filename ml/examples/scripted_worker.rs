//! A double of `tellee-ml-worker` for tests: answers by the protocol without libtorch, and misbehaves as its first argument
//! says, or else the name that it is called by.
//!
//! Its "model" scores a window by the first value of its last sample: above 100 is abnormal.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use tellee_ml::artifact::{self, MANIFEST_FORMAT, Manifest, SCORE_LIMIT, Scaling};
use tellee_ml::protocol::{
    Decoder, Failure, FailureCode, FrameLimits, Loaded, Reply, ReplyBody, Request, RequestBody,
    ScoreShape, Scored, TrainReport, TrainSpec, ValidationReport, encode,
};

const SIGNALS: usize = 2;

fn main() {
    let called = std::env::args().next().unwrap_or_default();
    let script = std::env::args()
        .nth(1)
        .unwrap_or_else(|| called.rsplit('/').next().unwrap_or("").to_owned());
    match script.as_str() {
        "no-library" => process::exit(127),
        "crash-at-once" => process::exit(1),
        "silent" => loop {
            thread::sleep(Duration::from_secs(60));
        },
        "garbage" => {
            println!("warning: this library likes to talk");
            io::stdout().flush().ok();
        }
        "old-protocol" => {
            io::stdout().write_all(b"TLM\x00\x02\0\0\0\0\0\0\0{}").ok();
            io::stdout().flush().ok();
        }
        _ => {}
    }
    let mut input = io::stdin().lock();
    let mut decoder = Decoder::new(FrameLimits::default());
    let mut buffer = [0; 4096];
    loop {
        match input.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => decoder.feed(&buffer[..count]),
        }
        while let Ok(Some(frame)) = decoder.next_frame() {
            let Ok(request) = frame.parse::<Request>() else {
                process::exit(4)
            };
            misbehave(&script, &called, &request.body);
            let (body, payload) = answer(&script, &request.body, &frame.payload);
            let Ok(bytes) = encode(
                &Reply {
                    id: request.id,
                    body,
                },
                &payload,
                &FrameLimits::default(),
            ) else {
                process::exit(5)
            };
            let half = if script == "torn-answer" && payload.len() > 1 {
                bytes.len() / 2
            } else {
                bytes.len()
            };
            io::stdout().write_all(&bytes[..half]).ok();
            io::stdout().flush().ok();
            if half < bytes.len() {
                process::exit(1);
            }
        }
    }
}

/// Dies or hangs at the request that the script names.
fn misbehave(script: &str, called: &str, body: &RequestBody) {
    let named = match body {
        RequestBody::Train { .. } => "train",
        RequestBody::Load { .. } => "load",
        RequestBody::Score { .. } => "score",
        RequestBody::Validate { .. } => "validate",
        RequestBody::Ping {} => "ping",
        _ => return,
    };
    if script == format!("abort-on-{named}") {
        process::abort();
    }
    if script == format!("hang-on-{named}") {
        loop {
            thread::sleep(Duration::from_secs(60));
        }
    }
    // Dies the first time only: a file beside the name that it is called by remembers it.
    let marker = format!("{called}.died");
    if script == format!("abort-once-on-{named}") && !Path::new(&marker).exists() {
        fs::write(marker, b"").ok();
        process::abort();
    }
}

fn answer(script: &str, body: &RequestBody, payload: &[f32]) -> (ReplyBody, Vec<f32>) {
    let reply = match body {
        RequestBody::Hello {} => ReplyBody::Hello {
            code_version: "double".into(),
            libtorch: "none".into(),
        },
        RequestBody::Train { spec, folder, rows } => train(spec, folder, *rows, payload),
        RequestBody::Load {
            folder, artifact, ..
        } => match artifact::read(folder, Some(artifact)) {
            Ok(manifest) => ReplyBody::Loaded(Loaded {
                signals: manifest.spec.signals.len() as u32,
                window: manifest.spec.window,
                score_limit: SCORE_LIMIT,
            }),
            Err(error) => failed(FailureCode::Artifact, &error.to_string()),
        },
        RequestBody::Unload { .. } => ReplyBody::Unloaded {},
        RequestBody::Score { batch, .. } => return score(*batch, payload),
        RequestBody::Validate { .. } if script == "refuse-on-validate" => failed(
            FailureCode::Artifact,
            "scores depend on the size of the batch",
        ),
        RequestBody::Validate { .. } => ReplyBody::Validated(ValidationReport {
            milliseconds: vec![(1, 0.1)],
            largest_difference: 0.0,
        }),
        RequestBody::Ping {} if script == "tell-environment" => {
            let variables: Vec<String> = std::env::vars()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            failed(FailureCode::Invalid, &variables.join("\n"))
        }
        RequestBody::Ping {} => ReplyBody::Pong {},
        RequestBody::Shutdown {} => ReplyBody::ShuttingDown {},
    };
    (reply, Vec::new())
}

fn failed(code: FailureCode, message: &str) -> ReplyBody {
    ReplyBody::Failed(Failure {
        code,
        message: message.to_owned(),
    })
}

fn train(spec: &TrainSpec, folder: &Path, rows: u32, payload: &[f32]) -> ReplyBody {
    if payload.len() != rows as usize * spec.signals.len() {
        return failed(FailureCode::Invalid, "rows do not fit");
    }
    let write = || -> Result<String, artifact::ArtifactError> {
        let graph = artifact::graph_path(folder);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&graph, b"no graph"))
            .map_err(|source| artifact::ArtifactError::Write {
                path: graph.clone(),
                source,
            })?;
        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            code_version: "double".into(),
            libtorch: "none".into(),
            graph_sha256: artifact::hash_graph(folder)?,
            spec: spec.clone(),
            scaling: vec![
                Scaling {
                    centre: 0.0,
                    scale: 1.0,
                    wanders: false
                };
                spec.signals.len()
            ],
            healthy_error: vec![1.0; spec.signals.len()],
            error_limit: 1.0,
        };
        artifact::write_manifest(folder, &manifest)
    };
    match write() {
        Ok(artifact) => ReplyBody::Trained(TrainReport {
            artifact,
            score_limit: SCORE_LIMIT,
            metrics: [].into(),
        }),
        Err(error) => failed(FailureCode::Artifact, &error.to_string()),
    }
}

fn score(batch: u32, payload: &[f32]) -> (ReplyBody, Vec<f32>) {
    let values = payload.len() / (batch as usize).max(1);
    let results: Vec<Scored> = payload
        .chunks(values.max(1))
        .map(|window| {
            let first = window[window.len().saturating_sub(SIGNALS)];
            let score = if first > 100.0 { 0.9 } else { 0.1 };
            Scored {
                score,
                shares: vec![0.75, 0.25],
                expected: vec![50.0, 5.0],
            }
        })
        .collect();
    let shape = ScoreShape {
        batch,
        signals: SIGNALS as u32,
    };
    (ReplyBody::Scored(shape), shape.pack(&results))
}
