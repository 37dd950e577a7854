//! Normative statements of MQTT 5 and 3.1.1 by their ids, as far as one packet shows them: what is sent, and what the
//! server has to answer. Statements that take an exchange have tests of their own in the other files.

use super::raw::{Level, Options, Raw, frame, text};
use super::support::Server;

/// What the server has to do.
#[derive(Debug, Clone, PartialEq)]
enum Expect {
    /// MQTT 5: DISCONNECT with this reason; 3.1.1: the connection is closed.
    End(u8),
    /// CONNACK with this code, then closed.
    Refused(u8),
    /// Closed without an answer.
    Closed,
    /// This packet begins the answer.
    Answer(Vec<u8>),
    /// Nothing but that it stays.
    Stays,
}

use Expect::{Answer, Closed, End, Refused, Stays};

/// Ids, what it is, packet, expectation.
type Statement = (&'static str, &'static str, Vec<u8>, Expect);

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, bytes);
    body
}

/// A CONNECT of parts: protocol name, level, flags, keep alive, all that follows.
fn connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = string(name);
    body.extend([level, flags, 0, 60]);
    body.extend(rest);
    frame(0x10, &body)
}

fn subscribe(id: u8, filter: &str, options: u8) -> Vec<u8> {
    frame(
        0x82,
        &[&[0, id, 0][..], &string(filter.as_bytes()), &[options]].concat(),
    )
}

#[tokio::test]
async fn the_first_packet_is_held_to_the_statements() {
    let server = Server::start().await;
    let user = string(server.thing.id.to_string().as_bytes());
    let key = string(server.thing.key.as_bytes());
    let credentials = [&user[..], &key].concat();
    let id = string(b"c");
    let with = |parts: &[&[u8]]| parts.concat();
    let cases: Vec<Statement> = vec![
        ("MQTT-3.1.0-1", "not a CONNECT", frame(0xC0, &[]), Closed),
        (
            "MQTT-3.1.0-1",
            "a PUBLISH",
            frame(0x30, &with(&[&string(b"a"), &[0]])),
            Closed,
        ),
        (
            "MQTT-3.1.2-1",
            "another protocol name",
            connect(b"MQTX", 5, 0xC2, &with(&[&[0], &id, &credentials])),
            Closed,
        ),
        (
            "MQTT-3.1.2-2",
            "version 6",
            connect(b"MQTT", 6, 0xC2, &with(&[&[0], &id, &credentials])),
            Refused(0x84),
        ),
        (
            "MQTT-3.1.2-3",
            "the reserved flag",
            connect(b"MQTT", 5, 0xC3, &with(&[&[0], &id, &credentials])),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.2-3",
            "the reserved flag in 3.1.1",
            connect(b"MQTT", 4, 0xC3, &with(&[&id, &credentials])),
            Closed,
        ),
        (
            "MQTT-3.1.2-11",
            "a will QoS without a will",
            connect(b"MQTT", 5, 0xCA, &with(&[&[0], &id, &credentials])),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.2-12",
            "will QoS 3",
            connect(
                b"MQTT",
                5,
                0xDE,
                &with(&[&[0], &id, &[0], &string(b"a"), &string(b""), &credentials]),
            ),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.2-13",
            "will retain without a will",
            connect(b"MQTT", 5, 0xE2, &with(&[&[0], &id, &credentials])),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.2-17",
            "a user name that is announced and missing",
            connect(b"MQTT", 5, 0x82, &with(&[&[0], &id])),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.2-22 (3.1.1)",
            "a password without user name",
            connect(b"MQTT", 4, 0x42, &with(&[&id, &key])),
            Closed,
        ),
        (
            "MQTT-3.1.3-4",
            "a client id that is no UTF-8",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[0], &string(b"\xFF"), &credentials]),
            ),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.3-6",
            "an empty client id",
            connect(b"MQTT", 5, 0xC2, &with(&[&[0], &string(b""), &credentials])),
            Answer(vec![0x20]),
        ),
        (
            "MQTT-3.1.3-8 (3.1.1)",
            "an empty client id without clean session",
            connect(b"MQTT", 4, 0xC0, &with(&[&string(b""), &credentials])),
            Refused(2),
        ),
        (
            "MQTT-3.1.3-11",
            "a will topic that is no UTF-8",
            connect(
                b"MQTT",
                5,
                0xC6,
                &with(&[
                    &[0],
                    &id,
                    &[0],
                    &string(b"\xC0\x80"),
                    &string(b""),
                    &credentials,
                ]),
            ),
            Refused(0x81),
        ),
        (
            "MQTT-1.5.4-2",
            "U+0000 in the client id",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[0], &string(b"a\0"), &credentials]),
            ),
            Refused(0x81),
        ),
        (
            "MQTT-3.1.2-25",
            "a property twice",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[10, 0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1], &id, &credentials]),
            ),
            Refused(0x82),
        ),
        (
            "MQTT-3.1.2-24",
            "a receive maximum of 0",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[3, 0x21, 0, 0], &id, &credentials]),
            ),
            Refused(0x82),
        ),
        (
            "MQTT-3.1.2-24",
            "a maximum packet size of 0",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[5, 0x27, 0, 0, 0, 0], &id, &credentials]),
            ),
            Refused(0x82),
        ),
        (
            "MQTT-4.12.0-1",
            "an authentication method that is not known",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[4, 0x15, 0, 1, b'x'], &id, &credentials]),
            ),
            Refused(0x8C),
        ),
        (
            "MQTT-4.13.1-1",
            "bytes after the last field",
            connect(b"MQTT", 5, 0xC2, &with(&[&[0], &id, &credentials, &[0]])),
            Refused(0x81),
        ),
    ];
    for (statement, what, packet, expect) in cases {
        let mut raw = Raw::open(&server, Level::V3).await;
        raw.try_send(&packet).await;
        let got = raw.try_next().await;
        let name = format!("{statement}: {what}: {got:x?}");
        match expect {
            Closed => assert_eq!(got, None, "{name}"),
            Refused(code) => {
                let got = got.expect(&name);
                assert_eq!((got.first, got.body[1]), (0x20, code), "{name}");
                assert_eq!(raw.try_next().await, None, "{name}");
            }
            Answer(begins) => {
                assert_eq!(got.map(|got| got.first), begins.first().copied(), "{name}")
            }
            End(_) | Stays => panic!("{name}: no such expectation of a CONNECT"),
        }
    }
}

