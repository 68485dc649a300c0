//! Every word of the screen in plain English.

use crate::api::render::Look;
use crate::api::render::page::Page;
use crate::api::wire::State;

const KEYS: [(&str, &str); 16] = [
    ("up, down, k, j", "the line above, the line below; Home and End: the first and the last"),
    ("PgUp, PgDn", "scroll the explanation of the chosen unit"),
    ("Tab", "which part the arrows move: units, explanation, events"),
    ("Enter, Space, f", "list the units that are well, or fold them to one line"),
    ("/", "only units whose name contains what you type; Esc ends it"),
    ("s", "only units in one state: each press takes the next state, then all again"),
    ("l", "below: the journal of the chosen unit, or the events again"),
    ("r", "recover: start or restart the chosen unit now; asks first"),
    ("h", "hold: leave the chosen unit alone for a while; asks for how long and why"),
    ("R", "resume: end a hold or a quarantine; asks first"),
    ("a", "acknowledge the open incident: no reminders, no escalation; asks first"),
    ("mouse", "click a unit; the wheel scrolls what is under it"),
    ("Ctrl-L", "redraw the screen"),
    ("?", "this page"),
    ("Esc", "back"),
    ("q, Ctrl-C", "end"),
];

const STATES: [(State, &str); 8] = [
    (State::Ok, "all conditions hold"),
    (State::Down, "it does not run, or nobody can use it"),
    (
        State::Quarantined,
        "its restarts are spent: Steadfast tries again later, once, and a person should look",
    ),
    (State::Degraded, "it runs, and something about it is wrong"),
    (State::Unknown, "its state cannot be determined; nothing is restarted for that"),
    (State::Recovering, "Steadfast starts or restarts it, or waits for the proof that it works"),
    (State::Held, "left alone on purpose until a time: by a person's hold, or because a person stopped it"),
    (State::Disabled, "its file is switched off, with a reason and an end"),
];

const CONDITIONS: [(&str, &str); 7] = [
    ("Loaded", "systemd knows the unit and can use its file"),
    ("Active", "it runs"),
    ("Enabled", "it is set to start at boot"),
    ("Boot", "the next boot does start it: systemd was asked what it would do"),
    ("Release", "all of its processes run the release that is deployed, and no deleted or replaced files"),
    ("Serving", "its probes get good answers"),
    ("Progressing", "its queues are being drained"),
];

const EVENTS: [(&str, &str); 12] = [
    ("found", "something is wrong"),
    ("cleared", "it is right again"),
    ("decided", "what to do about it, or why nothing"),
    ("acted", "an order began"),
    ("outcome", "how a step of it ended"),
    ("told", "an alert was sent, or could not be"),
    ("notice", "settings, files, Steadfast itself"),
    ("deployed", "a release link leads elsewhere"),
    ("changed", "files, packages or settings of the host changed"),
    ("operated", "a person, a package manager or another unit started or stopped it"),
    ("ran", "it started or stopped by itself, or by Steadfast"),
    ("measured", "figures during trouble: what waits, what failed"),
];

const WORDS: [(&str, &str); 12] = [
    ("for 3m", "how long the unit has been in its state"),
    (
        "restart in 5s",
        "what Steadfast will do next and when; \"waits\": something keeps it back, and is named",
    ),
    ("not now", "what keeps the next order from being given"),
    ("because", "the finding that asks for it; docs/findings.md explains each code"),
    ("budget", "restarts within a time; when they are spent the unit is quarantined"),
    ("probe", "a question that is put to the service again and again"),
    ("queue", "work that waits for the unit: how much, and whether it moves"),
    ("incident", "a stretch of trouble from its first finding to its last, with a number"),
    ("drill", "a fault made on purpose, to test that it is found, repaired and alerted"),
    ("act, observe", "whether Steadfast acts on the unit, or only says what it would do"),
    ("critical, warning", "how bad trouble of the unit is"),
    ("explained by", "the trouble of another unit is the cause; nothing is restarted for it"),
];

/// The page.
#[must_use]
pub fn help(look: &Look) -> String {
    let mut page = Page::new(look);
    let list = |page: &mut Page<'_>, title: &str, words: &[(&str, &str)]| {
        page.heading(title);
        for (word, means) in words {
            page.labelled(&format!("  {word:<18} "), 21, means);
        }
    };
    list(&mut page, "KEYS", &KEYS);
    page.heading("STATES, the worst stand first");
    for (state, means) in STATES {
        let label = format!("  {} {:<16} ", look.sign(look.of_state(state)), state.as_str());
        page.labelled(&label, 21, means);
    }
    list(&mut page, "CONDITIONS", &CONDITIONS);
    list(&mut page, "EVENTS", &EVENTS);
    list(&mut page, "WORDS", &WORDS);
    page.heading("LAST HOURS");
    page.labelled("  ", 2, "The worst latency or depth of every two minutes, the newest at the right; in another colour beyond \
        the limit of the unit's file, a cross where an answer was wrong. Kept in memory: it begins again when Steadfast starts.");
    page.into_text()
}
