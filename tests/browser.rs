//! The page in a real Chromium, with a story behind it, which this installs where it is missing; tests/machine/browser.rs has a
//! daemon behind it.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking; the lint sees only functions that bear #[test]"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
const STORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/zoo.txt");

/// Cargo builds examples along with all tests, beside the programs; but not with this one alone.
#[track_caller]
fn stage() -> PathBuf {
    let stage = Path::new(env!("CARGO_BIN_EXE_steadfast")).with_file_name("examples").join("stage");
    let written = |file: &Path| fs::metadata(file).and_then(|file| file.modified()).ok();
    let made_of = fs::read_to_string(stage.with_extension("d")).unwrap_or_default();
    let newest = made_of.split_whitespace().skip(1).filter_map(|file| written(Path::new(file))).max();
    assert!(
        newest.is_some() && written(&stage) >= newest,
        "it is of other sources: cargo build --example stage"
    );
    stage
}

/// Runs a script of ours in the browser, which is installed first.
#[track_caller]
fn seen(script: &str, more: &[&str]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target");
    let folder = target.join("browser");
    let tools = Command::new(format!("{BROWSER}/tools.sh")).arg(&folder).status().expect("bash");
    assert!(tools.success(), "{tools}");
    let script = format!("{BROWSER}/{script}");
    let seen = Command::new("node").arg(script).arg(stage()).arg(STORY).arg(folder).args(more).status();
    assert!(seen.as_ref().is_ok_and(ExitStatus::success), "{seen:?}");
}

#[test]
fn every_page_is_fit_to_be_seen_by_all_and_asks_nobody_else() {
    seen("page.mjs", &[]);
}

#[test]
fn the_pictures_of_readme_can_be_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.png");
    seen("picture.mjs", &[page.to_str().expect("a path")]);
    let picture = fs::read(page).expect("a picture");
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 50_000, "{} bytes", picture.len());
    let top = Command::new(stage()).args(["svg", STORY, "shop.service"]).output().expect("the stage");
    let top = String::from_utf8_lossy(&top.stdout).into_owned();
    let kept = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures/top.svg"));
    assert!(
        top.starts_with("<svg") && top == kept.expect("a file"),
        "`make pictures` makes another one:\n{top}"
    );
}
