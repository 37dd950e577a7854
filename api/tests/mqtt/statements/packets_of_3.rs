//! Statements of MQTT 3.1.1 about packets after CONNECT.

use super::raw::{Level, Options, Raw, frame};
use super::statements::Expect::{Answer, Closed, End, Refused, Stays};
use super::statements::{Statement, string};
use super::support::Server;

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
