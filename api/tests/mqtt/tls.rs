//! MQTT over TLS: certificates, their change, clients that prove themselves by one, and clients that mean harm.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tellee_api::mqtt::{MqttConfig, serve_tls};
use tellee_api::tls::{TlsFiles, TlsServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::certificates::{Authority, Folder, Signed};
use super::raw::{Level, Options, Raw, frame, text};
use super::support::{Server, Thing, in_time, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

/// A second port of the server that speaks TLS.
struct Secure {
    address: SocketAddr,
    tls: Arc<TlsServer>,
}

async fn secure(server: &Server, files: TlsFiles) -> Secure {
    let tls = TlsServer::open(files, &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_tls(
        Arc::clone(&server.broker),
        listener,
        Arc::clone(&tls),
    ));
    Secure { address, tls }
}

fn client_config(trusted: &Authority, own: Option<&Signed>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let Some(own) = own else {
        return builder.with_no_client_auth();
    };
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    builder.with_client_auth_cert(chain, key).unwrap()
}

async fn connect(
    secure: &Secure,
    trusted: &Authority,
    own: Option<&Signed>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(secure.address).await?;
    let connector = TlsConnector::from(Arc::new(client_config(trusted, own)));
    let name = ServerName::try_from("localhost").unwrap();
    in_time(connector.connect(name, stream)).await
}

/// The next packet of at most 127 bytes; nothing if the server closed.
async fn next(stream: &mut TlsStream<TcpStream>) -> Option<Vec<u8>> {
    in_time(async {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.ok()?;
        let mut body = vec![0; usize::from(head[1])];
        stream.read_exact(&mut body).await.ok()?;
        Some([&head[..], &body].concat())
    })
    .await
}

/// The return code of a CONNECT with key; nothing if the server closed.
async fn sign_in(stream: &mut TlsStream<TcpStream>, thing: &Thing) -> Option<u8> {
    let connect =
        Options::new(Level::V3, "over-tls").connect(&thing.id.to_string(), thing.key.as_bytes());
    stream.write_all(&connect).await.ok()?;
    next(stream).await.map(|connack| connack[3])
}

/// The return code of a CONNECT without password, and with or without a user name.
async fn sign_in_without_key(
    stream: &mut TlsStream<TcpStream>,
    user: Option<&Thing>,
) -> Option<u8> {
    let mut body = Vec::new();
    text(&mut body, b"MQTT");
    body.extend([4, if user.is_some() { 0x82 } else { 2 }, 0, 60]);
    text(&mut body, b"by-certificate");
    if let Some(user) = user {
        text(&mut body, user.id.to_string().as_bytes());
    }
    stream.write_all(&frame(0x10, &body)).await.ok()?;
    next(stream).await.map(|connack| connack[3])
}

async fn publish(stream: &mut TlsStream<TcpStream>, topic: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    text(&mut body, topic.as_bytes());
    body.extend([0, 1]);
    body.extend(PACK);
    stream.write_all(&frame(0x32, &body)).await.ok()?;
    next(stream).await
}

#[tokio::test]
async fn a_thing_publishes_over_tls_and_leaves() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let secure = secure(&server, folder.files(&authority.server())).await;
    let mut stream = connect(&secure, &authority, None).await.unwrap();
    assert_eq!(sign_in(&mut stream, &server.thing).await, Some(0));
    let acknowledged = publish(&mut stream, &server.topic("")).await;
    assert_eq!(acknowledged, Some(vec![0x40, 2, 0, 1]));
    assert_eq!(server.store.batches().len(), 1);
    stream.write_all(&[0xE0, 0]).await.unwrap();
    assert_eq!(
        in_time(stream.read(&mut [0; 8])).await.unwrap(),
        0,
        "closed in order"
    );
    until(|| server.broker.metrics().connected.get() == 0).await;
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_does_not_connect() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let secure = secure(&server, folder.files(&authority.server())).await;
    assert!(
        connect(&secure, &Authority::new("other"), None)
            .await
            .is_err()
    );
    until(|| server.broker.metrics().tls_handshakes_failed.get() == 1).await;
}

#[tokio::test]
async fn changed_files_serve_new_connections_and_leave_open_ones_alone() {
    let server = Server::start().await;
    let (before, after, folder) = (
        Authority::new("before"),
        Authority::new("after"),
        Folder::new(),
    );
    let secure = secure(&server, folder.files(&before.server())).await;
    let mut early = connect(&secure, &before, None).await.unwrap();
    assert_eq!(sign_in(&mut early, &server.thing).await, Some(0));
    assert!(!secure.tls.reload().unwrap(), "nothing has changed as yet");

    let new = after.server();
    folder.write("server.pem", &new.certificate);
    let error = secure.tls.reload().unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("server.key"), "{error}");
    assert!(
        connect(&secure, &before, None).await.is_ok(),
        "half a pair changes nothing"
    );

    folder.write("server.key", &new.key);
    let stop = CancellationToken::new();
    let following = tokio::spawn(Arc::clone(&secure.tls).follow(stop.clone()));
    secure.tls.look_again();
    in_time(async { while connect(&secure, &after, None).await.is_err() {} }).await;
    assert!(connect(&secure, &before, None).await.is_err());
    assert!(publish(&mut early, &server.topic("")).await.is_some());
    stop.cancel();
    in_time(following).await.unwrap();
}

