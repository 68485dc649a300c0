//! The order of units in a table.

use std::cmp::{Ordering, Reverse};

use super::overview::since;
use crate::api::wire::Unit;

/// In which order units stand in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// Worst state first
    #[default]
    State,
    /// By name
    Name,
    /// Latest change of state first
    Changed,
    /// Most restarts first
    Restarts,
}

impl Sort {
    /// The units in this order.
    #[must_use]
    pub fn sorted(self, units: &[Unit]) -> Vec<&Unit> {
        let mut units: Vec<&Unit> = units.iter().collect();
        let restarts = |unit: &Unit| (unit.restarts.spent, unit.n_restarts.unwrap_or(0));
        let worst = |unit: &Unit| Reverse(unit.state.rank());
        units.sort_by(|one, other| {
            let order = match self {
                Self::State => worst(one).cmp(&worst(other)),
                Self::Name => Ordering::Equal,
                Self::Changed => since(other).map(|at| at.0).cmp(&since(one).map(|at| at.0)),
                Self::Restarts => restarts(other).cmp(&restarts(one)),
            };
            order.then_with(|| one.unit.cmp(&other.unit))
        });
        units
    }
}
