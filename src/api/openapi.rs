//! The OpenAPI document, made from the table of routes and the schemas of the wire types.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::server::{Route, routes};
use super::wire::{Event, Failure, Reply};

/// `GET /v1/openapi.json`.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for route in routes() {
        let operation = operation(&route, &mut schemas);
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Steadfast status socket",
            "version": super::wire::VERSION.to_string(),
            "description": "HTTP/1.1 with JSON over the unix socket. Reading: whoever may connect. \
                            Changing: root, the daemon's own user, members of admin_group. \
                            The address of `listen`, where one is set, answers GET and HEAD alone.",
        },
        "servers": [{"url": "http://localhost"}],
        "paths": paths,
        "components": {"schemas": schemas.take_definitions(true)},
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut operation = Map::new();
    operation.insert("summary".to_owned(), route.summary.into());
    let in_path = [("unit", "string"), ("id", "integer")].into_iter();
    let mut parameters: Vec<Value> = in_path
        .filter(|(name, _)| route.path.contains(&format!("{{{name}}}")))
        .map(|(name, kind)| json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}}))
        .collect();
    parameters.extend(route.parameters.as_array().into_iter().flatten().cloned());
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = &route.body {
        let schema = (body.schema)(schemas);
        let content = json!({"required": body.required, "content": {"application/json": {"schema": schema}}});
        operation.insert("requestBody".to_owned(), content);
    }
    operation.insert("responses".to_owned(), (route.responses)(schemas, route.summary));
    Value::Object(operation)
}

fn answer(description: &str, schema: &Schema) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

/// The responses of a route that reads.
pub fn reads<T: JsonSchema>(schemas: &mut SchemaGenerator, summary: &str) -> Value {
    let failure = answer("Why not.", &schemas.subschema_for::<Failure>());
    let good = answer(summary, &schemas.subschema_for::<T>());
    json!({"200": good, "default": failure})
}

/// The responses of a command.
pub fn changes(schemas: &mut SchemaGenerator, _: &str) -> Value {
    let reply = schemas.subschema_for::<Reply>();
    let failure = schemas.subschema_for::<Failure>();
    json!({
        "200": answer("Done.", &reply),
        "400": answer("The request is wrong: how.", &failure),
        "403": answer("The caller may not change anything.", &failure),
        "404": answer("No such managed unit, or no such incident.", &failure),
        "409": answer("Refused: why.", &reply),
        "500": answer("Tried, and it did not work: which step.", &reply),
        "503": answer("The supervisor is busy or stopping.", &failure),
        "504": answer("No answer within 10 minutes.", &failure),
    })
}

/// The responses of a command that asks several, each of which may fail.
pub fn tests<T: JsonSchema>(schemas: &mut SchemaGenerator, summary: &str) -> Value {
    let mut responses = reads::<T>(schemas, summary);
    if let Some(responses) = responses.as_object_mut() {
        let each = answer("What each of them said.", &schemas.subschema_for::<T>());
        responses.insert("502".to_owned(), each);
    }
    responses
}

/// The responses of the stream of events.
pub fn events(schemas: &mut SchemaGenerator, _: &str) -> Value {
    let event = schemas.subschema_for::<Event>();
    json!({"200": {
        "description": "A stream without end.",
        "content": {"text/event-stream": {"schema": event}},
    }})
}

/// The responses of the metrics.
pub fn metrics(_: &mut SchemaGenerator, _: &str) -> Value {
    json!({"200": {"description": "OpenMetrics, or the classic text format.", "content": {
        "application/openmetrics-text": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    }}})
}

/// The responses of a page for people.
pub fn page(_: &mut SchemaGenerator, summary: &str) -> Value {
    let html = json!({"text/html": {"schema": {"type": "string"}}});
    json!({
        "200": {"description": summary, "content": html},
        "default": {"description": "Why not.", "content": html},
    })
}

/// The responses of the document itself.
pub fn itself(_: &mut SchemaGenerator, _: &str) -> Value {
    json!({"200": {"description": "OpenAPI 3.1"}})
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references: Vec<&str> = text.split("\"$ref\":\"").skip(1).collect();
        assert!(references.len() > 20, "{text}");
        for reference in references {
            let path = reference.split('"').next().unwrap();
            let pointer = path.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{path} leads nowhere");
        }
    }
}
