//! What clients named, as an answer may show it.
//!
//! Keys may have characters for which XML 1.0 has no place, not even as a reference; s3s refuses to write them, and one such key
//! would make every listing that meets it fail. As elsewhere in this field they are shown as U+FFFD; `encoding-type=url` shows
//! them as they are.

/// The text, with U+FFFD for what XML cannot show.
pub(super) fn shown(text: String) -> String {
    if text.chars().all(is_shown) {
        return text;
    }
    text.chars().map(|one| if is_shown(one) { one } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// The same in place.
pub(super) fn show(text: &mut Option<String>) {
    *text = text.take().map(shown);
}

/// `Char` of XML 1.0, section 2.2.
fn is_shown(one: char) -> bool {
    matches!(one, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_show_is_replaced_and_all_else_is_kept() {
        assert_eq!(
            shown("a\0b\u{1}\u{b}\u{1f}\u{fffe}\u{ffff}".to_owned()),
            "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        let kept = "a/é \t\r\n\u{7f}\u{fffd}\u{1f600}";
        assert_eq!(shown(kept.to_owned()), kept);
    }
}
