//! What a file has root run or read: its ownership, as a mistake of that file.

use std::ops::Range;
use std::path::Path;

use crate::ownership;

use super::diagnose::Mistake;

/// The program of the command that stands there belongs to somebody who may decide what is done.
pub fn command(argv: &[String], span: Range<usize>, owner: u32) -> Result<(), Mistake> {
    let Some(program) = argv.first() else {
        return Ok(());
    };
    ownership::check(Path::new(program), owner)
        .map_err(|why| Mistake::at(span, format!("cannot run {program}: {why}")))
}
