//! Answers as JSON. Columns come written already and are put in as they are.
//!
//! The library's own way of writing an answer knows nothing of [`super::column::Column`]; every answer of ours goes
//! through here.

use async_graphql::{Response, Value};

/// Bytes of a scalar, of a name, of the brackets of a list or an object: a guess that spares most growing.
const SMALL: usize = 24;

/// Whether nothing was executed: the query did not parse, is not valid, or is too much.
pub fn is_refused(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The answer in the shape of the GraphQL specification, section 7.1: data if anything was executed, extensions if any,
/// errors if any.
pub fn written(response: &Response) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(length(&response.data) + 64);
    if is_refused(response) {
        out.extend_from_slice(b"{\"errors\":");
        serde_json::to_writer(&mut out, &response.errors)?;
        out.push(b'}');
        return Ok(out);
    }
    out.extend_from_slice(b"{\"data\":");
    put(&mut out, &response.data)?;
    if !response.extensions.is_empty() {
        out.extend_from_slice(b",\"extensions\":");
        put_entries(
            &mut out,
            response
                .extensions
                .iter()
                .map(|(name, value)| (name.as_str(), value)),
        )?;
    }
    if !response.errors.is_empty() {
        out.extend_from_slice(b",\"errors\":");
        serde_json::to_writer(&mut out, &response.errors)?;
    }
    out.push(b'}');
    Ok(out)
}

/// About how many bytes `value` takes.
fn length(value: &Value) -> usize {
    match value {
        Value::Binary(json) => json.len(),
        Value::String(text) => text.len() + 2,
        Value::List(items) => items.iter().map(|item| length(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + 4 + length(value))
            .sum::<usize>(),
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Enum(_) => SMALL,
    }
}

fn put(out: &mut Vec<u8>, value: &Value) -> serde_json::Result<()> {
    match value {
        Value::Binary(json) => out.extend_from_slice(json),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            put_entries(
                out,
                fields.iter().map(|(name, value)| (name.as_str(), value)),
            )?;
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Boolean(_) | Value::Enum(_) => {
            serde_json::to_writer(&mut *out, value)?
        }
    }
    Ok(())
}

fn put_entries<'a>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
) -> serde_json::Result<()> {
    out.push(b'{');
    for (index, (name, value)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        put(out, value)?;
    }
    out.push(b'}');
    Ok(())
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
}
