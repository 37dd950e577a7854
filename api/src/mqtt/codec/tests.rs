use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8], version: Version) -> Result<Option<Packet>, DecodeError> {
    let mut input = BytesMut::from(bytes);
    match take_frame(&mut input, 4096)? {
        Some(frame) => decode(frame, version).map(Some),
        None => Ok(None),
    }
}

#[test]
fn a_frame_is_taken_only_whole_and_leaves_the_rest() {
    let mut input = BytesMut::from(&[0xC0, 0, 0xE0][..]);
    assert_eq!(
        take_frame(&mut input, 10),
        Ok(Some(Frame {
            first: 0xC0,
            body: Bytes::new()
        }))
    );
    assert_eq!(take_frame(&mut input, 10), Ok(None));
    assert_eq!(&input[..], [0xE0]);
}

#[test]
fn a_frame_over_the_limit_is_told_before_it_has_come() {
    let mut input = BytesMut::from(&[0x30, 0x80, 0x01][..]);
    assert_eq!(
        take_frame(&mut input, 100).unwrap_err().reason,
        Reason::PACKET_TOO_LARGE
    );
    let mut input = BytesMut::from(&[0x30, 0x80, 0x00][..]);
    assert_eq!(
        take_frame(&mut input, 100).unwrap_err().reason,
        Reason::MALFORMED_PACKET
    );
}

#[test]
fn acknowledgements_of_5_are_read_in_all_their_lengths() {
    let ack = |bytes: &[u8]| read(bytes, Version::V5).unwrap().unwrap();
    assert_eq!(ack(&[0x40, 2, 0, 1]), Packet::PubAck(Ack::success(1)));
    let refused = Ack {
        packet_id: 1,
        reason: Reason::QUOTA_EXCEEDED,
    };
    assert_eq!(ack(&[0x50, 3, 0, 1, 0x97]), Packet::PubRec(refused));
    assert_eq!(ack(&[0x50, 4, 0, 1, 0x97, 0]), Packet::PubRec(refused));
    assert_eq!(
        ack(&[0x50, 8, 0, 1, 0x97, 4, 0x1F, 0, 1, b'x']),
        Packet::PubRec(refused)
    );
    assert!(read(&[0x40, 3, 0, 1, 0], Version::V3).is_err());
}

#[test]
fn a_refusal_is_one_code_in_3_and_its_own_in_5() {
    let suback = SubAck {
        packet_id: 1,
        reasons: vec![Reason(2), Reason::NOT_AUTHORISED],
    };
    let mut out = BytesMut::new();
    encode(&Outgoing::SubAck(&suback), Version::V3, &mut out);
    assert_eq!(&out[..], [0x90, 4, 0, 1, 2, 0x80]);
    out.clear();
    encode(&Outgoing::SubAck(&suback), Version::V5, &mut out);
    assert_eq!(&out[..], [0x90, 5, 0, 1, 0, 2, 0x87]);
    out.clear();
    encode(
        &Outgoing::Disconnect(Reason::NOT_AUTHORISED, None),
        Version::V3,
        &mut out,
    );
    assert!(out.is_empty());
}

fn any_text() -> impl Strategy<Value = String> {
    "[a-zа-я/ ]{1,12}"
}

prop_compose! {
    fn any_properties()(
        is_text in prop::option::of(any::<bool>()),
        content_type in prop::option::of(any_text()),
        response_topic in prop::option::of(any_text()),
        correlation_data in prop::option::of(prop::collection::vec(any::<u8>(), 0..8)),
        user_properties in prop::collection::vec((any_text(), any_text()), 0..3),
    ) -> MessageProperties {
        MessageProperties {
            is_text,
            content_type,
            response_topic,
            correlation_data: correlation_data.map(Bytes::from),
            user_properties,
        }
    }
}

prop_compose! {
    fn any_publish()(
        qos in 0_u8..3,
        duplicate in any::<bool>(),
        retain in any::<bool>(),
        topic in any_text(),
        packet_id in 1..=u16::MAX,
        topic_alias in prop::option::of(1..=u16::MAX),
        message_expiry in prop::option::of(any::<u32>()),
        properties in any_properties(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) -> Publish {
        let qos = QoS::from_bits(qos).unwrap();
        Publish {
            duplicate: duplicate && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: Arc::from(topic),
            packet_id: if qos == QoS::AtMostOnce { 0 } else { packet_id },
            topic_alias,
            message_expiry,
            properties: (!properties.is_empty()).then(|| Box::new(properties)),
            payload: Bytes::from(payload),
        }
    }
}

fn write(publish: &Publish, version: Version) -> BytesMut {
    let header = PublishHeader {
        duplicate: publish.duplicate,
        qos: publish.qos,
        retain: publish.retain,
        topic: &publish.topic,
        packet_id: publish.packet_id,
        topic_alias: publish.topic_alias,
        message_expiry: publish.message_expiry,
        subscription_ids: &[],
        properties: publish.properties.as_deref(),
    };
    let mut out = BytesMut::new();
    encode(
        &Outgoing::Publish(header, &publish.payload),
        version,
        &mut out,
    );
    assert_eq!(out.len(), publish_size(&header, &publish.payload, version));
    out
}

proptest! {
    #[test]
    fn a_publish_is_read_as_it_was_written(publish in any_publish()) {
        prop_assert_eq!(read(&write(&publish, Version::V5), Version::V5), Ok(Some(Packet::Publish(publish.clone()))));
        let plain = Publish { topic_alias: None, message_expiry: None, properties: None, ..publish };
        prop_assert_eq!(read(&write(&plain, Version::V3), Version::V3), Ok(Some(Packet::Publish(plain))));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for version in [Version::V3, Version::V5] {
            let _ = read(&bytes, version);
            for kind in 0..16 {
                let body = Bytes::copy_from_slice(&bytes);
                let flags = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
                let frame = Frame { first: kind << 4 | flags, body };
                let _ = answer_version(&frame);
                let _ = decode_connect(frame.clone());
                let _ = decode(frame, version);
            }
        }
    }

    #[test]
    fn a_damaged_publish_is_read_or_refused(publish in any_publish(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = write(&publish, Version::V5);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes, Version::V5);
    }

    #[test]
    fn a_frame_is_the_same_however_its_bytes_arrive(publish in any_publish(), cut in any::<prop::sample::Index>()) {
        let whole = write(&publish, Version::V5);
        let cut = cut.index(whole.len());
        let mut input = BytesMut::from(&whole[..cut]);
        prop_assert_eq!(take_frame(&mut input, 4096), Ok(None));
        input.extend_from_slice(&whole[cut..]);
        let frame = take_frame(&mut input, 4096).unwrap().unwrap();
        prop_assert!(input.is_empty());
        prop_assert_eq!(decode(frame, Version::V5), Ok(Packet::Publish(publish)));
    }
}
