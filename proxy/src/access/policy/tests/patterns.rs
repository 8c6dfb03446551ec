//! Wildcards against a plain, slow matcher.

use super::super::pattern::Syntax;
use super::*;

fn matches(pattern: &str, text: &str, case: Case) -> bool {
    let syntax = Syntax { wildcards: true, variables: false };
    Pattern::parse(pattern, syntax).unwrap().matches_alone(text, case)
}

/// Says what wildcards mean, without care for time.
fn plainly(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|skipped| plainly(rest, &text[skipped..])),
        (['?', pattern @ ..], [_, text @ ..]) => plainly(pattern, text),
        ([one, pattern @ ..], [other, text @ ..]) => one == other && plainly(pattern, text),
        _ => false,
    }
}

/// All texts over the letters, up to that length.
fn texts(letters: &[char], chars_max: usize) -> Vec<Vec<char>> {
    let mut all = vec![Vec::new()];
    let mut begin = 0;
    for _ in 0..chars_max {
        let end = all.len();
        for index in begin..end {
            for letter in letters {
                let mut longer = all[index].clone();
                longer.push(*letter);
                all.push(longer);
            }
        }
        begin = end;
    }
    all
}

#[test]
fn every_short_pattern_matches_as_the_plain_matcher_says() {
    let found = texts(&['a', 'b'], 6);
    for pattern in texts(&['a', 'b', '*', '?'], 5) {
        let written: String = pattern.iter().collect();
        for text in &found {
            let text_written: String = text.iter().collect();
            let matched = matches(&written, &text_written, Case::Exact);
            assert_eq!(matched, plainly(&pattern, text), "{written:?} {text_written:?}");
        }
    }
}

#[test]
fn runs_longer_than_a_word_of_bits_are_found() {
    for chars in [1, 63, 64, 65, 127, 128, 129, 300] {
        let run = "ab?".repeat(chars).chars().take(chars).collect::<String>();
        let fitting = run.replace('?', "x");
        for before in ["", "a", "ab", "abxab"] {
            assert!(
                matches(&format!("*{run}*"), &format!("{before}{fitting}zz"), Case::Exact),
                "{chars} {before}"
            );
        }
        let broken = format!("{}c", &fitting[..chars - 1]);
        let last_is_free = run.ends_with('?');
        assert_eq!(
            matches(&format!("*{run}*"), &format!("q{broken}q"), Case::Exact),
            last_is_free,
            "{chars}"
        );
        assert!(!matches(&format!("*{run}*"), &fitting[..chars - 1], Case::Exact), "{chars}");
    }
}

#[test]
fn case_is_ignored_in_all_scripts() {
    for (pattern, text, same) in [
        ("*ÄB*", "xäbx", true),
        ("ΣΑ", "σα", true),
        ("straße", "STRASSE", false),
        ("İ", "İ", true),
        ("*K*", "\u{212a}", true),
    ] {
        assert_eq!(matches(pattern, text, Case::Ignored), same, "{pattern} {text}");
        assert!(pattern == text || !matches(pattern, text, Case::Exact), "{pattern} {text}");
    }
}
