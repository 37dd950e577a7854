//! The whole worker on real libtorch: trains, exports, loads, scores; and what it must survive.

use std::fs;
use std::path::Path;
use std::time::Instant;

use tch::{CModule, Device, Kind, Tensor};
use tellee_ml::artifact;
use tellee_ml::protocol::{
    FailureCode, MAX_BATCH, ReplyBody, Request, RequestBody, ScoreShape, Scored, TrainReport,
    TrainSpec, ValidationReport,
};
use uuid::Uuid;

use crate::handler::{Answer, Handler};
use crate::network::Autoencoder;
use crate::random::Random;

const WINDOW: u32 = 12;
const SIGNALS: usize = 3;

/// Two waves that belong together and a noisy level.
fn healthy_rows(count: usize) -> Vec<f32> {
    let mut noise = 12_345_u32;
    let mut rows = Vec::with_capacity(count * SIGNALS);
    for row in 0..count {
        let phase = row as f32 * 0.3;
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let jitter = (noise >> 8) as f32 / 16_777_216.0 - 0.5;
        rows.extend([
            20.0 + phase.sin() * 3.0,
            5.0 - phase.sin() * 0.5,
            100.0 + jitter,
        ]);
    }
    rows
}

fn spec() -> TrainSpec {
    let mut spec = TrainSpec::new(
        vec!["flow".into(), "current".into(), "pressure".into()],
        1_000,
        WINDOW,
    );
    spec.max_epochs = 60;
    spec.learning_rate = 3e-3;
    spec
}

fn ask_within(
    handler: &mut Handler,
    body: RequestBody,
    payload: &[f32],
    deadline_ms: u64,
) -> Answer {
    let answer = handler.handle(
        Request {
            id: 7,
            deadline_ms,
            body,
        },
        payload,
        Instant::now(),
    );
    assert_eq!(answer.0.id, 7);
    answer
}

fn ask(handler: &mut Handler, body: RequestBody, payload: &[f32]) -> Answer {
    ask_within(handler, body, payload, 600_000)
}

fn train(folder: &Path, rows: &[f32]) -> TrainReport {
    let body = RequestBody::Train {
        spec: spec(),
        rows: (rows.len() / SIGNALS) as u32,
        folder: folder.to_owned(),
    };
    match ask(&mut Handler::default(), body, rows).0.body {
        ReplyBody::Trained(report) => report,
        other => panic!("{other:?}"),
    }
}

fn load(handler: &mut Handler, folder: &Path, artifact: &str) -> Uuid {
    let model = Uuid::from_u128(1);
    let body = RequestBody::Load {
        model,
        version: 1,
        folder: folder.to_owned(),
        artifact: artifact.to_owned(),
    };
    match ask(handler, body, &[]).0.body {
        ReplyBody::Loaded(loaded) => assert_eq!((loaded.signals, loaded.window), (3, WINDOW)),
        other => panic!("{other:?}"),
    }
    model
}

fn score(
    handler: &mut Handler,
    model: Uuid,
    windows: &[f32],
    batch: u32,
) -> Result<Vec<Scored>, FailureCode> {
    let (reply, payload) = ask(
        handler,
        RequestBody::Score {
            model,
            version: 1,
            batch,
        },
        windows,
    );
    match reply.body {
        ReplyBody::Scored(shape) => Ok(ScoreShape::unpack(shape, &payload).unwrap()),
        ReplyBody::Failed(failure) => Err(failure.code),
        other => panic!("{other:?}"),
    }
}

