//! The TLS ports of the whole server: ready line, both protocols, certificates that change on SIGHUP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::harness::{Options, PATIENCE, run, signal, until};
use crate::line::{EXTERNAL_ID, EXTERNAL_KEY, edge_agent_at};

/// A certificate that is its own authority, in the files that the server is told of. Answers its PEM.
fn write_pair(folder: &Path) -> String {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("server.pem"), &certificate).unwrap();
    certificate
}

fn with_tls(folder: &Path) -> Options {
    let file = |name: &str| folder.join(name).display().to_string();
    Options::new(&folder.join("data"))
        .with("TELLEE_HTTP__TLS__LISTEN", "127.0.0.1:0")
        .with("TELLEE_HTTP__TLS__CERTIFICATE", &file("server.pem"))
        .with("TELLEE_HTTP__TLS__KEY", &file("server.key"))
        // Any address is allowed where TLS is spoken.
        .with("TELLEE_MQTT__TLS__LISTEN", "0.0.0.0:0")
        .with("TELLEE_MQTT__TLS__CERTIFICATE", &file("server.pem"))
        .with("TELLEE_MQTT__TLS__KEY", &file("server.key"))
}

/// Sends bytes over TLS and reads until the answer begins with `until` bytes or the other end closes.
fn exchange(
    address: SocketAddr,
    trusted: &str,
    send: &[u8],
    until: usize,
) -> std::io::Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(send)?;
    let mut answer = vec![0; until];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn port(ready: &serde_json::Value, name: &str) -> SocketAddr {
    let address: SocketAddr = ready[name].as_str().unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// A CONNECT of MQTT 3.1.1 without key: answered with return code 5.
const CONNECT: &[u8] = &[
    0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'c',
];

#[tokio::test]
async fn both_tls_ports_answer_and_take_new_certificates_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let before = write_pair(folder.path());
    let server = with_tls(folder.path()).start();
    let (https, mqtts) = (port(&server.ready, "https"), port(&server.ready, "mqtts"));
    let answer = exchange(https, &before, HEALTH, 12).unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    let answer = exchange(mqtts, &before, CONNECT, 4).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 5]);

    let after = write_pair(folder.path());
    signal("HUP", server.pid());
    for (address, send, size) in [(https, HEALTH, 12), (mqtts, CONNECT, 4)] {
        until("the new certificate is in force", async || {
            exchange(address, &after, send, size).ok()
        })
        .await;
        assert!(exchange(address, &before, send, size).is_err());
    }
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(12));
}

#[test]
fn without_tls_the_ready_line_has_no_more_keys() {
    let folder = tempfile::tempdir().unwrap();
    let server = Options::new(folder.path()).start();
    let keys: Vec<&String> = server.ready.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
}

#[test]
fn certificates_that_cannot_work_end_it_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path());
    std::fs::write(folder.path().join("server.key"), "no key").unwrap();
    let ended = run(&mut with_tls(folder.path()).command());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("server.key"), "{}", ended.stderr);
    std::fs::remove_file(folder.path().join("server.pem")).unwrap();
    let ended = run(&mut with_tls(folder.path()).command());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("server.pem"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_edge_agent_bootstraps_and_publishes_over_tls_and_trusts_no_other_authority() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path());
    let server = with_tls(folder.path()).start();
    let admin = server.administrator().await;
    let data = admin.create_channel("data").await;
    let control = json!({ "name": "control", "metadata": { "type": "control" } });
    let control = admin.post("/channels", &control).await.expect(201).id();
    let device = json!({
        "external_id": EXTERNAL_ID, "external_key": EXTERNAL_KEY, "name": "replay",
        "channels": [data, control], "content": r#"{"connections":[]}"#,
    });
    let made = admin.post("/things/configs", &device).await.expect(201);
    let active = json!({ "state": 1 });
    let state = format!("/things/state/{}", made.id());
    admin.put(&state, &active).await.expect(200);

    let port_of = |name: &str| port(&server.ready, name).port();
    let https = format!("https://localhost:{}", port_of("https"));
    let mqtts = format!("mqtts://localhost:{}", port_of("mqtts"));
    let own = folder.path().join("server.pem").display().to_string();
    let other = tempfile::tempdir().unwrap();
    write_pair(other.path());
    let foreign = other.path().join("server.pem").display().to_string();

    let stranger = tempfile::tempdir().unwrap();
    let settings = [("TELLEE_EDGE_TLS__CA_FILE", foreign.as_str())];
    let agent = edge_agent_at(&https, &mqtts, stranger.path(), &settings);
    until("the wrong authority is told", async || {
        let log = agent.log(stranger.path());
        log.contains("invalid peer certificate").then_some(())
    })
    .await;
    drop(agent);

    let settings = [
        ("TELLEE_EDGE_TLS__CA_FILE", own.as_str()),
        ("TELLEE_EDGE_STATUS__EVERY", "1s"),
    ];
    let _agent = edge_agent_at(&https, &mqtts, folder.path(), &settings);
    let messages = format!("/channels/{control}/messages");
    until("what the agent says of itself is stored", async || {
        let page = admin.get(&messages).await.json();
        page["total"].as_u64().filter(|total| *total > 0)
    })
    .await;
}