#[tokio::test]
async fn a_certificate_stands_for_the_key_of_its_thing_and_no_other() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let secure = secure(
        &server,
        folder.mutual(&authority.server(), &authority, false),
    )
    .await;
    let other = server.another_thing();
    let own = authority.client(&server.thing.id.to_string(), 1);
    for (user, answer) in [(None, 0), (Some(&server.thing), 0), (Some(&other), 5)] {
        let mut stream = connect(&secure, &authority, Some(&own)).await.unwrap();
        assert_eq!(
            sign_in_without_key(&mut stream, user).await,
            Some(answer),
            "{user:?}"
        );
    }
    let mut stream = connect(&secure, &authority, Some(&own)).await.unwrap();
    assert_eq!(
        sign_in(&mut stream, &other).await,
        Some(5),
        "certificate and key of two things"
    );
    let mut stream = connect(&secure, &authority, Some(&own)).await.unwrap();
    assert_eq!(sign_in(&mut stream, &server.thing).await, Some(0));
    assert!(publish(&mut stream, &server.topic("")).await.is_some());

    let nameless = authority.client("gateway.plant.example", 2);
    let mut stream = connect(&secure, &authority, Some(&nameless)).await.unwrap();
    assert_eq!(
        sign_in_without_key(&mut stream, Some(&server.thing)).await,
        Some(5)
    );
    let mut stream = connect(&secure, &authority, Some(&nameless)).await.unwrap();
    assert_eq!(sign_in(&mut stream, &other).await, Some(0));
    let mut stream = connect(&secure, &authority, None).await.unwrap();
    assert_eq!(
        sign_in(&mut stream, &other).await,
        Some(0),
        "a certificate is not required"
    );
}

#[tokio::test]
async fn a_removed_thing_is_ended_though_its_certificate_is_valid() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let secure = secure(
        &server,
        folder.mutual(&authority.server(), &authority, true),
    )
    .await;
    let own = authority.client(&server.thing.id.to_string(), 1);
    let mut stream = connect(&secure, &authority, Some(&own)).await.unwrap();
    assert_eq!(sign_in_without_key(&mut stream, None).await, Some(0));
    server.access.revoke(&server.thing);
    assert_eq!(next(&mut stream).await, None);
    let mut stream = connect(&secure, &authority, Some(&own)).await.unwrap();
    assert_eq!(sign_in_without_key(&mut stream, None).await, Some(5));
}

#[tokio::test]
async fn a_certificate_that_is_missing_foreign_expired_or_revoked_opens_nothing() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let revocations = folder.write("revoked.pem", &authority.revocations(666));
    let files = TlsFiles {
        client_revocations: Some(revocations),
        ..folder.mutual(&authority.server(), &authority, true)
    };
    let secure = secure(&server, files).await;
    let name = server.thing.id.to_string();
    let refused = [
        ("missing", None),
        ("foreign", Some(Authority::new("other").client(&name, 1))),
        ("expired", Some(authority.expired_client(&name))),
        ("revoked", Some(authority.client(&name, 666))),
    ];
    for (what, own) in &refused {
        // In TLS 1.3 the client hears of it with its first read.
        let answer = match connect(&secure, &authority, own.as_ref()).await {
            Ok(mut stream) => sign_in(&mut stream, &server.thing).await,
            Err(_) => None,
        };
        assert_eq!(answer, None, "{what}");
    }
    let failed = refused.len() as u64;
    until(|| server.broker.metrics().tls_handshakes_failed.get() == failed).await;
    let own = authority.client(&name, 2);
    let mut stream = connect(&secure, &authority, Some(&own)).await.unwrap();
    assert_eq!(sign_in_without_key(&mut stream, None).await, Some(0));
}

#[tokio::test]
async fn plain_text_on_the_tls_port_and_tls_on_the_plain_port_are_closed() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let secure = secure(&server, folder.files(&authority.server())).await;
    let mut plain = TcpStream::connect(secure.address).await.unwrap();
    let connect_packet = Options::new(Level::V3, "plain")
        .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
    plain.write_all(&connect_packet).await.unwrap();
    let mut answer = Vec::new();
    let _reset_or_end = in_time(plain.read_to_end(&mut answer)).await;
    assert_ne!(answer.first(), Some(&0x20), "no CONNACK");

    let wrong = Secure {
        address: server.address,
        tls: Arc::clone(&secure.tls),
    };
    assert!(connect(&wrong, &authority, None).await.is_err());
    let mut alive = Raw::simple(&server, Level::V3, "alive").await;
    alive.expect_nothing().await;
}

