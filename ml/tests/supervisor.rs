//! The supervisor against a scripted double of the worker: deaths, hangs, garbage, absence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tellee_actors::time::SystemClock;
use tellee_ml::protocol::{ReplyBody, RequestBody};
use tellee_ml::worker::{CallError, Launch, RestartPolicy, Supervisor, WorkerHandle, WorkerState};
use tokio::time::timeout;

/// Far more than any of this takes, and the test fails at its end.
const PATIENCE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(20);

/// The double that cargo builds beside the tests.
fn scripted_worker() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/scripted_worker");
    assert!(
        path.is_file(),
        "build it with `cargo build -p tellee-ml --examples`: {}",
        path.display()
    );
    path
}

fn launch(script: &str) -> Launch {
    Launch {
        program: scripted_worker(),
        arguments: vec![script.to_owned()],
        libtorch: None,
    }
}

fn quick() -> RestartPolicy {
    RestartPolicy {
        first_delay: Duration::from_millis(10),
        longest_delay: Duration::from_millis(20),
        deaths: 3,
        rest: Duration::from_secs(3_600),
        hello: Duration::from_secs(10),
        absent: Duration::from_millis(20),
        ..RestartPolicy::default()
    }
}

async fn supervise(launch: Launch, policy: RestartPolicy) -> WorkerHandle {
    Supervisor::start(launch, policy, Arc::new(SystemClock::default()))
        .await
        .unwrap()
}

async fn wait_for(worker: &WorkerHandle, wanted: impl FnMut(&WorkerState) -> bool) -> WorkerState {
    let mut state = worker.watch();
    timeout(PATIENCE, state.wait_for(wanted))
        .await
        .expect("the state comes")
        .unwrap()
        .clone()
}

async fn ready(worker: &WorkerHandle) {
    wait_for(worker, |state| *state == WorkerState::Ready).await;
}

