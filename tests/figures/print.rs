//! `make figures`: prints the figures of this tree, or of the one whose folder is the argument.

#[path = "mod.rs"]
#[expect(dead_code, reason = "only tests/tidy.rs asks for single figures")]
mod figures;

use std::io::Write;
use std::path::PathBuf;

use figures::Figures;

fn main() -> Result<(), String> {
    let here = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = std::env::args_os().nth(1).map_or_else(here, PathBuf::from);
    let table = Figures::of(&root)?.table();
    std::io::stdout().write_all(table.as_bytes()).map_err(|why| why.to_string())
}