#[tokio::test]
async fn silent_and_slow_handshakes_block_nobody_and_are_let_go() {
    let server = Server::with(MqttConfig {
        handshake_timeout_seconds: 2,
        ..MqttConfig::default()
    })
    .await;
    let (authority, folder) = (Authority::new("plant"), Folder::new());
    let secure = secure(&server, folder.files(&authority.server())).await;
    let mut silent = Vec::new();
    for number in 0..64 {
        let mut stream = TcpStream::connect(secure.address).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a ClientHello, and never the rest.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        }
        silent.push(stream);
    }
    let mut stream = connect(&secure, &authority, None).await.unwrap();
    assert_eq!(sign_in(&mut stream, &server.thing).await, Some(0));
    // After its handshake a client has what is left of the same time for its CONNECT.
    let mut shaken = connect(&secure, &authority, None).await.unwrap();
    assert_eq!(next(&mut shaken).await, None);
    for stream in &mut silent {
        let mut rest = Vec::new();
        let _reset_or_end = in_time(stream.read_to_end(&mut rest)).await;
    }
    until(|| server.broker.metrics().handshakes_given_up.get() == 65).await;
    assert!(publish(&mut stream, &server.topic("")).await.is_some());
}

#[tokio::test]
async fn the_oldest_handshake_makes_way_when_all_seats_are_taken() {
    let server = Server::with(MqttConfig {
        max_handshakes: 2,
        ..MqttConfig::default()
    })
    .await;
    let (authority, folder) = (Authority::new("plant"), Folder::new());
    let secure = secure(&server, folder.files(&authority.server())).await;
    let mut oldest = TcpStream::connect(secure.address).await.unwrap();
    until(|| server.broker.metrics().connections_accepted.get() == 1).await;
    let _second = TcpStream::connect(secure.address).await.unwrap();
    until(|| server.broker.metrics().connections_accepted.get() == 2).await;
    let mut stream = connect(&secure, &authority, None).await.unwrap();
    assert_eq!(in_time(oldest.read(&mut [0; 8])).await.unwrap_or(0), 0);
    assert_eq!(sign_in(&mut stream, &server.thing).await, Some(0));
}

#[test]
fn files_that_cannot_work_are_named() {
    let (authority, folder) = (Authority::new("plant"), Folder::new());
    let files = folder.files(&authority.server());
    let refusal = |files: TlsFiles| match TlsServer::open(files, &[]) {
        Ok(_) => panic!("such files cannot work"),
        Err(error) => error.to_string(),
    };
    let missing = folder.write("empty.pem", "");
    let with_certificate = |path: &std::path::Path| TlsFiles {
        certificate: path.to_owned(),
        ..files.clone()
    };
    assert!(refusal(with_certificate(&missing)).contains("empty.pem"));
    assert!(
        refusal(with_certificate(
            &folder.write("x", "").with_file_name("none")
        ))
        .contains("none")
    );
    let key = TlsFiles {
        key: folder.write("odd.key", "no key"),
        ..files.clone()
    };
    assert!(refusal(key).contains("odd.key"));
    let ca = TlsFiles {
        client_ca: Some(missing),
        ..files
    };
    assert!(refusal(ca).contains("empty.pem"));
}

/// `mosquitto_pub` where it is installed: a client on another TLS library.
#[tokio::test]
async fn mosquitto_pub_publishes_by_certificate_alone() {
    let (server, authority, folder) = (
        Server::start().await,
        Authority::new("plant"),
        Folder::new(),
    );
    let secure = secure(
        &server,
        folder.mutual(&authority.server(), &authority, true),
    )
    .await;
    let own = authority.client(&server.thing.id.to_string(), 1);
    for version in ["311", "5"] {
        let command = tokio::process::Command::new("mosquitto_pub")
            .args(["-V", version, "-q", "2", "-h", "localhost", "-p"])
            .arg(secure.address.port().to_string())
            .arg("--cafile")
            .arg(folder.write("ca.pem", &authority.pem()))
            .arg("--cert")
            .arg(folder.write("own.pem", &own.certificate))
            .arg("--key")
            .arg(folder.write("own.key", &own.key))
            .args(["-t", &server.topic("tls"), "-m", "over TLS"])
            .output();
        let Ok(output) = in_time(command).await else {
            eprintln!("skipped: mosquitto_pub is not installed");
            return;
        };
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(server.store.batches().len(), 2);
}
