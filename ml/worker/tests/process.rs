//! The worker as a process: what its server may do to it, and what it must not survive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tellee_ml::protocol::{
    Decoder, FailureCode, FrameLimits, Reply, ReplyBody, Request, RequestBody, TrainSpec, encode,
};

/// Far more than any of this takes, and the test fails at its end.
const PATIENCE: Duration = Duration::from_secs(60);

struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    decoder: Decoder,
}

impl Worker {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tellee-ml-worker"))
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            decoder: Decoder::new(FrameLimits::default()),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn request(&mut self, id: u64, body: RequestBody, payload: &[f32]) {
        let request = Request {
            id,
            deadline_ms: 600_000,
            body,
        };
        self.send(&encode(&request, payload, &FrameLimits::default()).unwrap());
    }

    fn reply(&mut self) -> Reply {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return frame.parse().unwrap();
            }
            let count = self
                .child
                .stdout
                .as_mut()
                .unwrap()
                .read(&mut buffer)
                .unwrap();
            assert!(count > 0, "the worker ended");
            self.decoder.feed(&buffer[..count]);
        }
    }

    fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the worker does not end");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_hello_answers_and_shuts_down() {
    let mut worker = Worker::start();
    worker.request(1, RequestBody::Hello {}, &[]);
    let Reply {
        id: 1,
        body: ReplyBody::Hello { libtorch, .. },
    } = worker.reply()
    else {
        panic!()
    };
    assert_eq!(libtorch, "2.13.0");
    worker.request(2, RequestBody::Ping {}, &[]);
    assert_eq!(
        worker.reply(),
        Reply {
            id: 2,
            body: ReplyBody::Pong {}
        }
    );
    worker.request(3, RequestBody::Shutdown {}, &[]);
    assert_eq!(
        worker.reply(),
        Reply {
            id: 3,
            body: ReplyBody::ShuttingDown {}
        }
    );
    assert!(worker.ended().success());
}

#[test]
fn it_ends_with_its_server_even_in_mid_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start();
    let mut spec = TrainSpec::new(vec!["a".into(), "b".into()], 1_000, 64);
    spec.max_epochs = 10_000;
    spec.patience = 10_000;
    let rows: Vec<f32> = (0..40_000).map(|row| (row as f32 * 0.1).sin()).collect();
    worker.request(1, RequestBody::Hello {}, &[]);
    worker.reply();
    let body = RequestBody::Train {
        spec,
        rows: 20_000,
        folder: folder.path().join("part"),
    };
    worker.request(2, body, &rows);
    sleep(Duration::from_millis(300));
    assert_eq!(worker.child.try_wait().unwrap(), None);
    drop(worker.stdin.take());
    assert!(worker.ended().success());
}

#[test]
fn bytes_that_are_no_frame_end_it_with_a_code_of_their_own() {
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"TLM\x01\x02\0\0\0\0\0\0\0{}",
    ] {
        let mut worker = Worker::start();
        worker.send(bytes);
        assert_eq!(worker.ended().code(), Some(3));
    }
}

#[test]
fn a_request_that_nobody_waits_for_any_more_is_not_worked_on() {
    let mut worker = Worker::start();
    let request = Request {
        id: 1,
        deadline_ms: 0,
        body: RequestBody::Ping {},
    };
    worker.send(&encode(&request, &[], &FrameLimits::default()).unwrap());
    let ReplyBody::Failed(failure) = worker.reply().body else {
        panic!()
    };
    assert_eq!(failure.code, FailureCode::DeadlineExceeded);
}
