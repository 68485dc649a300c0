//! What people read: pure functions from the wire's picture to text. Those that the page needs as well are in `api::render`.

pub mod adopt;
pub mod audit;
pub mod baseline;
mod plugin;
pub mod probes;

pub use plugin::plugin;

pub use crate::api::render::{
    Look, Sort, Table, details, drill, explain, grid, incidents, overview, overview_of, page, radius, spans,
    style, text,
};
