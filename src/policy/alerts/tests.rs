//! The patterns of `match`.

use super::due::matches;

#[test]
fn a_star_stands_for_any_number_of_characters() {
    for text in ["web-", "web-1", "web-1.service", "web-é"] {
        assert!(matches("web-*", text), "{text}");
    }
    for (pattern, text) in
        [("*", ""), ("*", "x"), ("**", "x"), ("*.service", ".service"), ("a*b*c", "abbcbc")]
    {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("web-*", "web"), ("*.service", "web.timer"), ("a*b*c", "acb"), ("a*b*c", "abcd")]
    {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn a_question_mark_stands_for_one_character() {
    for (pattern, text) in [("web?", "web1"), ("web?", "webé"), ("?*", "a"), ("w??1", "web1")] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("web?", "web"), ("web?", "web12"), ("?", ""), ("?*", "")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn the_whole_text_must_fit_and_every_other_character_stands_for_itself() {
    for (pattern, text) in [("", ""), ("web", "web"), ("a.c", "a.c"), ("[ab]", "[ab]")] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in
        [("", "x"), ("web", "web1"), ("web", "myweb"), ("web", "Web"), ("a.c", "abc"), ("[ab]", "a")]
    {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}
