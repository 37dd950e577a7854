//! Columns of numbers: lists in the schema, but written as JSON in one go instead of being resolved and kept one value
//! at a time.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use bytes::Bytes;
use serde::Serialize;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::Quality;

use super::scalars::milliseconds;

/// Bytes that a number takes at most: sign, 17 digits, point, and an exponent such as `e-308`.
const NUMBER_BYTES: usize = 24;
/// Bytes that a stamp or a quality takes with its comma, at a guess.
const STAMP_BYTES: usize = 14;
const QUALITY_BYTES: usize = 4;

/// A list of `T` as JSON. It resolves to [`Value::Binary`], which [`super::answer_body`] puts into the answer as it is.
pub struct Column<T> {
    json: Bytes,
    items: PhantomData<fn() -> T>,
}

/// The same column once more, in the same memory.
impl<T> Clone for Column<T> {
    fn clone(&self) -> Self {
        Self {
            json: self.json.clone(),
            items: PhantomData,
        }
    }
}

impl<T> Column<T> {
    /// `bytes`: what one value takes, at a guess.
    fn of<V: Serialize>(values: impl ExactSizeIterator<Item = V>, bytes: usize) -> Self {
        let mut json = Vec::with_capacity(values.len() * bytes + 2);
        json.push(b'[');
        for value in values {
            if json.len() > 1 {
                json.push(b',');
            }
            put(&mut json, &value);
        }
        json.push(b']');
        Self {
            json: json.into(),
            items: PhantomData,
        }
    }
}

/// A number, or `null` for what is none. Writing a number into memory does not fail.
fn put(json: &mut Vec<u8>, value: &impl Serialize) {
    let length = json.len();
    if serde_json::to_writer(&mut *json, value).is_err() {
        json.truncate(length);
        json.extend_from_slice(b"null");
    }
}

/// A stamp in milliseconds since 1970: whole where it is whole, else with decimals.
#[derive(Serialize)]
#[serde(untagged)]
enum Stamp {
    Whole(i64),
    Parts(f64),
}

impl Column<f64> {
    pub fn of_times(times: &[Timestamp]) -> Self {
        let stamp = |time: &Timestamp| {
            if time.0 % 1_000_000 == 0 {
                Stamp::Whole(time.0 / 1_000_000)
            } else {
                Stamp::Parts(milliseconds(*time))
            }
        };
        Self::of(times.iter().map(stamp), STAMP_BYTES)
    }
}

impl Column<Option<f64>> {
    /// Numbers that JSON does not know, such as NaN, become `null`.
    pub fn of_numbers(numbers: &[f64]) -> Self {
        let mut list = NumberList::with_room_for(numbers.len());
        for number in numbers {
            list.put(Some(*number));
        }
        list.finish()
    }

    /// As [`Self::of_numbers`], with gaps as `null`.
    pub fn of_values(values: &[Option<f64>]) -> Self {
        let mut list = NumberList::with_room_for(values.len());
        for value in values {
            list.put(*value);
        }
        list.finish()
    }
}

/// A list of numbers on its way to JSON. There is room for all of them from the start, filled with commas.
struct NumberList {
    json: Vec<u8>,
    /// Bytes that are written, with the comma behind the last number.
    length: usize,
}

impl NumberList {
    fn with_room_for(numbers: usize) -> Self {
        let mut json = vec![b','; 1 + numbers.max(1) * (NUMBER_BYTES + 1)];
        json[0] = b'[';
        Self { json, length: 1 }
    }

    /// A number, or `null` for what is none.
    fn put(&mut self, number: Option<f64>) {
        let mut buffer = zmij::Buffer::new();
        let text = match number {
            Some(number) if number.is_finite() => buffer.format_finite(number).as_bytes(),
            _ => b"null",
        };
        let place = &mut self.json[self.length..];
        // Two copies of a fixed length cost less than one of any.
        match (text.first_chunk::<16>(), text.last_chunk::<16>()) {
            (Some(start), Some(end)) => {
                place[..16].copy_from_slice(start);
                place[text.len() - 16..text.len()].copy_from_slice(end);
            }
            _ => place[..text.len()].copy_from_slice(text),
        }
        self.length += text.len() + 1;
    }

    fn finish(mut self) -> Column<Option<f64>> {
        let last = self.length.max(2) - 1;
        self.json[last] = b']';
        self.json.truncate(last + 1);
        Column {
            json: self.json.into(),
            items: PhantomData,
        }
    }
}

impl Column<i32> {
    pub fn of_qualities(qualities: &[Quality]) -> Self {
        Self::of(qualities.iter().map(|quality| quality.0), QUALITY_BYTES)
    }
}

impl<T: OutputType> OutputType for Column<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::Binary(self.json.clone()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text<T>(column: &Column<T>) -> &str {
        std::str::from_utf8(&column.json).unwrap()
    }

    #[test]
    fn an_empty_column_is_an_empty_list() {
        assert_eq!(text(&Column::of_numbers(&[])), "[]");
        assert_eq!(text(&Column::of_times(&[])), "[]");
    }

    #[test]
    fn what_is_no_number_for_json_is_null() {
        let numbers = [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
        assert_eq!(
            text(&Column::of_numbers(&numbers)),
            "[1.5,null,null,null,-0.0]"
        );
        let values = [None, Some(2.0), Some(f64::NAN)];
        assert_eq!(text(&Column::of_values(&values)), "[null,2.0,null]");
    }

    #[test]
    fn stamps_are_milliseconds_with_decimals_where_they_need_some() {
        let times = [
            Timestamp(1_600_000_000_000_000_000),
            Timestamp(1_600_000_000_000_500_000),
            Timestamp(-1_000_000),
        ];
        assert_eq!(
            text(&Column::of_times(&times)),
            "[1600000000000,1600000000000.5,-1]"
        );
    }

    #[test]
    fn qualities_are_whole_numbers() {
        let qualities = [Quality(192), Quality(0)];
        assert_eq!(text(&Column::of_qualities(&qualities)), "[192,0]");
    }

    #[test]
    fn a_column_has_the_name_of_a_list_in_the_schema() {
        assert_eq!(Column::<f64>::qualified_type_name(), "[Float!]!");
        assert_eq!(Column::<Option<f64>>::qualified_type_name(), "[Float]!");
        assert_eq!(Column::<i32>::qualified_type_name(), "[Int!]!");
    }

    proptest! {
        #[test]
        fn every_number_comes_back_with_all_its_bits(
            numbers in proptest::collection::vec(any::<f64>(), 0..64),
        ) {
            let column = Column::of_numbers(&numbers);
            let back: Vec<Option<f64>> = serde_json::from_slice(&column.json).unwrap();
            let bits = |number: f64| number.is_finite().then_some(number.to_bits());
            let expected: Vec<Option<u64>> = numbers.iter().map(|number| bits(*number)).collect();
            let found: Vec<Option<u64>> = back.into_iter().map(|number| number.and_then(bits)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn every_stamp_comes_back_as_the_double_next_to_it(nanoseconds in any::<i64>()) {
            let column = Column::of_times(&[Timestamp(nanoseconds)]);
            let back: Vec<f64> = serde_json::from_slice(&column.json).unwrap();
            let expected = nanoseconds as f64 / 1e6;
            prop_assert!((back[0] - expected).abs() <= expected.abs() * f64::EPSILON);
        }
    }
}
