//! Statements of MQTT 5 about packets after CONNECT.

use super::raw::{Level, Options, Raw, frame};
use super::statements::Expect::{Answer, Closed, End, Refused, Stays};
use super::statements::{Statement, string};
use super::support::Server;

fn subscribe(id: u8, filter: &str, options: u8) -> Vec<u8> {
    frame(
        0x82,
        &[&[0, id, 0][..], &string(filter.as_bytes()), &[options]].concat(),
    )
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
            "MQTT-1.5.7-1",
            "a user property whose name is no UTF-8",
            publish(0x30, &[7, 0x26, 0, 1, 0xFF, 0, 1, b'x']),
            End(0x81),
        ),
        (
            "MQTT-1.5.7-1",
            "a user property whose value is no UTF-8",
            publish(0x30, &[7, 0x26, 0, 1, b'x', 0, 1, 0xFF]),
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
            "MQTT-3.2.2-17, MQTT-3.3.2-9",
            "a topic alias above the maximum",
            publish(0x30, &[3, 0x23, 0xFF, 0xFF]),
            End(0x94),
        ),
        (
            "MQTT-3.3.2-1",
            "a topic that is no UTF-8",
            frame(0x30, &[0, 1, 0xFF, 0]),
            End(0x81),
        ),
        (
            "MQTT-3.3.2-13",
            "a response topic that is no UTF-8",
            publish(0x30, &[4, 0x08, 0, 1, 0xFF]),
            End(0x81),
        ),
        (
            "MQTT-3.3.2-19",
            "a content type that is no UTF-8",
            publish(0x30, &[4, 0x03, 0, 1, 0xFF]),
            End(0x81),
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
            "MQTT-3.10.3-1",
            "a filter to unsubscribe that is no UTF-8",
            frame(0xA2, &[0, 1, 0, 0, 1, 0xFF]),
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
            "MQTT-3.2.2-15",
            "a packet larger than the server takes",
            vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F],
            End(0x95),
        ),
        (
            "MQTT-4.12.0-7",
            "an AUTH without a method in CONNECT",
            frame(0xF0, &[]),
            End(0x82),
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
