//! What surrounds every page: head, style, script, and the rules that a browser is given with it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use super::html::clock;
use super::to_unit;
use crate::api::render::Look;
use crate::api::render::text::clean;
use crate::api::wire::State;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// `Content-Security-Policy`: nothing but our own style and script, asked of nobody but us, in no frame.
pub fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        )
    });
    &POLICY
}

/// A page without its content.
#[derive(Debug)]
pub struct Shell<'a> {
    pub look: &'a Look,
    /// From here to `/`: empty, or `../`. Pages may be served below any path.
    pub root: &'a str,
    pub title: &'a str,
    /// The tab shows it.
    pub state: State,
    /// What stands above the content.
    pub head: Markup,
}

impl Shell<'_> {
    /// The whole document.
    pub fn around(&self, content: &Markup) -> String {
        let root = self.root;
        let home = if root.is_empty() { "./" } else { root };
        let page = html! {
            (DOCTYPE)
            html lang="en" data-root=(root) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) " · Steadfast" }
                    link rel="icon" href=(icon(self.state));
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header #head {
                        div #title { (self.head) }
                        p #live { span #word role="status" {} span #age {} span #asof { "as of " (clock(self.look, self.look.now)) } }
                    }
                    main #main tabindex="-1" { (content) }
                    footer {
                        p {
                            a href=(home) { "Overview" } " · "
                            a href=(format!("{root}v1/status")) { "JSON" } " · "
                            a href=(format!("{root}metrics")) { "metrics" } " · "
                            a href=(format!("{root}v1/openapi.json")) { "API" }
                        }
                        p.f {
                            "Steadfast " (env!("CARGO_PKG_VERSION")) ". Times are " (zone(self.look))
                            ". This page only shows; to act: " code { (self.look.program()) " recover UNIT" } ", "
                            code { (self.look.program()) " hold UNIT" } "."
                        }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

fn zone(look: &Look) -> String {
    let now = look.now.timestamp().to_zoned(look.zone.clone());
    now.strftime("%Z (UTC%:z)").to_string()
}

/// A page that says why there is none.
pub fn refused(look: &Look, root: &str, sentence: &str) -> String {
    none(look, root, &html! { p.why { (clean(sentence)) } })
}

/// The same of a unit that is not managed, with the one that may be meant.
pub fn no_unit(look: &Look, sentence: &str, near: Option<&str>) -> String {
    let root = "../";
    let said = html! {
        p.why { (clean(sentence)) }
        @if let Some(near) = near { p { "Did you mean " a.unit href=(to_unit(root, near)) { (clean(near)) } "?" } }
    };
    none(look, root, &said)
}

fn none(look: &Look, root: &str, said: &Markup) -> String {
    let head = html! { h1 { a href=(if root.is_empty() { "./" } else { root }) { "Steadfast" } } };
    let shell = Shell { look, root, title: "not found", state: State::Unknown, head };
    shell.around(&html! { section { (said) } })
}

/// A dot in the colour of the state, drawn by the address itself.
fn icon(state: State) -> String {
    let colour = match state {
        State::Ok => "2f9e44",
        State::Degraded | State::Unknown => "e8a200",
        State::Down => "d6303a",
        State::Recovering => "1098ad",
        State::Held | State::Disabled => "6b7aa1",
        State::Quarantined => "ae3ec9",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}
