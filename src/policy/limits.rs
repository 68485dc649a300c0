//! Every number of the policy that no file configures, in one place.

use std::time::Duration;

/// `failed` and `inactive` are often passing states of systemd's own restart: they count after this long.
pub const DEATH_DEBOUNCE: Duration = Duration::from_millis(100);
/// A start or stop job, a reload, may take the unit's own timeout and this much more before it is called stuck.
pub const STUCK_SLACK: Duration = Duration::from_secs(10);
/// The timeout of a unit that names none for reloading, and of units that are not services.
pub const USUAL_TIMEOUT: Duration = Duration::from_secs(90);
/// systemd waits to restart a unit (`auto-restart`) for longer than this: worth telling.
pub const LONG_AUTO_RESTART: Duration = Duration::from_secs(300);
/// What ends by itself and well this soon after its start had nothing to do.
pub const AT_ONCE: Duration = Duration::from_secs(10);
/// Longer than any helper that the start of a daemon leaves behind for a while.
pub const DAEMON: Duration = Duration::from_secs(120);
/// When a window opens is worked out this often while something waits for it …
pub const WINDOW_KNOWN: Duration = Duration::from_secs(600);
/// … and is taken to be this far off where it is not known, or never.
pub const WINDOW_UNKNOWN: Duration = Duration::from_secs(3600);
/// systemd starts what another unit upholds (`Upholds=`) within this time.
pub const UPHELD: Duration = Duration::from_secs(15);
/// This many restarts by systemd within the window are a crash loop.
pub const CRASH_LOOP_RESTARTS: usize = 3;
pub const CRASH_LOOP_WINDOW: Duration = Duration::from_secs(300);
/// Restarts of a unit that are remembered.
pub const RESTARTS_REMEMBERED: usize = 16;

/// The service manager is away for longer than this: worth telling. Nothing is ordered from the first moment on.
pub const UNREACHABLE: Duration = Duration::from_secs(5);

/// A main process that a signal stopped is reported when it has stood still for this long: a person may look at it.
pub const HALTED: Duration = Duration::from_secs(60);
/// A unit without a release link is inspected this often (replaced binaries, leftovers).
pub const SLOW_INSPECTION: Duration = Duration::from_secs(600);
/// A run is looked at again this long after its start, and then whenever it has become twice as old.
pub const YOUNG_INSPECTION: Duration = Duration::from_secs(1);
/// While a process lives in an old release, what becomes of it (and of its workers) is looked at this often.
pub const STALE_INSPECTION: Duration = Duration::from_secs(2);
/// What is changed within this time of a start that followed a change is most likely changed by the start itself.
pub const OWN_CHANGE: Duration = Duration::from_secs(60);
/// An installer that is at work for so long is told: until it is done, it cannot be said what runs.
pub const LONG_UNSETTLED: Duration = Duration::from_secs(60);
/// While an installer is at work on what it runs, this often whether it is done.
pub const UNSETTLED: Duration = Duration::from_millis(500);
/// After a unit (re)started, the inspection waits this long for its workers.
pub const INSPECTION_DELAY: Duration = Duration::from_millis(200);
/// An inspection that does not answer is given up.
pub const INSPECTION_LIMIT: Duration = Duration::from_secs(10);
/// Before a start it is looked whether the program of the unit runs outside of it; for this long that is true …
pub const OUTSIDE_PERIOD: Duration = Duration::from_secs(10);
/// … and for this long the answer is awaited.
pub const OUTSIDE_LIMIT: Duration = Duration::from_secs(3);
/// What a person let go on again is started as asked, and what was stopped with another unit after that one: so long it is no
/// trouble that it is down.
pub const BIDDEN: Duration = Duration::from_secs(60);
/// A finding that costs a restart at once must be seen twice, this far apart.
pub const SECOND_LOOK: Duration = Duration::from_secs(1);

/// A directory that was deleted and made anew is still being filled until nothing was made in it for this long.
pub const REFILL: Duration = Duration::from_secs(10);

/// Whoever writes a unit file reloads the service manager soon: until then nothing is said of a file that is not loaded.
pub const UNLOADED: Duration = Duration::from_secs(20);