fn validate(folder: &Path, batches: &[u32]) -> Result<ValidationReport, FailureCode> {
    let body = RequestBody::Validate {
        folder: folder.to_owned(),
        batches: batches.to_vec(),
    };
    match ask(&mut Handler::default(), body, &[]).0.body {
        ReplyBody::Validated(report) => Ok(report),
        ReplyBody::Failed(failure) => Err(failure.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trained_model_tells_health_from_fault_and_names_the_signal() {
    let folder = tempfile::tempdir().unwrap();
    let rows = healthy_rows(600);
    let report = train(folder.path(), &rows);
    let mut handler = Handler::default();
    let model = load(&mut handler, folder.path(), &report.artifact);

    let window = &rows[300 * SIGNALS..(300 + WINDOW as usize) * SIGNALS];
    let healthy = &score(&mut handler, model, window, 1).unwrap()[0];
    assert!(f64::from(healthy.score) < report.score_limit, "{healthy:?}");
    assert!((healthy.shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);

    let mut faulty = window.to_vec();
    faulty
        .iter_mut()
        .skip(1)
        .step_by(SIGNALS)
        .for_each(|current| *current += 4.0);
    let faulty = &score(&mut handler, model, &faulty, 1).unwrap()[0];
    assert!(f64::from(faulty.score) > report.score_limit, "{faulty:?}");
    assert!(
        faulty.shares[1] > faulty.shares[0] && faulty.shares[1] > faulty.shares[2],
        "{faulty:?}"
    );
    assert!((faulty.expected[2] - 100.0).abs() < 10.0, "{faulty:?}");
}

#[test]
fn the_same_rows_and_seed_give_the_same_artifact_bit_for_bit() {
    let rows = healthy_rows(400);
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let reports: Vec<_> = folders
        .iter()
        .map(|folder| train(folder.path(), &rows))
        .collect();
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0], reports[2]);
    let graphs: Vec<_> = folders
        .iter()
        .map(|folder| fs::read(artifact::graph_path(folder.path())).unwrap())
        .collect();
    assert!(graphs[0] == graphs[1] && graphs[0] == graphs[2]);
}

#[test]
fn a_batch_scores_as_its_windows_do_alone_at_any_size() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &healthy_rows(400));
    let report = validate(folder.path(), &[1, 2, 3, 7, 64, MAX_BATCH]).unwrap();
    assert!(report.largest_difference < 1e-5, "{report:?}");
    assert_eq!(report.milliseconds.len(), 6);
}

/// Writes an artifact whose graph came about by tracing `graph` instead of the auto-encoder.
fn artifact_with_graph(folder: &Path, graph: &mut dyn FnMut(&Tensor) -> Tensor) {
    train(folder, &healthy_rows(400));
    let mut manifest = artifact::read(folder, None).unwrap();
    let example = Tensor::zeros(
        [2, i64::from(WINDOW) * SIGNALS as i64],
        (Kind::Float, Device::Cpu),
    );
    let module = CModule::create_by_tracing(
        "Broken",
        "forward",
        &[example],
        &mut |inputs: &[Tensor]| vec![graph(&inputs[0])],
    )
    .unwrap();
    module.save(artifact::graph_path(folder)).unwrap();
    manifest.graph_sha256 = artifact::hash_graph(folder).unwrap();
    artifact::write_manifest(folder, &manifest).unwrap();
}

#[test]
fn a_graph_with_the_batch_size_baked_in_does_not_pass_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    artifact_with_graph(folder.path(), &mut |input| {
        input
            + Tensor::ones(
                [2, i64::from(WINDOW) * SIGNALS as i64],
                (Kind::Float, Device::Cpu),
            )
    });
    assert!(validate(folder.path(), &[3]).is_err());
}

#[test]
fn a_graph_whose_scores_depend_on_the_batch_does_not_pass_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    artifact_with_graph(folder.path(), &mut |input| {
        input - input.mean_dim(0, true, Kind::Float)
    });
    assert_eq!(validate(folder.path(), &[1, 3]), Err(FailureCode::Artifact));
}

#[test]
fn a_graph_that_gives_another_shape_or_no_numbers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    artifact_with_graph(folder.path(), &mut |input| input.narrow(1, 0, 5));
    assert_eq!(validate(folder.path(), &[1]), Err(FailureCode::Artifact));

    let folder = tempfile::tempdir().unwrap();
    artifact_with_graph(folder.path(), &mut |input| (input * 0.0 - 1.0).log());
    assert_eq!(validate(folder.path(), &[1]), Err(FailureCode::Runtime));
}

#[test]
fn garbage_and_absent_files_are_refused_and_the_worker_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        validate(&folder.path().join("nowhere"), &[1]),
        Err(FailureCode::Artifact)
    );

    let report = train(folder.path(), &healthy_rows(400));
    let mut manifest = artifact::read(folder.path(), None).unwrap();
    fs::write(
        artifact::graph_path(folder.path()),
        b"PK\x03\x04 this is no graph",
    )
    .unwrap();
    assert_eq!(validate(folder.path(), &[1]), Err(FailureCode::Artifact));
    // Garbage whose hash fits: libtorch itself has to refuse it.
    manifest.graph_sha256 = artifact::hash_graph(folder.path()).unwrap();
    artifact::write_manifest(folder.path(), &manifest).unwrap();
    assert_eq!(validate(folder.path(), &[1]), Err(FailureCode::Artifact));

    train(folder.path(), &healthy_rows(400));
    let mut handler = Handler::default();
    let model = load(&mut handler, folder.path(), &report.artifact);
    assert_eq!(
        score(
            &mut handler,
            model,
            &vec![1.0; WINDOW as usize * SIGNALS],
            1
        )
        .unwrap()
        .len(),
        1
    );
}

