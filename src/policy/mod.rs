//! The verbs: pure functions on the model. `decide` routes, one file per concern decides.

pub mod releases;
