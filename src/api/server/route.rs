//! One row of the table of routes: from it come the router and the OpenAPI document, so that they cannot differ.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::Shared;
use super::command::{CommandBody, carry_out};
use super::lookup::{find, id_in, missing, unit_in};
use super::peer::Peer;
use crate::api::openapi;
use crate::model::operator::{Ask, UnitAsk};

/// The `responses` of a route, as the document has them.
type Responses = fn(&mut SchemaGenerator, &str) -> Value;

/// A route. `GET`: whoever may connect; `POST`: who may change things, and its answer comes from the policy.
pub struct Route {
    pub path: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Besides those in the path: of the query and the header.
    pub parameters: Value,
    pub body: Option<RequestBody>,
    pub responses: Responses,
    pub method: Method,
    pub handler: MethodRouter<Shared>,
}

/// The JSON that a command takes.
pub struct RequestBody {
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    pub required: bool,
}

impl Route {
    /// A route that only reads, and answers this type.
    pub fn reads<T: JsonSchema, H, A>(path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<A, Shared>,
        A: 'static,
    {
        Self {
            path,
            summary,
            parameters: Value::Null,
            body: None,
            responses: openapi::reads::<T>,
            method: Method::GET,
            handler: get(handler),
        }
    }

    /// A command about one managed unit, whose name is `{unit}` in the path.
    pub fn of_unit<B: CommandBody>(
        path: &'static str,
        summary: &'static str,
        ask: fn(B) -> Result<UnitAsk, String>,
    ) -> Self {
        let handler = async move |State(shared): State<Shared>,
                                  Extension(peer): Extension<Peer>,
                                  path: Result<Path<String>, PathRejection>,
                                  body: Body| {
            let name = unit_in(path)?;
            let unit = |shared: &Shared| {
                let snapshot = shared.snapshots.borrow();
                let unit = find(&snapshot, &name).ok_or_else(|| missing(&snapshot, &name))?;
                Ok(unit.unit.clone())
            };
            carry_out(shared, peer, unit, body, |unit, body| Ok(Ask::OfUnit { unit, ask: ask(body)? })).await
        };
        Self::command::<B>(path, summary, post(handler))
    }

    /// A command about one incident, whose number is `{id}` in the path.
    pub fn of_incident(path: &'static str, summary: &'static str, ask: fn(u64) -> Ask) -> Self {
        let handler = async move |State(shared): State<Shared>,
                                  Extension(peer): Extension<Peer>,
                                  path: Result<Path<u64>, PathRejection>,
                                  body: Body| {
            let id = id_in(path)?;
            carry_out(shared, peer, |_| Ok(id), body, |id, ()| Ok(ask(id))).await
        };
        Self::command::<()>(path, summary, post(handler))
    }

    /// A command about the whole host.
    pub fn of_host<B: CommandBody>(
        path: &'static str,
        summary: &'static str,
        ask: fn(B) -> Result<Ask, String>,
    ) -> Self {
        let handler =
            async move |State(shared): State<Shared>, Extension(peer): Extension<Peer>, body: Body| {
                carry_out(shared, peer, |_| Ok(()), body, |(), body| ask(body)).await
            };
        Self::command::<B>(path, summary, post(handler))
    }

    fn command<B: CommandBody>(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Shared>,
    ) -> Self {
        Self {
            path,
            summary,
            parameters: Value::Null,
            body: B::described(),
            responses: openapi::changes,
            method: Method::POST,
            handler,
        }
    }

    /// The same with parameters besides those in the path.
    pub fn with_parameters(self, parameters: Value) -> Self {
        Self { parameters, ..self }
    }

    /// The same with other responses in the document.
    pub fn with_responses(self, responses: Responses) -> Self {
        Self { responses, ..self }
    }
}
