//! The JSON Schema of a table of which there are several kinds: all their keys, and which of them go together.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::keys::Kind;

/// `C`: the keys that all kinds have.
pub fn of_kinds<C: JsonSchema, K: ?Sized>(
    generator: &mut SchemaGenerator,
    kinds: &[Kind<K>],
    description: &str,
) -> Schema {
    let mut properties = Map::new();
    let mut choices = Vec::new();
    for kind in kinds {
        let schema = (kind.schema)(generator);
        choices.push(json!({ "required": schema.get("required") }));
        for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            add(&mut properties, kind.name, key, value);
        }
    }
    let common = C::json_schema(generator);
    properties.extend(common.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let mut schema = Schema::default();
    schema.insert(
        "description".to_owned(),
        format!("{description}: exactly one of {}.", names.join(", ")).into(),
    );
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema.insert("oneOf".to_owned(), choices.into());
    schema
}

/// A description as it goes on after a colon or in brackets.
pub fn lower(description: &str) -> String {
    let mut letters = description.chars();
    let first =
        letters.next().filter(|_| letters.clone().next().is_some_and(|c| c.is_lowercase() || c == ' '));
    match first {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => description.to_owned(),
    }
}

/// Adds a key of a kind; its description begins with the kinds that have it.
fn add(properties: &mut Map<String, Value>, kind: &str, key: &str, schema: &Value) {
    const DESCRIPTION: &str = "description";
    let said =
        |schema: &Value| schema.get(DESCRIPTION).and_then(Value::as_str).unwrap_or_default().to_owned();
    let new = said(schema);
    let named = key == kind;
    let new = if named { new } else { lower(&new) };
    let known = properties.get(key).map(said);
    let description = match &known {
        // The key that names the kind needs no other word.
        None if named => new,
        None => format!("{kind}: {new}"),
        Some(known) => match known.strip_suffix(&format!(": {new}")) {
            Some(kinds) => format!("{kinds}, {kind}: {new}"),
            None => format!("{known} {kind}: {new}"),
        },
    };
    let entry = properties.entry(key).or_insert_with(|| schema.clone());
    if let Some(entry) = entry.as_object_mut() {
        entry.insert(DESCRIPTION.to_owned(), description.into());
    }
}
