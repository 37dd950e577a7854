//! Just enough reading of `api/schema.graphql` to call every field of it.

const SCHEMA: &str = include_str!("../../../api/schema.graphql");

/// One field of the schema: its name, its arguments and its type.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub arguments: Vec<(String, String)>,
    pub kind: String,
}

/// The fields of `type`, `input` or the values of `enum` named `name`. Reads just the SDL that Tellee writes.
pub fn block(keyword: &str, name: &str) -> Option<String> {
    let head = format!("{keyword} {name} {{");
    let begin = SCHEMA.find(&head)? + head.len();
    let end = begin + SCHEMA[begin..].find('}')?;
    let mut text = String::new();
    let mut quoted = false;
    for line in SCHEMA[begin..end].lines() {
        let marks = line.matches("\"\"\"").count();
        if marks > 0 || quoted {
            quoted ^= marks % 2 == 1;
            continue;
        }
        let mut outside = true;
        for part in line.split('"') {
            if outside {
                text.push_str(part);
            }
            outside = !outside;
        }
        text.push('\n');
    }
    Some(text)
}

/// Splits `name(arguments): Type name: Type` into fields.
pub fn fields(keyword: &str, name: &str) -> Vec<Field> {
    let text = block(keyword, name).unwrap_or_else(|| panic!("no {keyword} {name}"));
    // Defaults (`= 50`, `= []`, `= "x"`) do not matter here.
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphabetic()) {
        rest = &rest[start..];
        let stop = rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        let name = rest[..stop].to_owned();
        rest = rest[stop..].trim_start();
        let mut arguments = Vec::new();
        if let Some(inner) = rest.strip_prefix('(') {
            let close = inner.find(')').unwrap_or(inner.len());
            arguments = pairs(&inner[..close]);
            rest = inner[close + 1..].trim_start();
        }
        let Some(after) = rest.strip_prefix(':') else {
            continue;
        };
        let after = after.trim_start();
        let stop = after
            .find(|letter: char| !letter.is_ascii_alphanumeric() && !"[]!_".contains(letter))
            .unwrap_or(after.len());
        found.push(Field {
            name,
            arguments,
            kind: after[..stop].to_owned(),
        });
        rest = skip_default(&after[stop..]);
    }
    found
}

fn skip_default(rest: &str) -> &str {
    let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
        return rest;
    };
    let value = value.trim_start();
    let stop = if let Some(inner) = value.strip_prefix('[') {
        inner.find(']').map_or(value.len(), |place| place + 2)
    } else {
        value.find(char::is_whitespace).unwrap_or(value.len())
    };
    &value[stop..]
}

fn pairs(text: &str) -> Vec<(String, String)> {
    text.split([',', '\n'])
        .flat_map(|part| {
            let mut words = Vec::new();
            let part = part.split('=').next().unwrap_or_default();
            if let Some((name, kind)) = part.split_once(':') {
                words.push((name.trim().to_owned(), kind.trim().to_owned()));
            }
            words
        })
        .collect()
}
