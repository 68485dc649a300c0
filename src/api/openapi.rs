//! The OpenAPI document: a hand-made skeleton of the paths, with the schemas of the wire types.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::wire::{
    BaselineBody, DrillBody, Event, Failure, Health, HoldBody, IncidentDetails, Incidents, Reply, Status,
    Tested, Unit,
};

/// `GET /v1/openapi.json`.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let paths = paths(&mut schemas);
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

fn paths(schemas: &mut SchemaGenerator) -> Value {
    let unit = json!({"name": "unit", "in": "path", "required": true, "schema": {"type": "string"}});
    let of_unit = |mut operation: Value| {
        if let Some(fields) = operation.as_object_mut() {
            fields.insert("parameters".to_owned(), json!([unit]));
        }
        operation
    };
    let hold = schemas.subschema_for::<HoldBody>();
    let mut hold_operation = of_unit(change(schemas, "Observe only, until then."));
    if let Some(fields) = hold_operation.as_object_mut() {
        let body = json!({"required": true, "content": {"application/json": {"schema": hold}}});
        fields.insert("requestBody".to_owned(), body);
    }
    let drill = schemas.subschema_for::<DrillBody>();
    let told = "Prove the whole path by a fault; answers when the drill is over.";
    let mut drill_operation = of_unit(change(schemas, told));
    if let Some(fields) = drill_operation.as_object_mut() {
        let body = json!({"required": false, "content": {"application/json": {"schema": drill}}});
        fields.insert("requestBody".to_owned(), body);
    }
    let mut paths = of_units(schemas, &of_unit, hold_operation);
    if let Some(paths) = paths.as_object_mut() {
        paths.insert("/v1/units/{unit}/drill".to_owned(), json!({"post": drill_operation}));
    }
    if let (Some(paths), Value::Object(more)) = (paths.as_object_mut(), of_incidents(schemas)) {
        paths.extend(more);
    }
    if let (Some(paths), Value::Object(more)) = (paths.as_object_mut(), of_baselines(schemas)) {
        paths.extend(more);
    }
    paths
}

fn of_baselines(schemas: &mut SchemaGenerator) -> Value {
    let wanted = schemas.subschema_for::<BaselineBody>();
    let mut told = change(schemas, "A comparison with a baseline: what is worse, or that nothing is.");
    if let Some(fields) = told.as_object_mut() {
        let body = json!({"required": true, "content": {"application/json": {"schema": wanted}}});
        fields.insert("requestBody".to_owned(), body);
    }
    json!({
        "/v1/baseline": {"post": told},
        "/v1/baseline/accept": {"post": change(schemas, "What is worse than a baseline is to stay so.")},
    })
}

fn of_incidents(schemas: &mut SchemaGenerator) -> Value {
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}});
    let with = |mut operation: Value, parameters: Value| {
        if let Some(fields) = operation.as_object_mut() {
            fields.insert("parameters".to_owned(), parameters);
        }
        operation
    };
    let filter = json!([
        {"name": "unit", "in": "query", "schema": {"type": "string"}},
        {"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"},
         "description": "Not over before this."},
        {"name": "open", "in": "query", "schema": {"type": "boolean"}},
    ]);
    let list = read::<Incidents>(schemas, "Incidents, newest first.");
    let one = read::<IncidentDetails>(schemas, "One incident with its timeline.");
    let acknowledge = change(schemas, "Somebody knows: it is not told again, and to nobody else.");
    let mut test = read::<Tested>(schemas, "Tell every sink a test; 502 where one did not take it.");
    if let Some(responses) = test.pointer_mut("/responses").and_then(Value::as_object_mut) {
        responses
            .insert("502".to_owned(), answer("What each of them said.", &schemas.subschema_for::<Tested>()));
    }
    json!({
        "/v1/incidents": {"get": with(list, filter)},
        "/v1/incidents/{id}": {"get": with(one, json!([id]))},
        "/v1/incidents/{id}/ack": {"post": with(acknowledge, json!([id]))},
        "/v1/alerts/test": {"post": test},
    })
}

fn of_units(schemas: &mut SchemaGenerator, of_unit: &dyn Fn(Value) -> Value, hold_operation: Value) -> Value {
    json!({
        "/v1/status": {"get": read::<Status>(schemas, "The whole picture.")},
        "/v1/units/{unit}": {
            "get": of_unit(read::<Unit>(schemas, "One unit with its part of the timeline."))
        },
        "/v1/units/{unit}/recover": {
            "post": of_unit(change(schemas, "Start, enable and check the endpoints, now."))
        },
        "/v1/units/{unit}/hold": {"post": hold_operation},
        "/v1/units/{unit}/resume": {
            "post": of_unit(change(schemas, "End a hold or a quarantine."))
        },
        "/v1/events": {"get": events(schemas)},
        "/v1/openapi.json": {"get": {
            "summary": "This document.",
            "responses": {"200": {"description": "OpenAPI 3.1"}},
        }},
        "/metrics": {"get": {
            "summary": "Metrics for Prometheus, in the format that Accept asks for.",
            "responses": {"200": {"description": "OpenMetrics, or the classic text format.", "content": {
                "application/openmetrics-text": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            }}},
        }},
        "/healthz": {"get": read::<Health>(schemas, "How Steadfast itself is; 503 if not well.")},
    })
}

fn answer(description: &str, schema: &Schema) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn read<T: JsonSchema>(schemas: &mut SchemaGenerator, summary: &str) -> Value {
    let failure = answer("Why not.", &schemas.subschema_for::<Failure>());
    let good = answer(summary, &schemas.subschema_for::<T>());
    json!({"summary": summary, "responses": {"200": good, "default": failure}})
}

fn change(schemas: &mut SchemaGenerator, summary: &str) -> Value {
    let reply = schemas.subschema_for::<Reply>();
    let failure = schemas.subschema_for::<Failure>();
    json!({"summary": summary, "responses": {
        "200": answer("Done.", &reply),
        "400": answer("The request is wrong: how.", &failure),
        "403": answer("The caller may not change anything.", &failure),
        "404": answer("No such managed unit, or no such incident.", &failure),
        "409": answer("Refused: why.", &reply),
        "500": answer("Tried, and it did not work: which step.", &reply),
        "503": answer("The supervisor is busy or stopping.", &failure),
        "504": answer("No answer within 10 minutes.", &failure),
    }})
}

fn events(schemas: &mut SchemaGenerator) -> Value {
    let event = schemas.subschema_for::<Event>();
    json!({
        "summary": "The timeline as it grows: server-sent events, each with an id, its kind as the \
                    event's name, and this schema as data.",
        "parameters": [
            {"name": "unit", "in": "query", "schema": {"type": "string"}},
            {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer"},
             "description": "Resume after this id; 0 for all that is kept."},
        ],
        "responses": {"200": {
            "description": "A stream without end.",
            "content": {"text/event-stream": {"schema": event}},
        }},
    })
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
