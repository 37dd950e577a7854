//! The simulator over Modbus TCP, by the same transaction layer as the agent's.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tellee_edge::connection::Area;
use tellee_edge::modbus::{Answer, ReadError, Transactor};
use tellee_edge::sim::{SimConfig, SimKind, Simulator, tags};
use tokio::sync::watch;
use tokio_modbus::client::Writer;
use tokio_modbus::{ExceptionCode, Slave};

async fn started(config: SimConfig) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let simulator = Simulator::bind(config).await.unwrap();
    let address = simulator.address();
    let stop = watch::Sender::new(false);
    tokio::spawn(simulator.run(stop.subscribe()));
    (address, stop)
}

fn floats(answer: &Answer) -> Vec<f32> {
    let Answer::Registers(registers) = answer else {
        panic!("bits")
    };
    registers
        .chunks(2)
        .map(|pair| f32::from_bits((u32::from(pair[0]) << 16) | u32::from(pair[1])))
        .collect()
}

#[tokio::test]
async fn the_pump_answers_within_its_ranges_and_refuses_what_is_not_there() {
    let (address, _stop) = started(SimConfig::new(SimKind::Pump)).await;
    let mut transactor = Transactor::new(address.to_string(), Duration::from_secs(5));
    let values = floats(&transactor.read(1, Area::Input, 0, 26).await.unwrap());
    for (value, tag) in values.iter().zip(tags(&SimKind::Pump).unwrap()) {
        assert!(
            f64::from(*value) >= tag.low && f64::from(*value) <= tag.high,
            "{} = {value}",
            tag.name
        );
    }
    let refused = |answer| match answer {
        Err(ReadError::Exception(code)) => code,
        other => panic!("{other:?}"),
    };
    let beyond = transactor.read(1, Area::Input, 20, 20).await;
    assert_eq!(refused(beyond), ExceptionCode::IllegalDataAddress);
    let elsewhere = transactor.read(7, Area::Input, 0, 2).await;
    assert_eq!(refused(elsewhere), ExceptionCode::GatewayTargetDevice);
    assert_eq!(
        refused(transactor.read(1, Area::Input, 0, 126).await),
        ExceptionCode::IllegalDataValue
    );
}

#[tokio::test]
async fn a_fault_injected_over_modbus_is_felt() {
    let (address, _stop) = started(SimConfig {
        speed: 600.0,
        ..SimConfig::new(SimKind::Pump)
    })
    .await;
    let mut control = tokio_modbus::client::tcp::connect_slave(address, Slave(1))
        .await
        .unwrap();
    control
        .write_single_register(20, 30)
        .await
        .unwrap()
        .unwrap();
    control.write_single_coil(10, true).await.unwrap().unwrap();
    let mut transactor = Transactor::new(address.to_string(), Duration::from_secs(5));
    for _ in 0..500 {
        let values = floats(&transactor.read(1, Area::Input, 0, 26).await.unwrap());
        if values[9] > 7.1 && values[7] > 85.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no sign of the fault within 5 s");
}

#[tokio::test]
async fn a_recording_is_played_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(
        &path,
        "timestamp,value\n2013-12-02 21:15:00,73.5\n2013-12-02 21:20:00,74.25\n",
    )
    .unwrap();
    let kind = SimKind::Csv(path);
    let config = SimConfig {
        every: Some(Duration::from_millis(300)),
        ..SimConfig::new(kind.clone())
    };
    assert_eq!(tags(&kind).unwrap()[0].name, "machine_temperature");
    let (address, _stop) = started(config).await;
    let mut transactor = Transactor::new(address.to_string(), Duration::from_secs(5));
    let mut seen = Vec::new();
    for _ in 0..500 {
        let value = floats(&transactor.read(1, Area::Input, 0, 2).await.unwrap())[0];
        if seen.last() != Some(&value) {
            seen.push(value);
        }
        let playing = transactor.read(1, Area::Discrete, 0, 1).await.unwrap();
        if playing == Answer::Bits(vec![false]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen, [73.5, 74.25]);
}
