//! Sockets that say nothing, and bytes that are no protocol.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use super::plant;
use crate::harness::{Options, until};
use crate::mqtt_client::Mqtt;

#[tokio::test]
async fn two_thousand_silent_sockets_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Options::new(folder.path())
        .with("TELLEE_MQTT__CONNECT_TIMEOUT", "2s")
        .start();
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let mut silent = Vec::new();
    for number in 0..2_000 {
        let address = if number % 2 == 0 {
            server.http
        } else {
            server.mqtt
        };
        match TcpStream::connect(address).await {
            Ok(stream) => silent.push(stream),
            // This machine allows a process no more descriptors than that.
            Err(_) => break,
        }
    }
    assert!(
        silent.len() > 400,
        "only {} sockets could be opened",
        silent.len()
    );
    let begin = Instant::now();
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(202);
    let mut mqtt = Mqtt::of(server.mqtt, "pump", &thing).await;
    assert!(
        mqtt.publish(
            &format!("channels/{channel}/messages"),
            br#"[{"n":"b","v":1}]"#
        )
        .await
    );
    eprintln!("both answered after {:?}", begin.elapsed());
    // The MQTT port closes those that say nothing.
    let closed = silent.swap_remove(1);
    until("a silent MQTT socket is closed", || async {
        let mut byte = [0; 1];
        match closed.try_read(&mut byte) {
            Ok(0) => Some(()),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Some(()),
            _ => None,
        }
    })
    .await;
    assert!(server.is_alive());
}

#[tokio::test]
async fn bytes_that_are_no_protocol_harm_nobody() {
    use tokio::io::AsyncWriteExt as _;
    let mut plant = plant().await;
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x10, 0xff, 0xff, 0xff, 0x7f],
        vec![0xff; 4096],
        vec![0x30, 0x02, 0xff, 0xff],
    ] {
        for address in [plant.server.mqtt, plant.server.http] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(&garbage).await;
        }
    }
    // Garbage inside a session that was opened rightly.
    let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
    let _ = mqtt
        .write(&[0x32, 0x05, 0x00, 0xff, b'x', b'y', b'z'])
        .await;
    assert!(mqtt.closes(Duration::from_secs(10)).await);
    assert!(plant.server.is_alive());
    assert!(
        !plant.server.log().contains("panicked"),
        "{}",
        plant.server.log()
    );
    plant.is_well().await;
}