/// Between SIGTERM and SIGKILL for what an earlier run left, where the unit names no `TimeoutStopSec=`.
pub const SURVIVORS_END: Duration = Duration::from_secs(90);

/// Enablement of everything is asked afresh this often, besides the hints.
pub const ENABLEMENT_PERIOD: Duration = Duration::from_secs(600);
/// The boot prediction waits this long for further changes …
pub const BOOT_SETTLE: Duration = Duration::from_millis(300);
/// … and is renewed this often without any: it loads every unit of the host, and changes of files and of enablement ask for it.
pub const BOOT_PERIOD: Duration = Duration::from_secs(86_400);
/// A prediction that failed, as on a busy host, is made anew after this long, or after a quarter of the time since it failed first.
pub const BOOT_RETRY: Duration = Duration::from_secs(10);
pub const LONGEST_BOOT_RETRY: Duration = Duration::from_secs(3600);
pub const BOOT_LIMIT: Duration = Duration::from_secs(90);
/// A boot that is not finished after this long does not hold back our orders any more.
pub const LONGEST_BOOT: Duration = Duration::from_secs(600);

/// What is required and cannot be told holds back orders for what requires it this long.
pub const UNKNOWN_DEPENDENCY: Duration = Duration::from_secs(120);
/// A unit's trouble that began at most this long before that of what it requires is explained by it.
pub const REATTRIBUTION: Duration = Duration::from_secs(60);

/// Restarts by systemd that a probe may count.
pub const RESTARTS_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// Figures of a resource that are kept; after twice the time every second one.
pub const TREND_POINTS: usize = 120;
/// So many are needed to say that something grows …
pub const TREND_LEAST: usize = 30;
/// … by at least one part in so many of its limit …
pub const TREND_SHARE: u64 = 50;
/// … and that it will be at its limit, which is said at most this long ahead …
pub const TREND_AHEAD: Duration = Duration::from_secs(86_400);
/// … and at most so many times as long as it was seen to grow.
pub const TREND_REACH: u32 = 10;

/// Answers of which the median is taken …
pub const LATENCIES: usize = 15;
/// … after so many it is known what is usual …
pub const LATENCY_KNOWN: u32 = 30;
/// … learnt by one part in so many with each answer, and then unlearnt by one in so many.
pub const LATENCY_LEARNING: u32 = 8;
pub const LATENCY_INERTIA: u32 = 1024;
/// So many times the usual, and so much more, is slow.
pub const DRIFT: u32 = 3;
pub const DRIFT_LEAST: Duration = Duration::from_millis(100);

/// So many of the last answers are much slower than usual, all of them: it got slow.
pub const SLOW_ROW: usize = 5;

/// Answers of a probe that are remembered.
pub const WINDOW: usize = 60;
/// A probe fails too often when, of at least so many answers, one in so many was wrong …
pub const FLAKY: [(usize, usize); 3] = [(6, 2), (12, 3), (40, 5)];
/// … in so many stretches at least (one long stretch is an outage, and has its own finding), and until so many in a row were right.
pub const FLAKY_STRETCHES: usize = 3;
pub const FLAKY_CALM: usize = 10;
/// What cannot be asked is told after this long.
pub const UNASKED: Duration = Duration::from_secs(120);
/// A unit that has just become active is asked this often until it answers well …
pub const WARM_PERIOD: Duration = Duration::from_secs(1);
/// … for so long at most; wrong answers count no more often than at its usual period meanwhile.
pub const WARM_UP: Duration = Duration::from_secs(60);

/// A probe that does not answer is given up this long after its timeout.
pub const PROBE_SLACK: Duration = Duration::from_secs(5);
/// Samples of progress in a row that make a verdict …
pub const SAMPLES: u32 = 4;
/// … and answers that did not come, or told of a pause.
pub const UNANSWERED: u32 = 2;
/// While a recovery is proven, probes run this often.
pub const PROOF_PERIOD: Duration = Duration::from_millis(500);
/// … and sources of progress this often.
pub const PROOF_SAMPLES: Duration = Duration::from_secs(2);
/// A recovered unit must have been steady this long, or half of `verify_within` if that is less.
pub const STEADY: Duration = Duration::from_secs(5);

