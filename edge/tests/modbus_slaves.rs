//! Reading from slaves that misbehave in the ways real ones do.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tellee_edge::clock::{Clock, ManualClock};
use tellee_edge::connection::{Area, connections_from_json};
use tellee_edge::modbus::{Answer, PollReport, Poller, ReadError, Transactor};
use tellee_edge::sessions::Sessions;
use tellee_edge::status::StatusBoard;
use tellee_senml::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_modbus::ExceptionCode;

/// A request for registers or bits.
#[derive(Debug, Clone, Copy)]
struct Ask {
    /// Counted over all connections, from 0.
    number: usize,
    unit: u8,
    function: u8,
    start: u16,
    count: u16,
}

enum Reply {
    /// The PDU, in a right frame.
    Pdu(Vec<u8>),
    Late(Duration, Vec<u8>),
    /// In a frame with the transaction id of the request before.
    WrongTransaction(Vec<u8>),
    Silence,
    HangUp,
    /// Raw bytes in place of a frame.
    Raw(Vec<u8>),
}

/// Registers hold their own address.
fn registers(ask: Ask) -> Vec<u8> {
    let mut pdu = vec![ask.function, u8::try_from(ask.count * 2).unwrap()];
    for address in ask.start..ask.start + ask.count {
        pdu.extend_from_slice(&address.to_be_bytes());
    }
    pdu
}

fn exception(ask: Ask, code: u8) -> Reply {
    Reply::Pdu(vec![ask.function | 0x80, code])
}

