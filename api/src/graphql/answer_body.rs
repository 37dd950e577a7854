//! Answers as JSON. Columns come written already and are put in as they are.
//!
//! The library's own way of writing an answer knows nothing of [`super::column::Column`]; every answer of ours goes
//! through here.

use async_graphql::{Response, Value};
use bytes::Bytes;

/// Whether nothing was executed: the query did not parse, is not valid, or is too much.
pub fn is_refused(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// A column of at least so many bytes is not copied into the answer, but a piece of it.
const LEAST_PIECE: usize = 4096;

/// The answer in the shape of the GraphQL specification, section 7.1: data if anything was executed, extensions if any,
/// errors if any.
pub fn written(response: &Response) -> serde_json::Result<Vec<u8>> {
    let pieces = pieces(response)?;
    Ok(pieces.concat())
}

/// As [`written`], in pieces that follow each other: long columns lie in memory once.
pub fn pieces(response: &Response) -> serde_json::Result<Vec<Bytes>> {
    let mut out = Pieces::default();
    if is_refused(response) {
        out.text.extend_from_slice(b"{\"errors\":");
        serde_json::to_writer(&mut out.text, &response.errors)?;
        out.text.push(b'}');
        return Ok(out.finish());
    }
    out.text.extend_from_slice(b"{\"data\":");
    out.put(&response.data)?;
    if !response.extensions.is_empty() {
        out.text.extend_from_slice(b",\"extensions\":");
        out.put_entries(
            response
                .extensions
                .iter()
                .map(|(name, value)| (name.as_str(), value)),
        )?;
    }
    if !response.errors.is_empty() {
        out.text.extend_from_slice(b",\"errors\":");
        serde_json::to_writer(&mut out.text, &response.errors)?;
    }
    out.text.push(b'}');
    Ok(out.finish())
}

#[derive(Default)]
struct Pieces {
    whole: Vec<Bytes>,
    /// What comes behind those.
    text: Vec<u8>,
}

impl Pieces {
    fn finish(mut self) -> Vec<Bytes> {
        self.whole.push(self.text.into());
        self.whole
    }

    fn put(&mut self, value: &Value) -> serde_json::Result<()> {
        match value {
            Value::Binary(json) if json.len() >= LEAST_PIECE => {
                self.whole.push(std::mem::take(&mut self.text).into());
                self.whole.push(json.clone());
            }
            Value::Binary(json) => self.text.extend_from_slice(json),
            Value::List(items) => {
                self.text.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text.push(b',');
                    }
                    self.put(item)?;
                }
                self.text.push(b']');
            }
            Value::Object(fields) => {
                self.put_entries(fields.iter().map(|(name, value)| (name.as_str(), value)))?;
            }
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Enum(_) => serde_json::to_writer(&mut self.text, value)?,
        }
        Ok(())
    }

    fn put_entries<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a str, &'a Value)>,
    ) -> serde_json::Result<()> {
        self.text.push(b'{');
        for (index, (name, value)) in entries.enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            serde_json::to_writer(&mut self.text, name)?;
            self.text.push(b':');
            self.put(value)?;
        }
        self.text.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, PathSegment, Pos, ServerError};
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::String),
            "[A-Z_]{1,8}".prop_map(|name| Value::Enum(Name::new(name))),
        ];
        scalar.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                proptest::collection::vec((any::<String>(), inner), 0..6).prop_map(|fields| {
                    Value::Object(
                        fields
                            .into_iter()
                            .map(|(name, value)| (Name::new(name), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_answer_without_columns_is_written_as_the_library_writes_it(
            data in value(),
            extension in value(),
            message in proptest::option::of(any::<String>()),
        ) {
            let mut response = Response::new(data).extension("trace", extension);
            if let Some(message) = message {
                let mut error = ServerError::new(message, Some(Pos { line: 3, column: 7 }));
                error.path = vec![PathSegment::Field("series".to_owned()), PathSegment::Index(2)];
                response.errors.push(error);
            }
            prop_assert_eq!(
                String::from_utf8(written(&response).unwrap()).unwrap(),
                serde_json::to_string(&response).unwrap()
            );
        }
    }

    #[test]
    fn what_was_never_executed_has_no_data() {
        let mut response = Response::new(Value::Null);
        response
            .errors
            .push(ServerError::new("no such field", None));
        assert_eq!(
            written(&response).unwrap(),
            br#"{"errors":[{"message":"no such field"}]}"#
        );
        response.errors[0].path = vec![PathSegment::Field("thing".to_owned())];
        let told = String::from_utf8(written(&response).unwrap()).unwrap();
        assert!(told.starts_with(r#"{"data":null,"#), "{told}");
    }

    #[test]
    fn a_column_stands_in_the_answer_as_it_was_written() {
        let column = Value::Binary("[1.5,null]".into());
        let data = Value::Object([(Name::new("v"), column)].into_iter().collect());
        assert_eq!(
            written(&Response::new(data)).unwrap(),
            br#"{"data":{"v":[1.5,null]}}"#
        );
    }

    #[test]
    fn a_long_column_is_a_piece_of_its_own_that_is_not_copied() {
        let json = Bytes::from(format!("[{}0]", "1,".repeat(LEAST_PIECE)));
        let data = Value::List(vec![
            Value::Binary(json.clone()),
            Value::Binary("[2]".into()),
            Value::Binary(json.clone()),
        ]);
        let response = Response::new(data);
        let pieces = pieces(&response).unwrap();
        let same = |piece: &Bytes| piece.as_ptr() == json.as_ptr();
        assert_eq!(pieces.iter().filter(|piece| same(piece)).count(), 2);
        let text = String::from_utf8(json.to_vec()).unwrap();
        let expected = format!("{{\"data\":[{text},[2],{text}]}}");
        assert_eq!(String::from_utf8(pieces.concat()).unwrap(), expected);
        assert_eq!(written(&response).unwrap(), expected.as_bytes());
    }
}
