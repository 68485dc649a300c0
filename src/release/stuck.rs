//! Which threads still wait for a file system that does not answer, so that they stay few and are not sent there again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Weak;

use tokio::sync::Semaphore;

use crate::model::unit::UnitName;

/// Threads that may look at processes at once, those that hang included.
pub(super) const THREADS: usize = 16;
/// Of these, how many may hang before no further one is sent out: the rest stays for units that answer.
const HANGING: usize = 12;
/// Threads of one unit that may hang at once.
const HANGING_OF_UNIT: usize = 2;

/// One permit per thread, held until it ends.
pub(super) static PERMITS: Semaphore = Semaphore::const_new(THREADS);

/// Where a thread hangs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Where {
    /// While it followed the links of its unit.
    Links(UnitName),
    /// On a file system, by its `major:minor`.
    FileSystem(String),
    /// At this process, for a reason that its paths do not tell.
    Process(u32, i64),
}

/// What not to touch again as long as somebody hangs there.
#[derive(Clone, Debug, Default)]
pub(super) struct Avoid(pub BTreeSet<Where>);

#[derive(Debug)]
struct Hung {
    unit: UnitName,
    at: Where,
    /// Dead once the thread has ended.
    thread: Weak<()>,
}

thread_local! {
    // Only tasks of the one runtime thread come here; that is why it needs no lock.
    static HUNG: RefCell<Vec<Hung>> = const { RefCell::new(Vec::new()) };
}

/// Remembers a thread that does not answer.
pub(super) fn note(unit: &UnitName, at: Where, thread: Weak<()>) {
    HUNG.with_borrow_mut(|hung| {
        hung.push(Hung { unit: unit.clone(), at, thread });
    });
}

/// What to avoid now; `None` when too many hang for another thread to be sent out for this unit.
pub(super) fn avoid(unit: &UnitName) -> Option<Avoid> {
    HUNG.with_borrow_mut(|hung| {
        hung.retain(|one| one.thread.strong_count() > 0);
        let own = hung.iter().filter(|one| one.unit == *unit).count();
        (hung.len() < HANGING && own < HANGING_OF_UNIT)
            .then(|| Avoid(hung.iter().map(|one| one.at.clone()).collect()))
    })
}
