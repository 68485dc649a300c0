//! Of the last lines that a unit wrote itself: those that say most of why it fails.

/// Lines that are told.
const LINES: usize = 4;
/// Characters of a line.
const CHARACTERS: usize = 300;
/// Words that a line about a failure has, whoever wrote it.
const SIGNS: [&str; 20] = [
    "error",
    "exception",
    "fatal",
    "panic",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "failed",
    "failure",
    "denied",
    "refus",
    "timed out",
    "exited, ",
    "does not exist",
    "not loaded",
    "no such",
    "in use",
    "not found",
    "invalid",
];

/// Whether a line names a failure.
pub fn names_failure(line: &str) -> bool {
    let line = line.to_lowercase();
    SIGNS.iter().any(|sign| line.contains(sign))
}

/// The last lines that name a failure, and the very last line, oldest first; where none does, the last lines.
pub fn telling(lines: &[String]) -> Vec<String> {
    let written: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let signs: Vec<usize> =
        written.iter().enumerate().filter(|(_, line)| names_failure(line)).map(|(at, _)| at).collect();
    let mut chosen: Vec<usize> = if signs.is_empty() { (0..written.len()).collect() } else { signs };
    let last = written.len().saturating_sub(1);
    if !written.is_empty() && !chosen.contains(&last) {
        chosen.push(last);
    }
    let first = chosen.len().saturating_sub(LINES);
    let mut told: Vec<String> = Vec::new();
    for line in chosen.iter().skip(first).filter_map(|at| written.get(*at)) {
        let line = bounded(line);
        // What came in each try is said once, where it came last.
        told.retain(|known| *known != line);
        told.push(line);
    }
    told
}

fn bounded(line: &str) -> String {
    let harmless: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match harmless.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", harmless.get(..end).unwrap_or_default()),
        None => harmless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Vec<String> {
        telling(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_that_names_the_failure_is_told_and_the_last_one() {
        let lines = [
            "listening on 8080",
            "OSError: [Errno 98] Address already in use",
            "GET / 200",
            "GET / 200",
            "bye",
        ];
        assert_eq!(of(&lines), ["OSError: [Errno 98] Address already in use", "bye"]);
        assert_eq!(of(&["a", "b", "", "c", "d", "e"]), ["b", "c", "d", "e"]);
        assert_eq!(of(&["cannot bind", "cannot bind", "cannot bind"]), ["cannot bind"]);
        assert_eq!(of(&["cannot a", "failed b", "cannot a", "failed b"]), ["cannot a", "failed b"]);
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn a_line_is_short_and_harmless() {
        let long = "ä".repeat(1000);
        assert_eq!(of(&[&long])[0].chars().count(), CHARACTERS + 1);
        assert_eq!(of(&["a\u{1b}[31mb"]), ["a [31mb"]);
    }
}
