//! The pure rooms of Steadfast, `model` and `policy`, as a crate of their own: no dependency, no input or output. A change of
//! one of them rebuilds little, and they alone are optimised for the simulation.

#[path = "../model/mod.rs"]
pub mod model;
#[path = "../policy/mod.rs"]
pub mod policy;
