//! Against an independent implementation: pymodbus, where a Python with it is at hand. `TELLEE_TEST_PYTHON` names the
//! interpreter; by default `python3`.

#![allow(clippy::unwrap_used)]

use std::process::Stdio;
use std::time::Duration;

use tellee_edge::connection::{Area, ByteOrder, PointType};
use tellee_edge::modbus::{Transactor, decode_value};
use tellee_edge::sim::{SimConfig, SimKind, Simulator};
use tellee_senml::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

const SERVER: &str = r#"
import asyncio, socket
from pymodbus.server import StartAsyncTcpServer
from pymodbus.simulator import SimData, SimDevice, DataType
probe = socket.socket(); probe.bind(("127.0.0.1", 0)); port = probe.getsockname()[1]; probe.close()
async def main():
    data = [SimData(0, values=23.5, datatype=DataType.FLOAT32),
            SimData(2, values=-7, datatype=DataType.INT16),
            SimData(10, values=123456789, datatype=DataType.UINT32)]
    server = asyncio.create_task(StartAsyncTcpServer(context=SimDevice(1, simdata=data), address=("127.0.0.1", port)))
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close(); break
        except OSError:
            await asyncio.sleep(0.05)
    print(port, flush=True)
    await server
asyncio.run(main())
"#;

const CLIENT: &str = r#"
import sys
from pymodbus.client import ModbusTcpClient
client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1])); assert client.connect()
read = client.read_input_registers(0, count=26, device_id=1); assert not read.isError(), read
speed = client.convert_from_registers(read.registers[0:2], client.DATATYPE.FLOAT32)
assert 2900 < speed < 3000, speed
assert client.read_coils(0, count=1, device_id=1).bits[0] is True
assert not client.write_register(1, 60, device_id=1).isError()
assert client.read_holding_registers(1, count=1, device_id=1).registers == [60]
assert client.read_input_registers(50, count=2, device_id=1).exception_code == 2
assert client.read_input_registers(0, count=2, device_id=5).exception_code == 11
print("right")
"#;

/// The interpreter, if it has pymodbus.
async fn python() -> Option<String> {
    let python = std::env::var("TELLEE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python)
        .args(["-c", "import pymodbus.simulator"])
        .stderr(Stdio::null())
        .status()
        .await;
    if found.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    eprintln!("skipped: `{python}` has no pymodbus; set TELLEE_TEST_PYTHON to one that has");
    None
}

async fn first_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    timeout(Duration::from_secs(30), lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_a_pymodbus_server_are_read_right() {
    let Some(python) = python().await else { return };
    let mut server = Command::new(python)
        .args(["-c", SERVER])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let port = first_line(&mut server).await;
    let mut transactor = Transactor::new(format!("127.0.0.1:{port}"), Duration::from_secs(5));
    let answer = transactor.read(1, Area::Holding, 0, 3).await.unwrap();
    let value = |from, width, kind| {
        decode_value(
            &answer.slice(from, width).unwrap(),
            kind,
            ByteOrder::Abcd,
            None,
            None,
        )
        .unwrap()
    };
    assert_eq!(value(0, 2, PointType::F32), Value::Number(23.5));
    assert_eq!(value(2, 1, PointType::I16), Value::Number(-7.0));
    let answer = transactor.read(1, Area::Holding, 10, 2).await.unwrap();
    let wide = decode_value(
        &answer.slice(0, 2).unwrap(),
        PointType::U32,
        ByteOrder::Abcd,
        None,
        None,
    );
    assert_eq!(wide, Some(Value::Number(123_456_789.0)));
    assert!(transactor.read(1, Area::Holding, 5, 2).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pymodbus_client_understands_the_simulator() {
    let Some(python) = python().await else { return };
    let simulator = Simulator::bind(SimConfig::new(SimKind::Pump))
        .await
        .unwrap();
    let port = simulator.address().port().to_string();
    let stop = watch::Sender::new(false);
    tokio::spawn(simulator.run(stop.subscribe()));
    let client = Command::new(python)
        .args(["-c", CLIENT, &port])
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(30), client)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "right",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
