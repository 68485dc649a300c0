//! The pages of the files, made of their schemas: every key with its type, its meaning and its default.

use serde_json::Value;

use super::Block;

/// Terms and headings for every key of a schema; tables come after the keys of their parent.
pub fn keys(schema: &Value) -> Vec<Block> {
    let mut blocks = vec![Block::heading("Keys above the first table")];
    let mut tables = Vec::new();
    table(schema, schema, "", (&mut blocks, &mut tables));
    blocks.extend(tables);
    blocks
}

/// The keys of one table go to the first list, tables below it to the second one.
fn table(root: &Value, schema: &Value, path: &str, (blocks, tables): (&mut Vec<Block>, &mut Vec<Block>)) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, value) in properties.into_iter().flatten() {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let named = value.get("additionalProperties").map(|inner| resolved(root, inner));
        let inner = resolved(root, value);
        let (heading, inner) = match named.filter(|inner| inner.get("properties").is_some()) {
            Some(inner) => (format!("[{name}.NAME]"), inner),
            None if inner.get("properties").is_some() || is_map(inner, path) => (format!("[{name}]"), inner),
            None => {
                blocks.push(Block::Term(format!("{key} = {}", kind(root, value)), described(value, inner)));
                continue;
            }
        };
        let mut below = Vec::new();
        // A term for a table keeps the letters of its name, which a heading would not.
        tables.push(Block::Heading(format!("Table {heading}")));
        let said = described(value, inner);
        if !said.is_empty() {
            tables.push(Block::Text(said));
        }
        let mut own = Vec::new();
        table(root, inner, &name, (&mut own, &mut below));
        tables.extend(own);
        tables.extend(below);
    }
}

/// A table of names that people choose, such as `[labels]`; below another table it is written in braces.
fn is_map(schema: &Value, path: &str) -> bool {
    path.is_empty() && schema.get("type").and_then(Value::as_str) == Some("object")
}

/// What a reference, or a choice between something and nothing, leads to.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let chosen = schema
        .get("anyOf")
        .and_then(Value::as_array)
        .and_then(|all| all.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null")));
    let schema = chosen.unwrap_or(schema);
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}

/// The description where the key stands, else that of its type.
fn described(value: &Value, inner: &Value) -> String {
    let of = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let mut text = of(value).or_else(|| of(inner)).unwrap_or_default();
    if let Some(one) = value.get("examples").and_then(Value::as_array).and_then(|all| all.first()) {
        text.push_str(&format!(" Example: `{one}`."));
    }
    text
}

/// What a value looks like.
fn kind(root: &Value, value: &Value) -> String {
    let inner = resolved(root, value);
    if let Some(words) = inner.get("enum").and_then(Value::as_array) {
        let words: Vec<String> =
            words.iter().filter(|word| !word.is_null()).map(ToString::to_string).collect();
        return words.join(" | ");
    }
    if value.to_string().contains("#/$defs/Length") {
        return "\"DURATION\"".to_owned();
    }
    if inner.get("format").and_then(Value::as_str) == Some("date-time") {
        return "DATE-TIME".to_owned();
    }
    let types: Vec<&str> = match inner.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect()
        }
        _ => Vec::new(),
    };
    let word = |name: &str| match name {
        "string" => "\"TEXT\"",
        "integer" | "number" => "NUMBER",
        "boolean" => "true | false",
        "array" => "[\"TEXT\", ...]",
        "object" => "{ NAME = VALUE, ... }",
        _ => "VALUE",
    };
    let words: Vec<&str> = types.into_iter().map(word).collect();
    if words.is_empty() { "VALUE".to_owned() } else { words.join(" | ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_schema_is_a_term() {
        let schema = serde_json::to_value(crate::config::schema()).expect("JSON");
        let blocks = keys(&schema);
        let has = |wanted: &str| {
            blocks.iter().any(|block| match block {
                Block::Term(word, text) => word.starts_with(wanted) && !text.is_empty(),
                Block::Heading(word) => word == wanted,
                Block::Text(_) | Block::Code(_) => false,
            })
        };
        for wanted in [
            "mode = \"act\" | \"observe\"",
            "Table [recovery]",
            "burst = NUMBER",
            "delay = \"DURATION\"",
            "Table [probe.NAME]",
            "http = \"TEXT\"",
            "Table [disabled]",
        ] {
            assert!(has(wanted), "{wanted}: {blocks:#?}");
        }
        let mute = blocks.iter().find(|block| matches!(block, Block::Term(_, text) if text.is_empty()));
        assert!(mute.is_none(), "{mute:?}");
    }
}
