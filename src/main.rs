//! Arguments in, exit code out; the only place that exits.

fn main() {}
