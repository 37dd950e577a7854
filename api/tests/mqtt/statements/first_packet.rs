//! Statements about the packet that opens a connection.

use super::raw::{Level, Raw, frame};
use super::statements::Expect::{Answer, Closed, End, Refused, Stays};
use super::statements::{Statement, string};
use super::support::Server;

/// A CONNECT of parts: protocol name, level, flags, keep alive, all that follows.
fn connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = string(name);
    body.extend([level, flags, 0, 60]);
    body.extend(rest);
    frame(0x10, &body)
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
            "MQTT-3.1.3-12",
            "a user name that is no UTF-8",
            connect(
                b"MQTT",
                5,
                0xC2,
                &with(&[&[0], &id, &string(b"\xFF"), &key]),
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
            "MQTT-4.13.1-1",
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
            "MQTT-4.13.1-1",
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
            "MQTT-4.13.1-1",
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
