//! Row 13: a file that is no file for Steadfast, however it is made, costs a few sentences and a moment.

use std::path::Path;
use std::time::{Duration, Instant};

use super::loader::spec_of_text;
use super::tests::scratch;
use crate::model::spec::Problem;

/// The largest file that is read.
const SIZE: usize = 64 * 1024;

fn problems(text: &str) -> Vec<Problem> {
    let (_root, directories) = scratch();
    let file = Path::new("/nowhere/shop.service.toml");
    // As little stack as the threads have that read files.
    let text = text.to_owned();
    let read = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || spec_of_text(file, &text, &directories).err().unwrap_or_default());
    read.expect("a thread").join().expect("it ends")
}

fn filled(part: &str) -> String {
    part.repeat(SIZE / part.len())
}

#[test]
fn row_13_no_text_makes_a_flood_of_problems_or_takes_long() {
    let ini = filled("[section]\nkey: value with words\nother = yes, no\n");
    let floods = [
        ("an INI file", ini),
        ("equal signs", filled("=")),
        ("brackets", filled("[")),
        ("braces", format!("a = {}", filled("{a="))),
        ("nested lists", format!("a = {}", filled("["))),
        ("dots", format!("{}b = 1", filled("a."))),
        ("tables in tables", format!("[{}b]", filled("a."))),
        ("the same table", filled("[a]\n")),
        ("the same key", filled("a=1\n")),
        ("lists of tables", filled("[[a]]\n")),
        ("an endless text", format!("a = \"\"\"{}", filled("x\n"))),
        ("a long key", format!("{} = 1", filled("a"))),
        ("a long value", format!("mode = \"{}\"", filled("a"))),
        ("escapes", format!("a = \"{}\"", filled("\\x"))),
        ("control characters", filled("\u{1b}")),
        ("quotes", filled("\"")),
        ("many unknown keys", (0..6000).map(|n| format!("k{n} = 1\n")).collect()),
        ("probes of no kind", (0..3000).map(|n| format!("[probe.p{n}]\n")).collect()),
        ("dotted keys that grow", (0..150).map(|n| format!("{}x = 1\n", "a.".repeat(n))).collect()),
    ];
    for (what, text) in floods {
        let began = Instant::now();
        let found = problems(&text);
        let took = began.elapsed();
        let size: usize = found.iter().map(|one| one.message.len() + one.rendered.len()).sum();
        println!("{what}: {} problems, {size} bytes, {took:?}", found.len());
        assert!(!found.is_empty(), "{what}");
        assert!(found.len() <= 10, "{what}: {} problems", found.len());
        assert!(size < 40_000, "{what}: {size} bytes");
        // Two cores, an unoptimised build, and whatever else runs: it takes milliseconds by itself.
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
    }
    let found = problems(&filled("[section]\nkey: value\n"));
    let last = &found.last().expect("ten problems").message;
    assert!(last.contains("more mistakes stand in it"), "{last}");
}

#[test]
fn row_13_a_long_line_is_told_by_its_part_around_the_mistake() {
    let found = problems(&format!("mode = \"observe\" {}", "=".repeat(4000)));
    let told = &found[0].rendered;
    assert!(told.len() < 1000 && told.contains("shop.service.toml:1:"), "{told}");
}