#[tokio::test]
async fn a_worker_answers_and_ends_with_its_server() {
    let worker = supervise(launch("good"), quick()).await;
    ready(&worker).await;
    let (reply, _) = worker
        .call(RequestBody::Ping {}, &[], DEADLINE)
        .await
        .unwrap();
    assert_eq!(reply, ReplyBody::Pong {});

    let process = worker.process_id().unwrap();
    timeout(PATIENCE, worker.stop()).await.unwrap();
    assert!(!PathBuf::from(format!("/proc/{process}")).exists());
    let refused = worker
        .call(RequestBody::Ping {}, &[], DEADLINE)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, CallError::Unavailable { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_worker_that_dies_in_mid_batch_fails_the_call_and_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("abort-once-on-score");
    std::os::unix::fs::symlink(scripted_worker(), &program).unwrap();
    let worker = supervise(
        Launch {
            program,
            arguments: Vec::new(),
            libtorch: None,
        },
        quick(),
    )
    .await;
    ready(&worker).await;
    assert_eq!(worker.generation(), Some(1));

    let score = || {
        worker.call(
            RequestBody::Score {
                model: uuid::Uuid::nil(),
                version: 1,
                batch: 1,
            },
            &[1.0, 2.0],
            DEADLINE,
        )
    };
    let died = score().await.unwrap_err();
    assert!(
        matches!(died, CallError::Died { .. }) && died.is_retryable(),
        "{died:?}"
    );

    wait_for(&worker, |state| *state != WorkerState::Ready).await;
    ready(&worker).await;
    assert_eq!(worker.generation(), Some(2));
    assert!(matches!(score().await.unwrap().0, ReplyBody::Scored(_)));
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed_at_the_deadline() {
    let worker = supervise(launch("hang-on-ping"), quick()).await;
    ready(&worker).await;
    let hung = worker
        .call(RequestBody::Ping {}, &[], Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(hung, CallError::TimedOut);
    wait_for(&worker, |state| *state != WorkerState::Ready).await;
    ready(&worker).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_answer_torn_in_the_middle_is_a_death() {
    let worker = supervise(launch("torn-answer"), quick()).await;
    ready(&worker).await;
    let body = RequestBody::Score {
        model: uuid::Uuid::nil(),
        version: 1,
        batch: 1,
    };
    let torn = worker.call(body, &[1.0, 2.0], DEADLINE).await.unwrap_err();
    assert!(
        matches!(&torn, CallError::Died { reason } if reason.contains("middle")),
        "{torn:?}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn one_that_dies_time_and_again_is_left_alone_until_told() {
    for script in ["crash-at-once", "garbage", "old-protocol"] {
        let worker = supervise(launch(script), quick()).await;
        let state = wait_for(&worker, |state| matches!(state, WorkerState::Broken { .. })).await;
        assert!(matches!(state, WorkerState::Broken { .. }), "{script}");
        let refused = worker
            .call(RequestBody::Ping {}, &[], DEADLINE)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, CallError::Unavailable { .. }) && refused.is_retryable(),
            "{script}"
        );
        worker.start_now();
        wait_for(&worker, |state| {
            !matches!(state, WorkerState::Broken { .. })
        })
        .await;
        worker.stop().await;
    }
}

#[tokio::test]
async fn one_that_never_says_hello_is_given_up() {
    let policy = RestartPolicy {
        hello: Duration::from_millis(100),
        deaths: 1,
        ..quick()
    };
    let worker = supervise(launch("silent"), policy).await;
    wait_for(&worker, |state| matches!(state, WorkerState::Broken { .. })).await;
    worker.stop().await;
}

#[tokio::test]
async fn without_program_or_libtorch_models_are_off_and_come_when_it_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tellee-ml-worker");
    let absent = Launch {
        program: program.clone(),
        ..launch("good")
    };
    let worker = supervise(absent, quick()).await;
    let state = wait_for(&worker, |state| matches!(state, WorkerState::Absent { .. })).await;
    assert!(matches!(state, WorkerState::Absent { reason } if reason.contains("not installed")));
    let refused = worker
        .call(RequestBody::Ping {}, &[], DEADLINE)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("not installed"), "{refused}");

    std::os::unix::fs::symlink(scripted_worker(), &program).unwrap();
    ready(&worker).await;
    worker.stop().await;

    let worker = supervise(
        Launch {
            libtorch: Some("/nowhere".into()),
            ..launch("no-library")
        },
        quick(),
    )
    .await;
    let state = wait_for(&worker, |state| matches!(state, WorkerState::Absent { .. })).await;
    assert!(matches!(state, WorkerState::Absent { reason } if reason.contains("libtorch")));
    worker.stop().await;
}

/// Without OMP_NUM_THREADS=1 oneDNN takes all cores and collapses under load. The server's environment may hold secrets.
#[tokio::test]
async fn a_worker_gets_one_thread_and_nothing_of_the_servers_environment() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let launch = Launch {
        libtorch: Some("/opt/libtorch".into()),
        ..launch("tell-environment")
    };
    let worker = supervise(launch, quick()).await;
    ready(&worker).await;
    let told = worker
        .call(RequestBody::Ping {}, &[], DEADLINE)
        .await
        .unwrap_err()
        .to_string();
    let mut names: Vec<&str> = told.lines().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "LD_LIBRARY_PATH=/opt/libtorch/lib",
            "MKL_NUM_THREADS=1",
            "OMP_NUM_THREADS=1",
            "RUST_BACKTRACE=0"
        ]
    );
    worker.stop().await;
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_at_once() {
    let worker = supervise(launch("hang-on-ping"), quick()).await;
    ready(&worker).await;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let worker = worker.clone();
            tokio::spawn(async move { worker.call(RequestBody::Ping {}, &[], DEADLINE).await })
        })
        .collect();
    let mut refused = 0;
    for call in calls.into_iter().rev() {
        match timeout(Duration::from_millis(200), call).await {
            Ok(answer) => {
                assert_eq!(answer.unwrap().unwrap_err(), CallError::Overloaded);
                refused += 1;
            }
            Err(_) => break,
        }
    }
    assert_eq!(refused, 36);
    worker.stop().await;
}
