//! The status page: what people see, and what a browser is allowed.

use super::*;
use steadfast::api::render::text::clean;
use steadfast::api::render::{Look, explain};
use steadfast::api::wire::Time;
use steadfast::model::baseline::Head;
use steadfast::model::finding::{Finding, Severity};

/// A page without its markup, as a text browser shows it: what stands in elements, entities read.
fn text(page: &str) -> String {
    let main = page.split_once("<main").unwrap().1.split_once("<footer").unwrap().0;
    let mut shown = String::new();
    for part in main.split('<').skip(1) {
        shown.push_str(part.split_once('>').unwrap().1);
    }
    let spaces = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    spaces.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

async fn page(served: &Served, path: &str) -> (u16, String, String) {
    said(UnixStream::connect(served.socket()).await.unwrap(), &asking("GET", path, "")).await
}

/// How the page looks at a unit.
fn look(now: Time) -> Look {
    Look {
        now,
        zone: jiff::tz::TimeZone::UTC,
        colour: false,
        unicode: true,
        size: None,
        user: false,
        root: true,
    }
}

#[tokio::test]
async fn the_page_is_complete_without_script_and_tells_the_worst_first() {
    let mut story = pictures::zoo_and("", pictures::now());
    let served = Served::remembering(story.snapshot().clone(), Past::of(&story));
    let (status, head, body) = page(&served, "/").await;
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    let shown = text(&body);
    // Every unit is there, in the order of its gravity; who is explained by another stands behind it.
    let units = [
        "rabbitmq-server.service",
        "orders.service",
        "transcode@eu-west.service",
        "horizon.service",
        "billing.service",
        "shop.service",
        "report.service",
        "old-importer.service",
        "nginx.service",
        "postgresql@16-main.service",
    ];
    let places =
        units.map(|unit| body.find(&format!("href=\"units/{unit}\"")).unwrap_or_else(|| panic!("{unit}")));
    assert!(places.is_sorted(), "{places:?}");
    assert!(shown.contains("● 2 ok"), "{shown}");
    // Each count leads to what it counts.
    for anchor in body.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(body.contains(&format!("id=\"{anchor}\"")), "#{anchor} is nowhere");
    }
    // What was measured is drawn, and the limit of the queue with it.
    assert!(body.contains("class=\"graph\"") && body.contains("class=\"line\""), "graphs");
    let unit = served.client().unit("shop.service").await.unwrap();
    let recent = unit.probes[0].recent.as_ref().unwrap();
    assert_eq!((recent.every_s, recent.worst.iter().flatten().count() > 0), (120, true), "{recent:?}");
    assert!(
        served
            .client()
            .status()
            .await
            .unwrap()
            .units
            .iter()
            .all(|unit| unit.probes.iter().all(|one| one.recent.is_none()))
    );
    // Every link to a unit or an incident leads to a page.
    let links = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let links: BTreeSet<&str> =
        links.filter(|to| to.starts_with("units/") || to.starts_with("incidents/")).collect();
    assert!(links.len() > 12, "{links:?}");
    for to in links {
        assert_eq!(page(&served, &format!("/{to}")).await.0, 200, "{to}");
    }
    // Nothing comes from elsewhere, and nothing can be sent.
    for word in ["<form", "<input", "<button", "<img", "<iframe", "src=", " style=", "onclick"] {
        assert!(!body.contains(word), "{word}");
    }
}

#[tokio::test]
async fn the_page_and_explain_use_the_same_words() {
    let mut story = pictures::zoo_and("", pictures::now());
    let served = Served::remembering(story.snapshot().clone(), Past::of(&story));
    for name in ["shop.service", "orders.service", "transcode@eu-west.service", "report.service"] {
        let (_, _, body) = page(&served, &format!("/units/{name}")).await;
        let shown = text(&body);
        let now =
            body.split("id=\"asof\">as of <time datetime=\"").nth(1).unwrap().split('"').next().unwrap();
        let unit = served.client().unit(name).await.unwrap();
        let told = explain::explain(&look(Time::try_from(now.to_owned()).unwrap()), &unit);
        // Where it is and of which file stands otherwise at the head of the page.
        for line in told.lines().skip(3).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")) {
            let heading = line.chars().all(|letter| letter.is_ascii_uppercase() || letter == ' ');
            assert!(heading || shown.contains(&line), "{name}: the page does not say: {line}\n{shown}");
        }
    }
}

