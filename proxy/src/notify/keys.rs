//! Which keys a rule is about: those with a beginning and an end.

use percent_encoding::percent_decode_str;

/// What keys begin and end with; empty: anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct KeyFilter {
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl KeyFilter {
    pub(crate) fn matches(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && key.ends_with(&self.suffix)
    }

    /// Whether there can be a key that both match.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let prefixes = self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix);
        prefixes && (self.suffix.ends_with(&other.suffix) || other.suffix.ends_with(&self.suffix))
    }

    /// Whether it matches every key.
    pub(crate) fn is_empty(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }
}

/// What the value of a filter stands for: S3 has a space written as `+`, and special characters URL-encoded. What is no code
/// stands for itself; nothing where it is not text.
pub(crate) fn decoded(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(prefix: &str, suffix: &str) -> KeyFilter {
        KeyFilter { prefix: prefix.to_owned(), suffix: suffix.to_owned() }
    }

    /// Every text of up to `length` letters out of two.
    fn texts(length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..length {
            last = last.iter().flat_map(|text| [format!("{text}a"), format!("{text}b")]).collect();
            all.extend_from_slice(&last);
        }
        all
    }

    #[test]
    fn filters_overlap_if_there_is_a_key_for_both() {
        let (parts, keys) = (texts(2), texts(4));
        let of_all =
            || parts.iter().flat_map(|prefix| parts.iter().map(move |suffix| filter(prefix, suffix)));
        for (one, other) in of_all().flat_map(|one| of_all().map(move |other| (one.clone(), other))) {
            let key = keys.iter().find(|key| one.matches(key) && other.matches(key));
            assert_eq!(one.overlaps(&other), key.is_some(), "{one:?}, {other:?}, {key:?}");
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
        }
    }

    /// "Examples of valid (and invalid) notification configurations" of the user guide.
    #[test]
    fn overlaps_are_those_of_the_guide() {
        let table = [
            (filter("images/", "jpg"), filter("logs/", ""), false),
            (filter("images", ""), filter("logs", ""), false),
            (filter("", ".jpg"), filter("", ".png"), false),
            (filter("images", ".jpg"), filter("images", ".png"), false),
            (filter("images", ""), filter("images", ""), true),
            (filter("", "jpg"), filter("", "pg"), true),
            (filter("images", ""), filter("", "jpg"), true),
            (filter("images", "jpg"), filter("images/2026", ""), true),
            (filter("", ""), filter("images", "jpg"), true),
        ];
        for (one, other, expected) in table {
            assert_eq!(one.overlaps(&other), expected, "{one:?}, {other:?}");
        }
    }

    #[test]
    fn beginning_and_end_may_share_letters() {
        assert!(filter("aba", "aba").matches("aba"));
        assert!(!filter("audio/", ".ogg").matches("audio.ogg"));
    }

    #[test]
    fn values_are_decoded_as_s3_has_them_encoded() {
        let table = [
            ("images/", Some("images/")),
            ("a+b", Some("a b")),
            ("a%2Bb", Some("a+b")),
            ("%C3%A9t%c3%a9/", Some("été/")),
            ("été/", Some("été/")),
            ("100%", Some("100%")),
            ("%zz", Some("%zz")),
            ("%FF", None),
        ];
        for (value, expected) in table {
            assert_eq!(decoded(value).as_deref(), expected, "{value}");
        }
    }
}