/// Orders under way at once, of the units of one user: restarts of which the smoke test or the job is awaited, and what may be
/// started when nothing is known yet of how starts go.
pub const ORDERS_AT_ONCE: usize = 4;
/// What may be started at once however well starts go: systemd works on them one by one.
pub const STARTS_AT_ONCE: usize = 128;
/// A start of which the job is done and that is up for so long went well, as far as the next starts are concerned.
pub const LIVES: Duration = Duration::from_secs(1);
/// So many starts may lack their proof at once before the first was proven; half as many more with each.
pub const UNPROVEN: usize = 32;
/// Who waits for room is told when there is some; besides, it looks this often.
pub const ROOM_LOOK: Duration = Duration::from_secs(5);
/// Units that we start or restart within this time …
pub const STORM_WINDOW: Duration = Duration::from_secs(300);
/// … are a storm if they are so many, or a quarter of those managed if that is more.
pub const STORM_LEAST: usize = 10;
/// In a storm, the next unit is tried this long after a burst of failures.
pub const STORM_PAUSE: Duration = Duration::from_secs(60);
/// A job may take the unit's own timeouts and this much more.
pub const JOB_SLACK: Duration = Duration::from_secs(15);
/// The longest that a job of a unit without timeout is awaited.
pub const LONGEST_JOB: Duration = Duration::from_secs(900);
/// An outcome that did not come is given up this long after the shell's own limit.
pub const LOST_OUTCOME: Duration = Duration::from_secs(10);
/// Between two questions for a slot that others have: at first, and at most.
pub const LOCK_BUSY: Duration = Duration::from_secs(2);
pub const LONGEST_LOCK_BUSY: Duration = Duration::from_secs(30);
/// The answer of a lock server is awaited for its own limit and this much more.
pub const LOCK_SLACK: Duration = Duration::from_secs(10);
/// A lock server that does not answer is told after this long.
pub const LOCK_AWAY: Duration = Duration::from_secs(60);
/// A smoke test waits for its turn, runs, and is ended, within twice its timeout and this much more.
pub const SMOKE_SLACK: Duration = Duration::from_secs(35);
/// A smoke test that could not be run, or did not answer, is tried again after this long.
pub const SMOKE_RETRY: Duration = Duration::from_secs(60);
/// The shell's own limit is 120 s.
pub const ENABLE_LIMIT: Duration = Duration::from_secs(125);
/// An order of our earlier life is taken up within this time of our start, or given up.
pub const LONGEST_RESUME: Duration = Duration::from_secs(300);
/// Orders of a unit that failed of which the release is remembered …
pub const FAILED_RELEASES: usize = 8;
/// … and so many of one release are enough: a link that is switched to it again brings nothing new.
pub const FAILING: usize = 2;
/// The first retry out of quarantine; doubled each time up to the longest.
pub const QUARANTINE: Duration = Duration::from_secs(600);
pub const LONGEST_QUARANTINE: Duration = Duration::from_secs(7200);

/// While a package manager works, it is looked at this often; a look that is older says nothing to an order.
pub const PACKAGES_PERIOD: Duration = Duration::from_secs(1);
/// After a package manager was at work, nothing is acted on for this long: what it restarts, it restarts itself.
pub const PACKAGES_SETTLE: Duration = Duration::from_secs(60);
/// One that holds its lock for longer than this (it waits for a person, most likely) holds back our orders no more.
pub const LONGEST_PACKAGES: Duration = Duration::from_secs(3600);
/// Word of the package manager that does not come is given up; the shell's own limit is 2 s.
pub const PACKAGES_LIMIT: Duration = Duration::from_secs(5);
/// The times of files are coarser than our clock by a few milliseconds.
pub const PACKAGES_SLACK: Duration = Duration::from_millis(100);
/// A job of somebody else this soon after a release link was switched is a deploy's.
pub const DEPLOY_SOON: Duration = Duration::from_secs(60);
/// After a sleep of the host, fresh readings are awaited no longer than this.
pub const LONGEST_REREADING: Duration = Duration::from_secs(60);

