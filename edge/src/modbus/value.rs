//! Registers to values.

use tellee_senml::Value;

use crate::connection::{ByteOrder, PointType};

/// The value in `registers`, scaled. `None` if it is no finite number (a device's way to say "not available") or no
/// UTF-8 text. Integers beyond 2^53 lose their last digits.
pub fn decode_value(
    registers: &[u16],
    kind: PointType,
    order: ByteOrder,
    scale: Option<f64>,
    offset: Option<f64>,
) -> Option<Value> {
    if kind == PointType::String {
        return decode_text(registers, order).map(Value::Text);
    }
    let raw = match (kind, registers.len()) {
        (PointType::Bool, 1) => return Some(Value::Boolean(registers[0] != 0)),
        (PointType::U16, 1) => f64::from(in_order_16(registers[0], order)),
        (PointType::I16, 1) => f64::from(in_order_16(registers[0], order).cast_signed()),
        (PointType::U32, 2) => f64::from(bits(registers, order) as u32),
        (PointType::I32, 2) => f64::from((bits(registers, order) as u32).cast_signed()),
        (PointType::F32, 2) => f64::from(f32::from_bits(bits(registers, order) as u32)),
        (PointType::U64, 4) => bits(registers, order) as f64,
        (PointType::I64, 4) => bits(registers, order).cast_signed() as f64,
        (PointType::F64, 4) => f64::from_bits(bits(registers, order)),
        _ => return None,
    };
    let value = raw * scale.unwrap_or(1.0) + offset.unwrap_or(0.0);
    value.is_finite().then_some(Value::Number(value))
}

const fn in_order_16(register: u16, order: ByteOrder) -> u16 {
    match order {
        ByteOrder::Abcd | ByteOrder::Cdab => register,
        ByteOrder::Dcba | ByteOrder::Badc => register.swap_bytes(),
    }
}

/// Joins registers, most significant first once the order is undone.
fn bits(registers: &[u16], order: ByteOrder) -> u64 {
    let join =
        |value: u64, &register: &u16| (value << 16) | u64::from(in_order_16(register, order));
    match order {
        ByteOrder::Abcd | ByteOrder::Badc => registers.iter().fold(0, join),
        ByteOrder::Dcba | ByteOrder::Cdab => registers.iter().rev().fold(0, join),
    }
}

/// Two bytes a register, up to the first NUL, without blanks at the end.
fn decode_text(registers: &[u16], order: ByteOrder) -> Option<String> {
    let bytes: Vec<u8> = registers
        .iter()
        .flat_map(|&register| in_order_16(register, order).to_be_bytes())
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8(bytes)
        .ok()
        .map(|text| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(registers: &[u16], kind: PointType, order: ByteOrder) -> Option<Value> {
        decode_value(registers, kind, order, None, None)
    }

    #[test]
    fn four_byte_values_are_read_in_every_order() {
        let bytes = 23.5_f32.to_be_bytes();
        let word = |high: usize, low: usize| u16::from_be_bytes([bytes[high], bytes[low]]);
        let cases = [
            (ByteOrder::Abcd, [word(0, 1), word(2, 3)]),
            (ByteOrder::Dcba, [word(3, 2), word(1, 0)]),
            (ByteOrder::Badc, [word(1, 0), word(3, 2)]),
            (ByteOrder::Cdab, [word(2, 3), word(0, 1)]),
        ];
        for (order, registers) in cases {
            assert_eq!(
                number(&registers, PointType::F32, order),
                Some(Value::Number(23.5)),
                "{order:?}"
            );
        }
    }

    #[test]
    fn integers_keep_their_sign_and_scale() {
        assert_eq!(
            number(&[0xffff], PointType::I16, ByteOrder::Abcd),
            Some(Value::Number(-1.0))
        );
        assert_eq!(
            number(&[0xff, 0xffff], PointType::U32, ByteOrder::Cdab),
            Some(Value::Number(4_294_901_760.0 + 255.0))
        );
        assert_eq!(
            number(&[0xffff; 4], PointType::I64, ByteOrder::Dcba),
            Some(Value::Number(-1.0))
        );
        let scaled = decode_value(
            &[235],
            PointType::U16,
            ByteOrder::Abcd,
            Some(0.1),
            Some(-10.0),
        );
        assert_eq!(scaled, Some(Value::Number(13.5)));
        assert_eq!(
            number(&[0x0102], PointType::U16, ByteOrder::Badc),
            Some(Value::Number(513.0))
        );
        let bits = 1.5_f64.to_bits();
        let words = [48, 32, 16, 0].map(|shift| (bits >> shift) as u16);
        assert_eq!(
            number(&words, PointType::F64, ByteOrder::Abcd),
            Some(Value::Number(1.5))
        );
    }

    #[test]
    fn what_is_not_finite_is_no_value() {
        assert_eq!(number(&[0x7fc0, 0], PointType::F32, ByteOrder::Abcd), None);
        assert_eq!(number(&[0x7f80, 0], PointType::F32, ByteOrder::Abcd), None);
        assert_eq!(number(&[1], PointType::F32, ByteOrder::Abcd), None);
    }

    #[test]
    fn text_ends_at_the_first_nul() {
        let registers = [0x5055, 0x4d50, 0x2000, 0x5858];
        assert_eq!(
            number(&registers, PointType::String, ByteOrder::Abcd),
            Some(Value::Text("PUMP".into()))
        );
        assert_eq!(number(&[0xffff], PointType::String, ByteOrder::Abcd), None);
    }
}
