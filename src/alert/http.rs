//! One POST, and whether it was accepted.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, RequestBuilder, Response, Url, redirect};
use serde::{Deserialize, Serialize};

use crate::tls;

use super::{blocking, failure, text};

/// Longest part of an answer that is read.
const ANSWER: usize = 4096;
/// How long the words of a refusal are waited for, when the refusal itself is known.
const WORDS: Duration = Duration::from_secs(1);
/// Longest host in a message, in characters.
const HOST: usize = 120;
/// Shortest part of a secret URL that is struck out of answers by itself.
const PART: usize = 6;

/// Who sends.
pub const USER_AGENT: &str = concat!("steadfast/", env!("CARGO_PKG_VERSION"));

/// What proves who we are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Login {
    None,
    Bearer(String),
    Basic { user: String, password: String },
}

/// What is sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    pub url: String,
    pub content_type: String,
    pub headers: Vec<(String, String)>,
    pub login: Login,
    /// Struck out of answers, besides the login and the URL.
    pub secret: Option<String>,
    pub body: String,
}

/// Never with what is secret.
impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Login")
    }
}

/// The same: its URL may be one.
impl fmt::Debug for Post {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Post").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Sends it; 2xx is delivered, redirects are not followed.
///
/// # Errors
/// One clause that names the server, never the path of the URL, which may be a secret.
pub async fn post(post: Post) -> Result<(), String> {
    exchange(Method::POST, post, 0).await.map(drop)
}

/// The same in another way than by POST, and so many bytes of what is answered.
///
/// # Errors
/// As for `post`; the answer is longer.
pub async fn exchange(method: Method, post: Post, most: usize) -> Result<Vec<u8>, String> {
    // What the library says is left out: it may quote the URL.
    let url = Url::parse(&post.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("it has no http:// or https:// URL")?;
    let shown = shown(&url);
    let plain = url.scheme() == "http";
    let client = client(plain).await.map_err(|why| format!("{shown}: {why}"))?;
    let secret = post.secret.clone();
    let request = request(client.request(method, url), post)
        .map_err(|why| format!("{shown}: cannot make the request, {why}"))?;
    let secrets = secrets(&request, secret);
    let response =
        client.execute(request).await.map_err(|error| format!("{shown}: {}", failure::why(&error)))?;
    let status = response.status();
    if status.is_success() && most == 0 {
        return Ok(Vec::new());
    }
    if status.is_success() {
        let body = beginning(response, most.saturating_add(1)).await;
        return if body.len() > most { Err(format!("{shown} answered more than is read")) } else { Ok(body) };
    }
    if status.is_redirection() {
        return Err(format!("{shown} answered {}, a redirect, which is not followed", status.as_u16()));
    }
    let words = tokio::time::timeout(WORDS, beginning(response, ANSWER)).await.unwrap_or_default();
    Err(format!("{shown} answered {}, {}", status.as_u16(), text::quoted(&words, &secrets)))
}

/// Scheme, host and port.
fn shown(url: &Url) -> String {
    let host = text::line(url.host_str().unwrap_or_default(), HOST);
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = if url.path() == "/" && url.query().is_none() { "" } else { "/…" };
    format!("{}://{host}{port}{path}", url.scheme())
}

/// A client for this one request: no connection, address or certificate outlives it.
async fn client(plain: bool) -> Result<Client, String> {
    let build = move || {
        tls::init();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .redirect(redirect::Policy::none());
        // A host may have no certificates; then plain HTTP works all the same.
        if plain { builder.tls_certs_only([]).build() } else { builder.build() }
    };
    let built = if plain { build() } else { blocking::call(build).await? };
    built.map_err(|error| format!("cannot prepare the request, {}", failure::why(&error)))
}

fn request(builder: RequestBuilder, post: Post) -> Result<Request, String> {
    let mut builder = builder.header(reqwest::header::CONTENT_TYPE, post.content_type);
    for (name, value) in post.headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| format!("{name} is no header"))?;
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name} is no header"))?;
        builder = builder.header(header, value);
    }
    builder = match post.login {
        Login::None => builder,
        Login::Bearer(token) => builder.bearer_auth(token),
        Login::Basic { user, password } => builder.basic_auth(user, Some(password)),
    };
    builder.body(post.body).build().map_err(|error| failure::why(&error))
}

/// What a server may send back of what we sent, and nobody shall read: the URL, parts of it, and what proves who we are.
fn secrets(request: &Request, secret: Option<String>) -> Vec<String> {
    let url = request.url();
    let mut secrets = vec![url.to_string(), url.path().to_owned()];
    let parts = url.path().split('/').chain(url.query().unwrap_or_default().split(['&', '=']));
    secrets.extend([url.username(), url.password().unwrap_or_default()].map(str::to_owned));
    secrets.extend(parts.filter(|part| part.len() >= PART).map(str::to_owned));
    let proof = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    secrets.extend(secret);
    secrets.extend(proof.and_then(|value| value.split_once(' ')).map(|(_, proof)| proof.to_owned()));
    // The path of a bare host is no secret.
    secrets.retain(|secret| secret != "/");
    secrets
}

async fn beginning(mut response: Response, most: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = most.saturating_sub(read.len());
        read.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() >= room {
            break;
        }
    }
    read
}