/// Saving is tried again after this long.
pub const SAVE_RETRY: Duration = Duration::from_secs(5);
/// While saving fails, the same sentence is not told again before this long.
pub const TELL_AGAIN: Duration = Duration::from_secs(60);
/// What limits our orders for a unit that no file selects any more is forgotten after this long.
pub const STRANGERS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A unit that no file manages any more and that is managed again by then (an editor replaced its file) keeps its incident.
pub const LEAVING: Duration = Duration::from_secs(60);
/// Events and closed incidents that are kept.
pub const EVENTS: usize = 512;
pub const INCIDENTS: usize = 500;
/// How often what an open incident is about may change and be told.
pub const INCIDENT_NEWS: usize = 50;
/// Lines of evidence in a finding, and characters in a line.
pub const EVIDENCE_LINES: usize = 12;
pub const EVIDENCE_CHARACTERS: usize = 300;
/// What changed before an incident that is told.
pub const CHANGES: usize = 12;
/// A close look at a sick unit is awaited this long; the shell's own limit is 4 s.
pub const EVIDENCE: Duration = Duration::from_secs(5);
/// One that is older is taken anew before a restart.
pub const EVIDENCE_FRESH: Duration = Duration::from_secs(300);
/// Lines of what we know that go with it.
pub const KNOWN_LINES: usize = 200;
/// More alerts than these that are due at once are told together.
pub const ALERTS_ALONE: usize = 3;
/// One of so many messages of a burst is left to what is critical.
pub const ALERTS_RESERVED: usize = 4;
/// Alerts in one message.
pub const ALERTS_TOGETHER: usize = 50;
/// The next try after so many in vain, one after the other: 5 s, doubled each time up to 5 min.
#[must_use]
pub fn alert_retry(failed: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(failed.saturating_sub(1)).saturating_mul(5).min(300))
}
/// A sink that fails for this long is told of by the others.
pub const UNDELIVERABLE: Duration = Duration::from_secs(60);
/// A delivery is given up this long after the sink's own limit.
pub const DELIVERY_SLACK: Duration = Duration::from_secs(5);
/// Figures of a trouble are told this often.
pub const MEASURED: Duration = Duration::from_secs(60);
/// Lines of what was done that an alert carries.
pub const DONE_LINES: usize = 8;
/// What ends by the wall clock is looked at this often.
pub const WALL_CLOCK: Duration = Duration::from_secs(60);
/// Drills of a unit that are remembered.
pub const DRILLS: usize = 8;
/// A drill is given up this much later than all that it waits for may take, and after this long in any case: whoever asked
/// for it is answered within ten minutes.
pub const DRILL_SLACK: Duration = Duration::from_secs(15);
pub const LONGEST_DRILL: Duration = Duration::from_secs(540);
/// An incident of the host that is open when we start is over if its finding did not come again by then.
pub const HOST_FOUND_AGAIN: Duration = Duration::from_secs(90);
/// Units that require a failing one and are named in its incident.
pub const DEPENDENTS_NAMED: usize = 8;
/// The first look over the host comes so long after our start: what boot starts shows by then what it is.
pub const FIRST_AUDIT: Duration = Duration::from_secs(120);
/// After a change of our own files, and after one that could not be had.
pub const AUDIT_SETTLE: Duration = Duration::from_secs(30);
pub const AUDIT_RETRY: Duration = Duration::from_secs(600);
/// A look is given up after this; the shell's own limits are shorter.
pub const AUDIT_LIMIT: Duration = Duration::from_secs(180);
/// Gaps that are kept, and those that one look tells of one by one.
pub const GAPS: usize = 500;
pub const GAPS_TOLD: usize = 30;

/// Nothing was heard of what an Alertmanager was told for so long: it is told again. It waits its turn among others.
pub const SILENCE_GIVEN_UP: Duration = Duration::from_secs(300);
/// A hold without an end is silenced for so long, again and again.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(24 * 3600);
/// What is left of a hold is too short for a silence: it would be over when it arrives.
pub const SHORTEST_SILENCE: Duration = Duration::from_secs(5);
/// A hold that ends so soon is a lease, which is renewed again and again …
pub const LEASE: Duration = Duration::from_secs(90);
/// … and told anew when what was told ends so soon.
pub const LEASE_LEFT: Duration = Duration::from_secs(25);

/// Hosts that are asked about what fails here.
pub const PEERS_ASKED: usize = 3;