#[tokio::test]
async fn later_packets_are_held_to_the_statements_of_5() {
    let server = Server::start().await;
    let topic = string(server.topic("a").as_bytes());
    let publish = |first: u8, rest: &[u8]| frame(first, &[&topic[..], rest].concat());
    let share = |name: &str| format!("$share/{name}/{}", server.topic("#"));
    let cases: Vec<Statement> = vec![
        (
            "MQTT-3.1.0-2",
            "a second CONNECT",
            Options::new(Level::V5, "c").connect("u", b"p"),
            End(0x82),
        ),
        (
            "MQTT-1.5.5-1",
            "a property length that is longer than it need be",
            publish(0x30, &[0x80, 0x00, b'x']),
            End(0x81),
        ),
        (
            "MQTT-2.1.3-1",
            "flags of a PUBACK",
            frame(0x42, &[0, 1]),
            End(0x81),
        ),
        (
            "MQTT-2.2.1-3",
            "a SUBSCRIBE with packet identifier 0",
            subscribe(0, "a", 0),
            End(0x82),
        ),
        (
            "MQTT-2.2.1-3",
            "a PUBLISH with packet identifier 0",
            publish(0x32, &[0, 0, 0]),
            End(0x82),
        ),
        (
            "MQTT-3.3.1-2",
            "a duplicate of QoS 0",
            publish(0x38, &[0]),
            End(0x81),
        ),
        (
            "MQTT-3.3.1-4",
            "QoS 3",
            publish(0x36, &[0, 1, 0]),
            End(0x81),
        ),
        (
            "MQTT-3.3.2-2",
            "a wildcard in a topic",
            frame(0x30, &[&string(b"a/#")[..], &[0]].concat()),
            End(0x90),
        ),
        (
            "MQTT-3.3.2-8",
            "topic alias 0",
            publish(0x30, &[3, 0x23, 0, 0]),
            End(0x94),
        ),
        (
            "MQTT-3.3.2-9",
            "a topic alias above the maximum",
            publish(0x30, &[3, 0x23, 0xFF, 0xFF]),
            End(0x94),
        ),
        (
            "MQTT-3.3.2-14",
            "a response topic with a wildcard",
            publish(0x30, &[6, 0x08, 0, 3, b'a', b'/', b'#']),
            End(0x82),
        ),
        (
            "MQTT-3.3.4-6",
            "a subscription identifier from a client",
            publish(0x30, &[2, 0x0B, 1]),
            End(0x82),
        ),
        (
            "MQTT-3.3.4-1",
            "QoS 1 is answered by PUBACK",
            publish(0x32, &[0, 7, 0]),
            Answer(vec![0x40, 0, 7]),
        ),
        (
            "MQTT-4.3.3-8",
            "QoS 2 is answered by PUBREC",
            publish(0x34, &[0, 7, 0]),
            Answer(vec![0x50, 0, 7]),
        ),
        (
            "MQTT-3.6.1-1",
            "flags of a PUBREL",
            frame(0x60, &[0, 1]),
            End(0x81),
        ),
        (
            "MQTT-4.3.3-11",
            "a PUBREL of nothing is answered all the same",
            frame(0x62, &[0, 9]),
            Answer(vec![0x70, 0, 9, 0x92]),
        ),
        (
            "MQTT-3.8.1-1",
            "flags of a SUBSCRIBE",
            frame(0x80, &subscribe(1, "a", 0)[2..]),
            End(0x81),
        ),
        (
            "MQTT-3.8.3-1",
            "a filter that is no UTF-8",
            frame(0x82, &[0, 1, 0, 0, 1, 0xFF, 0]),
            End(0x81),
        ),
        (
            "MQTT-3.8.3-2",
            "no filter",
            frame(0x82, &[0, 1, 0]),
            End(0x82),
        ),
        (
            "MQTT-3.8.3-4",
            "no local on a shared subscription",
            subscribe(1, &share("g"), 4),
            End(0x82),
        ),
        (
            "MQTT-3.8.3-5",
            "reserved bits of the options",
            subscribe(1, "a", 0x80),
            End(0x81),
        ),
        (
            "MQTT-3.8.4-2",
            "the SUBACK has the identifier of its SUBSCRIBE",
            subscribe(5, &server.topic("#"), 1),
            Answer(vec![0x90, 0, 5, 0, 1]),
        ),
        (
            "MQTT-4.7.1-1",
            "`#` that is not the last level",
            subscribe(1, &server.topic("#/a"), 0),
            Answer(vec![0x90, 0, 1, 0, 0x8F]),
        ),
        (
            "MQTT-4.7.1-2",
            "`+` that is not a whole level",
            subscribe(1, &server.topic("a+"), 0),
            Answer(vec![0x90, 0, 1, 0, 0x8F]),
        ),
        (
            "MQTT-4.7.3-1",
            "an empty filter",
            subscribe(1, "", 0),
            Answer(vec![0x90, 0, 1, 0, 0x8F]),
        ),
        (
            "MQTT-4.8.2-1",
            "a share without a name",
            subscribe(1, &share(""), 0),
            Answer(vec![0x90, 0, 1, 0, 0x8F]),
        ),
        (
            "MQTT-4.8.2-2",
            "a share name with a wildcard",
            subscribe(1, &share("g+"), 0),
            Answer(vec![0x90, 0, 1, 0, 0x8F]),
        ),
        (
            "MQTT-4.8.2-2",
            "a share without a filter",
            subscribe(1, "$share/g", 0),
            Answer(vec![0x90, 0, 1, 0, 0x8F]),
        ),
        (
            "MQTT-3.10.1-1",
            "flags of an UNSUBSCRIBE",
            frame(0xA0, &[0, 1, 0, 0, 1, b'a']),
            End(0x81),
        ),
        (
            "MQTT-3.10.3-2",
            "no filter to unsubscribe",
            frame(0xA2, &[0, 1, 0]),
            End(0x82),
        ),
        (
            "MQTT-3.11.3-2",
            "one code for each filter",
            frame(0xA2, &[0, 6, 0, 0, 1, b'a', 0, 1, b'b']),
            Answer(vec![0xB0, 0, 6, 0, 0x11, 0x11]),
        ),
        (
            "MQTT-3.12.4-1",
            "a ping",
            frame(0xC0, &[]),
            Answer(vec![0xD0]),
        ),
        (
            "MQTT-3.14.1-1",
            "flags of a DISCONNECT",
            frame(0xE1, &[]),
            End(0x81),
        ),
        (
            "MQTT-3.14.2-1",
            "a reason that DISCONNECT does not have",
            frame(0xE0, &[0x10]),
            End(0x82),
        ),
        (
            "MQTT-3.14.4-2",
            "a DISCONNECT closes",
            frame(0xE0, &[]),
            Closed,
        ),
        (
            "MQTT-3.15.1-1",
            "flags of an AUTH",
            frame(0xF1, &[]),
            End(0x81),
        ),
        (
            "MQTT-4.3.2-4",
            "a PUBACK of nothing changes nothing",
            frame(0x40, &[0, 9]),
            Stays,
        ),
    ];
    for (statement, what, packet, expect) in cases {
        let mut raw = Raw::simple(&server, Level::V5, "c").await;
        raw.send(&packet).await;
        let name = format!("{statement}: {what}");
        match expect {
            Closed => assert_eq!(raw.try_next().await, None, "{name}"),
            Stays => raw.expect_nothing().await,
            Refused(_) => panic!("{name}: only a CONNECT is refused so"),
            End(reason) => {
                let got = raw.try_next().await.expect(&name);
                assert_eq!(
                    (got.first, got.body.first()),
                    (0xE0, Some(&reason)),
                    "{name}: {got:x?}"
                );
                assert_eq!(raw.try_next().await, None, "{name}");
            }
            Answer(begins) => {
                let got = raw.try_next().await.expect(&name);
                let answer = [&[got.first][..], &got.body].concat();
                assert_eq!(
                    &answer[..begins.len().min(answer.len())],
                    &begins[..],
                    "{name}: {got:x?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn later_packets_are_held_to_the_statements_of_3() {
    let server = Server::start().await;
    let topic = string(server.topic("a").as_bytes());
    let publish = |first: u8, rest: &[u8]| frame(first, &[&topic[..], rest].concat());
    let subscribe = |id: u8, filter: &str, qos: u8| {
        frame(
            0x82,
            &[&[0, id][..], &string(filter.as_bytes()), &[qos]].concat(),
        )
    };
    let cases: Vec<Statement> = vec![
        (
            "MQTT-3.1.0-2",
            "a second CONNECT",
            Options::new(Level::V3, "c").connect("u", b"p"),
            Closed,
        ),
        (
            "MQTT-2.2.2-2",
            "flags of a PINGREQ",
            frame(0xC1, &[]),
            Closed,
        ),
        (
            "MQTT-2.3.1-1",
            "a PUBLISH with packet identifier 0",
            publish(0x32, &[0, 0]),
            Closed,
        ),
        (
            "MQTT-3.3.1-2",
            "a duplicate of QoS 0",
            publish(0x38, &[]),
            Closed,
        ),
        ("MQTT-3.3.1-4", "QoS 3", publish(0x36, &[0, 1]), Closed),
        (
            "MQTT-3.3.2-2",
            "a wildcard in a topic",
            frame(0x30, &string(b"a/+")),
            Closed,
        ),
        (
            "MQTT-3.6.1-1",
            "flags of a PUBREL",
            frame(0x60, &[0, 1]),
            Closed,
        ),
        (
            "MQTT-4.3.3-2",
            "a PUBREL of nothing is answered all the same",
            frame(0x62, &[0, 9]),
            Answer(vec![0x70, 0, 9]),
        ),
        (
            "MQTT-3.8.1-1",
            "flags of a SUBSCRIBE",
            frame(0x80, &[0, 1, 0, 1, b'a', 0]),
            Closed,
        ),
        ("MQTT-3.8.3-3", "no filter", frame(0x82, &[0, 1]), Closed),
        (
            "MQTT-3-8.3-4",
            "QoS 3 of a subscription",
            subscribe(1, "a", 3),
            Closed,
        ),
        (
            "MQTT-3.8.4-2",
            "the SUBACK has the identifier of its SUBSCRIBE",
            subscribe(5, &server.topic("#"), 2),
            Answer(vec![0x90, 0, 5, 2]),
        ),
        (
            "MQTT-3.10.1-1",
            "flags of an UNSUBSCRIBE",
            frame(0xA0, &[0, 1, 0, 1, b'a']),
            Closed,
        ),
        (
            "MQTT-3.10.3-2",
            "no filter to unsubscribe",
            frame(0xA2, &[0, 1]),
            Closed,
        ),
        (
            "MQTT-3.10.4-5",
            "an UNSUBSCRIBE of nothing is answered",
            frame(0xA2, &[0, 6, 0, 1, b'a']),
            Answer(vec![0xB0, 0, 6]),
        ),
        (
            "MQTT-3.12.4-1",
            "a ping",
            frame(0xC0, &[]),
            Answer(vec![0xD0]),
        ),
        (
            "MQTT-3.14.1-1",
            "flags of a DISCONNECT",
            frame(0xE1, &[]),
            Closed,
        ),
        (
            "MQTT-3.14.4-2",
            "a DISCONNECT closes",
            frame(0xE0, &[]),
            Closed,
        ),
        (
            "MQTT-1.5.3-1",
            "a surrogate in a topic",
            frame(0x30, &string(b"a\xED\xA0\x80")),
            Closed,
        ),
        (
            "MQTT-1.5.3-2",
            "U+0000 in a topic",
            frame(0x30, &string(b"a\0")),
            Closed,
        ),
    ];
    for (statement, what, packet, expect) in cases {
        let mut raw = Raw::simple(&server, Level::V3, "c").await;
        raw.send(&packet).await;
        let name = format!("{statement}: {what}");
        let got = raw.try_next().await;
        match expect {
            Closed => assert_eq!(got, None, "{name}"),
            Answer(begins) => {
                let got = got.expect(&name);
                let answer = [&[got.first][..], &got.body].concat();
                assert_eq!(
                    &answer[..begins.len().min(answer.len())],
                    &begins[..],
                    "{name}: {got:x?}"
                );
            }
            Stays | Refused(_) | End(_) => panic!("{name}: no such expectation in 3.1.1"),
        }
    }
}
