//! How much one request may ask, counted before anything runs: aliases and fragments make small texts large.

use async_graphql::Positioned;
use async_graphql::parser::types::{
    ExecutableDocument, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};

use crate::error::{ApiError, ErrorCode};

/// Fields of the operation itself.
const ROOT_FIELDS: usize = 50;
/// Fields in all, fragments written out.
const FIELDS: usize = 1_000;

/// Refuses documents of which one operation asks for too much.
pub fn check(document: &ExecutableDocument) -> Result<(), ApiError> {
    for (_, operation) in document.operations.iter() {
        Count {
            document,
            fields: 0,
            roots: 0,
        }
        .operation(operation)?;
    }
    Ok(())
}

struct Count<'document> {
    document: &'document ExecutableDocument,
    /// Fields and spreads so far. A spread counts too, so that fragments that hold nothing but spreads end.
    fields: usize,
    roots: usize,
}

impl<'document> Count<'document> {
    fn operation(&mut self, operation: &Positioned<OperationDefinition>) -> Result<(), ApiError> {
        self.selections(&operation.node.selection_set.node, true)
    }

    /// The depth of this recursion is bounded by [`FIELDS`], since each step counts.
    fn selections(&mut self, set: &SelectionSet, at_root: bool) -> Result<(), ApiError> {
        for selection in &set.items {
            self.one_more()?;
            match &selection.node {
                Selection::Field(field) => {
                    if at_root {
                        self.one_more_root()?;
                    }
                    self.selections(&field.node.selection_set.node, false)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.node.selection_set.node, at_root)?;
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragment(spread.node.fragment_name.node.as_str()) {
                        self.selections(&fragment.selection_set.node, at_root)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn fragment(&self, name: &str) -> Option<&'document FragmentDefinition> {
        self.document
            .fragments
            .get(name)
            .map(|fragment| &fragment.node)
    }

    fn one_more(&mut self) -> Result<(), ApiError> {
        self.fields += 1;
        if self.fields <= FIELDS {
            return Ok(());
        }
        let reason = format!("a request asks for at most {FIELDS} fields, fragments written out");
        Err(ApiError::new(ErrorCode::QueryTooComplex, reason))
    }

    fn one_more_root(&mut self) -> Result<(), ApiError> {
        self.roots += 1;
        if self.roots <= ROOT_FIELDS {
            return Ok(());
        }
        let reason =
            format!("an operation has at most {ROOT_FIELDS} fields of its own, aliases counted");
        Err(ApiError::new(ErrorCode::QueryTooComplex, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), ApiError> {
        check(&async_graphql::parser::parse_query(text).unwrap())
    }

    #[test]
    fn aliases_of_the_root_are_counted() {
        let query = |count: usize| {
            let fields: String = (0..count)
                .map(|number| format!("a{number}: me {{ id }} "))
                .collect();
            format!("{{ {fields} }}")
        };
        checked(&query(ROOT_FIELDS)).unwrap();
        let error = checked(&query(ROOT_FIELDS + 1)).unwrap_err();
        assert_eq!(error.code, ErrorCode::QueryTooComplex);
    }

    #[test]
    fn aliases_hidden_in_a_fragment_of_the_root_are_counted_too() {
        let fields: String = (0..=ROOT_FIELDS)
            .map(|number| format!("a{number}: me {{ id }} "))
            .collect();
        assert!(
            checked(&format!(
                "{{ ...all }} fragment all on Query {{ {fields} }}"
            ))
            .is_err()
        );
        assert!(checked(&format!("{{ ... on Query {{ {fields} }} }}")).is_err());
    }

    #[test]
    fn fragments_that_double_each_other_and_such_that_hold_themselves_end() {
        let mut text = "{ ...f0 }".to_owned();
        for number in 0..60 {
            let next = number + 1;
            text.push_str(&format!(
                " fragment f{number} on Query {{ ...f{next} ...f{next} }}"
            ));
        }
        text.push_str(" fragment f60 on Query { me { id } }");
        assert!(checked(&text).is_err());
        assert!(
            checked("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }").is_err()
        );
    }
}