#[tokio::test]
async fn row_12_what_others_wrote_is_text_on_every_page() {
    let nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u{202e}evil\u{1b}[31m\u{0}";
    let mut story = pictures::zoo_and("", pictures::now());
    let mut snapshot = story.snapshot().clone();
    let mut unit = UnitStatus::clone(&snapshot.units[&"shop.service".into()]);
    unit.owner = Some(nasty.to_owned());
    unit.runbook = Some(format!("javascript:{nasty}"));
    unit.file = nasty.to_owned();
    unit.said = vec![nasty.to_owned()];
    unit.plan.blocked = Some(nasty.to_owned());
    unit.residents.iter_mut().for_each(|resident| resident.name = nasty.to_owned());
    unit.links.iter_mut().for_each(|link| link.link = nasty.to_owned());
    for seen in unit.probes.values_mut() {
        seen.last.as_mut().unwrap().1.message = nasty.to_owned();
    }
    unit.findings.iter_mut().for_each(|finding| finding.evidence.push(nasty.to_owned()));
    unit.conditions.iter_mut().for_each(|condition| condition.message = nasty.to_owned());
    snapshot.units.insert("shop.service".into(), Arc::new(unit));
    snapshot.host.name = nasty.to_owned();
    for incident in &mut snapshot.incidents {
        incident.summary = nasty.to_owned();
        incident.evidence = vec![nasty.to_owned()];
    }
    snapshot.events = snapshot
        .events
        .iter()
        .cloned()
        .map(|mut event| {
            event.message = nasty.to_owned();
            event
        })
        .collect();
    snapshot.findings.push(Finding {
        evidence: vec![nasty.to_owned()],
        repair: Some(nasty.to_owned()),
        code: Code::StrayProcess,
        subject: String::new(),
        severity: Severity::Warning,
        message: nasty.to_owned(),
        since: snapshot.at,
        early: false,
    });
    let served = Served::remembering(snapshot, Past::of(&story));
    for path in [
        "/",
        "/units/shop.service",
        "/incidents/8",
        "/units/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/incidents/x%3Cb%3E",
    ] {
        let (_, _, body) = page(&served, path).await;
        let inside = body.split_once("<body>").unwrap().1;
        let scripts = inside.matches("<script").count();
        assert_eq!(scripts, 1, "{path}: only our own");
        for word in [
            "<img",
            "onerror=alert(2)>&amp;\u{202e}",
            "href=\"javascript:",
            "x<b>",
            "\u{202e}",
            "\u{1b}",
            "\u{0}",
        ] {
            assert!(!inside.contains(word), "{path}: {word:?}");
        }
    }
    let (_, _, body) = page(&served, "/units/shop.service").await;
    assert!(text(&body).contains(&clean(nasty)), "it is shown as what it is");
}

#[tokio::test]
async fn a_name_that_is_mistyped_is_answered_with_the_unit_that_is_meant() {
    let served = Served::new(pictures::zoo(pictures::now()));
    let (status, _, body) = page(&served, "/units/horizn.service").await;
    assert_eq!(status, 404, "{body}");
    let shown = text(&body);
    assert!(shown.contains("cannot find unit horizn.service: not managed by Steadfast"), "{shown}");
    assert!(shown.contains("Did you mean horizon.service?"), "{shown}");
    assert!(body.contains("href=\"../units/horizon.service\""), "it leads there: {body}");
    let (status, _, body) = page(&served, "/units/nope.service").await;
    assert_eq!((status, text(&body).contains("Did you mean")), (404, false), "{body}");
}

#[tokio::test]
async fn baselines_are_listed_where_there_are_any_and_missed_where_they_cannot_be_read() {
    let mut story = pictures::zoo_and("", pictures::now());
    let snapshot = story.snapshot().clone();
    let taken = |name: &str, hours: i64, before: Option<&str>| Head {
        name: name.to_owned(),
        taken_ms: pictures::now().wall_ms - hours * 3_600_000,
        by: "anna<b> (uid 1000)".to_owned(),
        before: before.map(str::to_owned),
        ..Head::default()
    };
    let mut past = Past::of(&story);
    past.baselines = vec![taken("apt-7", 2, Some("apt")), taken("before-the-move", 50, None)];
    let served = Served::remembering(snapshot.clone(), past);
    let shown = text(&page(&served, "/").await.2);
    assert!(shown.contains("2 baselines, the newest 2h"), "{shown}");
    assert!(shown.contains("by anna<b> (uid 1000), before apt: steadfast baseline diff apt-7"), "{shown}");
    assert!(shown.contains("steadfast baseline diff before-the-move"), "{shown}");
    let mut unread = Past::of(&story);
    unread.unread = Some("no answer from the disk".to_owned());
    let shown = text(&page(&Served::remembering(snapshot.clone(), unread), "/").await.2);
    assert!(shown.contains("the baselines are not known: cannot read the history: no answer"), "{shown}");
    let served = Served::remembering(snapshot, Past::of(&story));
    assert!(!page(&served, "/").await.2.contains("baseline"), "nothing is said of none");
}

#[tokio::test]
async fn a_thousand_units_are_a_short_page() {
    let zoo = pictures::zoo(pictures::now());
    let mut snapshot = pictures::only(&["horizon.service"], zoo.clone());
    let names = (0..1000).map(|n| format!("worker@{n:04}.service"));
    snapshot.units.extend(names.map(|name| (name.as_str().into(), pictures::well(&name, &zoo))));
    let served = Served::new(snapshot.clone());
    let (_, _, body) = page(&served, "/").await;
    assert!(body.len() <= 150 * 1024, "{} bytes", body.len());
    assert_eq!(body.matches("href=\"units/worker@").count(), 1000, "each is named");
    // All of them are down: still a page that is read.
    let down = &zoo.units[&"rabbitmq-server.service".into()];
    for n in 0..1000 {
        let name = format!("worker@{n:04}.service");
        let unit = UnitStatus { unit: name.as_str().into(), ..UnitStatus::clone(down) };
        snapshot.units.insert(name.as_str().into(), Arc::new(unit));
    }
    let served = Served::new(snapshot);
    let (_, _, body) = page(&served, "/").await;
    assert!(body.len() <= 250 * 1024, "{} bytes", body.len());
    assert_eq!(body.matches("href=\"units/worker@").count(), 1000, "each is named");
}

#[tokio::test]
async fn listen_gives_every_answer_with_rules_and_none_under_a_strangers_name() {
    let mut story = pictures::zoo_and("", pictures::now());
    let served = Served::new(story.snapshot().clone());
    let (recall, history) = mpsc::channel(8);
    tokio::spawn(Past::of(&story).answer(history));
    let (ask, _asked) = mpsc::channel(1);
    let address = free_address();
    let _reading = tokio::spawn(serve_reading(served.snapshots.subscribe(), ask, recall, served.socket()));
    served.snapshots.send_modify(|snapshot| snapshot.listen = Some(address));
    let document = served.ask("GET", "/v1/openapi.json", "").await.1;
    let paths = document["paths"].as_object().unwrap();
    let mut asked = 0;
    for path in paths.keys().map(String::as_str).chain([
        "/nowhere",
        "/units/nobody",
        "/incidents/999",
        "/favicon.ico",
    ]) {
        let path = path.replace("{unit}", "shop.service").replace("{id}", "8");
        let (status, head, _) = said(connect(address).await, &asking("HEAD", &path, "")).await;
        assert!(status < 500, "{path}: {status}");
        for rule in [
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "content-security-policy: default-src 'none'",
            "frame-ancestors 'none'",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(rule), "{path} has no {rule}: {head}");
        }
        let foreign = format!("HEAD {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let (status, head, _) = said(connect(address).await, &foreign).await;
        assert_eq!(status, 421, "{path}: {head}");
        assert!(head.contains("nosniff"), "{head}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
    // Style and script are those that the policy names: another hash would leave the page bare.
    let (_, head, body) = said(connect(address).await, &asking("GET", "/", "")).await;
    for (element, source) in [("style", "style-src"), ("script", "script-src")] {
        let inside = body.split_once(&format!("<{element}>")).unwrap().1;
        let inside = inside.split_once(&format!("</{element}>")).unwrap().0;
        assert!(!inside.contains("</"), "nothing ends the {element} early");
        assert!(head.contains(&format!("{source} 'sha256-")), "{head}");
    }
}

#[tokio::test]
async fn journal_lines_are_shown_at_listen_only_where_the_settings_allow_it() {
    let mut story = pictures::zoo_and("", pictures::now());
    let mut snapshot = story.snapshot().clone();
    let mut unit = UnitStatus::clone(&snapshot.units[&"shop.service".into()]);
    unit.said = vec!["password rejected for anna".to_owned()];
    snapshot.units.insert("shop.service".into(), Arc::new(unit));
    let address = free_address();
    snapshot.listen = Some(address);
    let served = Served::new(snapshot);
    let (recall, history) = mpsc::channel(8);
    tokio::spawn(Past::of(&story).answer(history));
    let (ask, _asked) = mpsc::channel(1);
    let _reading = tokio::spawn(serve_reading(served.snapshots.subscribe(), ask, recall, served.socket()));
    let read = async |path: &str| {
        let stream = connect(address).await;
        said(stream, &asking("GET", path, "")).await.2
    };
    let paths = ["/units/shop.service", "/v1/units/shop.service", "/", "/v1/status"];
    for path in paths {
        assert!(!read(path).await.contains("password rejected"), "{path}");
    }
    assert!(page(&served, "/").await.2.contains("password rejected"), "readers of the socket may");
    served.snapshots.send_modify(|snapshot| snapshot.log_lines = true);
    // What many read may be half a second old.
    for path in paths {
        let shown = async {
            while !read(path).await.contains("password rejected") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(timeout(SOON, shown).await.is_ok(), "{path}");
    }
}