/// Starts a slave and returns its address and the count of its connections.
async fn slave(
    behave: impl Fn(Ask) -> Reply + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    let behave = Arc::new(behave);
    let asked = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            let (behave, asked) = (behave.clone(), asked.clone());
            tokio::spawn(async move {
                let mut frame = [0; 12];
                while stream.read_exact(&mut frame).await.is_ok() {
                    let ask = Ask {
                        number: asked.fetch_add(1, Ordering::Relaxed),
                        unit: frame[6],
                        function: frame[7],
                        start: u16::from_be_bytes([frame[8], frame[9]]),
                        count: u16::from_be_bytes([frame[10], frame[11]]),
                    };
                    let mut transaction = u16::from_be_bytes([frame[0], frame[1]]);
                    let pdu = match behave(ask) {
                        Reply::Pdu(pdu) => pdu,
                        Reply::Late(delay, pdu) => {
                            sleep(delay).await;
                            pdu
                        }
                        Reply::WrongTransaction(pdu) => {
                            transaction = transaction.wrapping_sub(1);
                            pdu
                        }
                        Reply::Silence => continue,
                        Reply::HangUp => return,
                        Reply::Raw(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            continue;
                        }
                    };
                    let mut answer = transaction.to_be_bytes().to_vec();
                    answer.extend_from_slice(&[0, 0]);
                    answer.extend_from_slice(&u16::try_from(pdu.len() + 1).unwrap().to_be_bytes());
                    answer.push(ask.unit);
                    answer.extend_from_slice(&pdu);
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, connections)
}

fn transactor(address: String) -> Transactor {
    Transactor::new(address, Duration::from_millis(150))
}

async fn read(transactor: &mut Transactor, start: u16, count: u16) -> Result<Vec<u16>, ReadError> {
    match transactor.read(1, Area::Holding, start, count).await? {
        Answer::Registers(registers) => Ok(registers),
        Answer::Bits(_) => panic!("bits"),
    }
}

#[tokio::test]
async fn a_late_answer_never_becomes_the_answer_to_the_next_question() {
    let (address, connections) = slave(|ask| match ask.number {
        0 => Reply::Late(Duration::from_millis(300), registers(ask)),
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut transactor = transactor(address);
    assert!(matches!(
        read(&mut transactor, 500, 1).await,
        Err(ReadError::Timeout(_))
    ));
    assert!(!transactor.is_connected());
    for start in 20..25 {
        assert_eq!(read(&mut transactor, start, 1).await.unwrap(), [start]);
        sleep(Duration::from_millis(80)).await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_cancelled_read_costs_the_connection() {
    let (address, _) = slave(|ask| match ask.number {
        0 => Reply::Late(Duration::from_millis(100), registers(ask)),
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut transactor = transactor(address);
    assert!(
        timeout(Duration::from_millis(30), read(&mut transactor, 500, 1))
            .await
            .is_err()
    );
    assert!(!transactor.is_connected());
    assert_eq!(read(&mut transactor, 7, 1).await.unwrap(), [7]);
}

#[tokio::test]
async fn a_short_answer_is_no_answer() {
    let (address, _) = slave(|ask| match ask.number {
        0 => Reply::Pdu(registers(Ask { count: 4, ..ask })),
        1 => Reply::Pdu(registers(Ask { count: 12, ..ask })),
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut transactor = transactor(address);
    assert!(matches!(
        read(&mut transactor, 0, 10).await,
        Err(ReadError::WrongLength {
            expected: 10,
            got: 4
        })
    ));
    assert!(matches!(
        read(&mut transactor, 0, 10).await,
        Err(ReadError::WrongLength {
            expected: 10,
            got: 12
        })
    ));
    assert_eq!(read(&mut transactor, 0, 10).await.unwrap().len(), 10);
}

#[tokio::test]
async fn answers_to_other_questions_are_refused() {
    let (address, _) = slave(|ask| match ask.number {
        0 => Reply::WrongTransaction(registers(ask)),
        1 => Reply::Pdu(registers(Ask { function: 4, ..ask })),
        2 => Reply::Pdu(vec![0, 0]),
        3 => Reply::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut transactor = transactor(address);
    for question in 0..4 {
        let error = read(&mut transactor, 1, 1).await.unwrap_err();
        assert!(
            error.is_retryable() && !transactor.is_connected(),
            "{question}: {error}"
        );
    }
    assert_eq!(read(&mut transactor, 1, 1).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_met_with_a_new_connection() {
    let (address, connections) = slave(|ask| match ask.number {
        0 => Reply::HangUp,
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut transactor = transactor(address);
    assert!(matches!(
        read(&mut transactor, 1, 1).await,
        Err(ReadError::Transport(_))
    ));
    assert_eq!(read(&mut transactor, 1, 1).await.unwrap(), [1]);
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_exception_is_an_answer_and_keeps_the_connection() {
    let (address, connections) = slave(|ask| match ask.number {
        0 => exception(ask, 6),
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut transactor = transactor(address);
    assert!(matches!(
        read(&mut transactor, 1, 1).await,
        Err(ReadError::Exception(ExceptionCode::ServerDeviceBusy))
    ));
    assert_eq!(read(&mut transactor, 1, 1).await.unwrap(), [1]);
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

struct Polling {
    reports: mpsc::Receiver<PollReport>,
    status: StatusBoard,
    _stop: watch::Sender<bool>,
}

impl Polling {
    fn start(address: &str, devices: &str) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap();
        let content = format!(
            r#"{{"connections":[{{"id":"plc","driver":"modbus","link":{{"kind":"tcp","host":"{host}","port":{port}}},
            "timing":{{"timeout":"100ms","retries":0,"reconnect":{{"min":"50ms","max":"100ms"}}}},
            "defaults":{{"every":"100ms"}},"devices":{devices}}}]}}"#
        );
        let connection = connections_from_json(&content).unwrap().remove(0);
        let status = StatusBoard::default();
        let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
        assert_eq!(clock.now_ns(), 1_700_000_000_000_000_000);
        let poller = Poller::new(&connection, clock, status.clone(), Sessions::default()).unwrap();
        let (sender, reports) = mpsc::channel(64);
        let stop = watch::Sender::new(false);
        tokio::spawn(poller.run(sender, stop.subscribe()));
        Self {
            reports,
            status,
            _stop: stop,
        }
    }

    async fn next(&mut self) -> Vec<(String, f64)> {
        let report = timeout(Duration::from_secs(10), self.reports.recv())
            .await
            .unwrap()
            .unwrap();
        let number = |value| match value {
            Some(Value::Number(number)) => number,
            other => panic!("{other:?}"),
        };
        report
            .records
            .into_iter()
            .map(|record| (record.name, number(record.value)))
            .collect()
    }
}

#[tokio::test]
async fn one_bad_point_does_not_blank_its_neighbours() {
    let (address, _) = slave(|ask| {
        let reaches = |bad: u16| (ask.start..ask.start + ask.count).contains(&bad);
        if reaches(5) {
            exception(ask, 2)
        } else {
            Reply::Pdu(registers(ask))
        }
    })
    .await;
    let mut polling = Polling::start(
        &address,
        r#"[{"unit":1,"points":[{"name":"a","at":"holding/3"},{"name":"bad","at":"holding/5"},
            {"name":"b","at":"holding/6"},{"name":"c","at":"holding/9"}]}]"#,
    );
    let expected = [
        ("a".to_owned(), 3.0),
        ("b".to_owned(), 6.0),
        ("c".to_owned(), 9.0),
    ];
    for _ in 0..3 {
        let mut values = polling.next().await;
        values.sort_by(|left, right| left.0.cmp(&right.0));
        assert_eq!(values, expected);
    }
    let status = polling.status.read();
    assert_eq!(status.connections["plc"].devices[0].refused_points, ["bad"]);
}

#[tokio::test]
async fn a_dead_unit_is_degraded_and_its_neighbour_goes_on() {
    let (address, _) = slave(|ask| match ask.unit {
        9 => Reply::Silence,
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut polling = Polling::start(
        &address,
        r#"[{"unit":9,"plan":{"degrade_after":2},"points":[{"name":"dead","at":"holding/1"}]},
            {"unit":1,"points":[{"name":"alive","at":"holding/4"}]}]"#,
    );
    for _ in 0..8 {
        assert_eq!(polling.next().await, [("alive".to_owned(), 4.0)]);
    }
    let status = polling.status.read();
    let devices = &status.connections["plc"].devices;
    assert!(devices[0].degraded && !devices[1].degraded);
    assert_eq!(devices[0].failed_reads, 2);
}

#[tokio::test]
async fn failed_reads_give_no_values_and_the_poller_comes_back() {
    let (address, _) = slave(|ask| match ask.number {
        1 => Reply::HangUp,
        2 => Reply::Pdu(registers(Ask { count: 1, ..ask })),
        _ => Reply::Pdu(registers(ask)),
    })
    .await;
    let mut polling = Polling::start(
        &address,
        r#"[{"unit":1,"points":[{"name":"a","at":"holding/1"},{"name":"b","at":"holding/2"}]}]"#,
    );
    for _ in 0..3 {
        assert_eq!(
            polling.next().await,
            [("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]
        );
    }
    assert_eq!(
        polling.status.read().connections["plc"].devices[0].failed_reads,
        2
    );
}

#[tokio::test]
async fn a_controller_that_is_not_there_is_a_state() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let polling = Polling::start(
        &address,
        r#"[{"unit":1,"points":[{"name":"a","at":"holding/1"}]}]"#,
    );
    for _ in 0..500 {
        let status = polling.status.read();
        if let Some(error) = status
            .connections
            .get("plc")
            .and_then(|connection| connection.error.clone())
        {
            assert!(error.contains("cannot connect"));
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("no state within 5 s");
}
