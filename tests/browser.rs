//! The page in a real Chromium, with a story behind it, which this installs where it is missing; tests/machine/browser.rs has a
//! daemon behind it.

use std::path::{Path, PathBuf};
use std::process::Command;

const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
const STORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/zoo.txt");

/// Cargo builds examples with the tests, beside the programs.
fn stage() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_steadfast")).with_file_name("examples").join("stage")
}

#[test]
fn every_page_is_fit_to_be_seen_by_all_and_asks_nobody_else() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target");
    let folder = target.join("browser");
    let tools = Command::new(format!("{BROWSER}/tools.sh")).arg(&folder).status().expect("bash");
    assert!(tools.success(), "{tools}");
    let script = format!("{BROWSER}/page.mjs");
    let seen = Command::new("node").arg(script).arg(stage()).arg(STORY).arg(folder).status().expect("node");
    assert!(seen.success(), "{seen}");
}