#[test]
fn what_does_not_fit_the_model_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let report = train(folder.path(), &healthy_rows(400));
    let mut handler = Handler::default();
    let model = load(&mut handler, folder.path(), &report.artifact);
    let values = WINDOW as usize * SIGNALS;

    assert_eq!(score(&mut handler, model, &[], 0), Ok(Vec::new()));
    let invalid = Err(FailureCode::Invalid);
    assert_eq!(
        score(&mut handler, model, &vec![1.0; WINDOW as usize * 4], 1),
        invalid
    );
    assert_eq!(score(&mut handler, model, &[], 1), invalid);
    assert_eq!(
        score(&mut handler, model, &vec![1.0; values], u32::MAX),
        invalid
    );
    let mut missing = vec![1.0; values];
    missing[4] = f32::NAN;
    assert_eq!(score(&mut handler, model, &missing, 1), invalid);
    assert_eq!(
        score(&mut handler, Uuid::from_u128(2), &vec![1.0; values], 1),
        invalid
    );
    // As far out as numbers go: still a score.
    let far = score(&mut handler, model, &vec![f32::MAX; values], 1).unwrap();
    assert!(far[0].score > 0.9 && far[0].score <= 1.0);

    ask(&mut handler, RequestBody::Unload { model }, &[]);
    assert_eq!(score(&mut handler, model, &vec![1.0; values], 1), invalid);
}

#[test]
fn a_load_of_another_hash_leaves_the_live_version_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let report = train(folder.path(), &healthy_rows(400));
    let mut handler = Handler::default();
    let model = load(&mut handler, folder.path(), &report.artifact);
    let body = RequestBody::Load {
        model,
        version: 2,
        folder: folder.path().to_owned(),
        artifact: "00".repeat(32),
    };
    assert!(matches!(
        ask(&mut handler, body, &[]).0.body,
        ReplyBody::Failed(_)
    ));
    assert_eq!(
        score(
            &mut handler,
            model,
            &vec![1.0; WINDOW as usize * SIGNALS],
            1
        )
        .unwrap()
        .len(),
        1
    );
}

#[test]
fn training_that_cannot_succeed_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let fail = |spec: TrainSpec, rows: &[f32], deadline_ms: u64| {
        let count = (rows.len() / SIGNALS) as u32;
        let body = RequestBody::Train {
            spec,
            rows: count,
            folder: folder.path().to_owned(),
        };
        match ask_within(&mut Handler::default(), body, rows, deadline_ms)
            .0
            .body
        {
            ReplyBody::Failed(failure) => failure.code,
            other => panic!("{other:?}"),
        }
    };
    let rows = healthy_rows(400);
    assert_eq!(
        fail(spec(), &rows[..30 * SIGNALS], 60_000),
        FailureCode::Unsuitable
    );
    assert_eq!(
        fail(spec(), &vec![f32::NAN; rows.len()], 60_000),
        FailureCode::Unsuitable
    );
    assert_eq!(
        fail(spec(), &vec![f32::INFINITY; rows.len()], 60_000),
        FailureCode::Invalid
    );
    assert_eq!(fail(spec(), &rows, 0), FailureCode::DeadlineExceeded);
    assert_eq!(
        fail(
            TrainSpec {
                window: 0,
                ..spec()
            },
            &rows,
            60_000
        ),
        FailureCode::Invalid
    );
    assert_eq!(
        fail(
            TrainSpec {
                learning_rate: f64::NAN,
                ..spec()
            },
            &rows,
            60_000
        ),
        FailureCode::Invalid
    );
    assert_eq!(
        fail(
            TrainSpec {
                held_out_share: 1.0,
                ..spec()
            },
            &rows,
            60_000
        ),
        FailureCode::Invalid
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_network_takes_any_batch_and_refuses_another_width() {
    let store = tch::nn::VarStore::new(Device::Cpu);
    let network = Autoencoder::new(&store.root(), 6, 4, 2, &mut Random::seeded(1)).unwrap();
    for batch in [0, 1, 5] {
        let input = Tensor::zeros([batch, 6], (Kind::Float, Device::Cpu));
        assert_eq!(network.forward(&input).unwrap().size(), [batch, 6]);
    }
    assert!(
        network
            .forward(&Tensor::zeros([1, 7], (Kind::Float, Device::Cpu)))
            .is_err()
    );
}
