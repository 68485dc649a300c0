//! What a unit may read of everything else while it judges and acts.

use crate::model::moment::Moment;
use crate::policy::host::Host;
use crate::policy::incidents::Incidents;
use crate::policy::packages::Packages;
use crate::policy::peers::Peers;
use crate::policy::releases::History;
use crate::policy::storm::Storm;

/// The rest of the state, for reading only.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub now: Moment,
    pub host: &'a Host,
    pub peers: &'a Peers,
    pub incidents: &'a Incidents,
    pub packages: &'a Packages,
    pub storm: &'a Storm,
    /// The number that the next order gets.
    pub next_order: u64,
    /// Where release links led.
    pub links: &'a History,
}
