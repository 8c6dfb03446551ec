use http::HeaderValue;

use super::*;

fn of(values: &[&'static str]) -> Result<Option<WriteMode>, String> {
    let headers =
        values.iter().map(|value| (http::HeaderName::from_static(HEADER), HeaderValue::from_static(value)));
    asked(&headers.collect()).map_err(|error| error.code().as_str().to_owned())
}

#[test]
fn a_mode_is_one_of_three_words() {
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["primary"]), Ok(Some(WriteMode::Primary)));
    assert_eq!(of(&["quorum"]), Ok(Some(WriteMode::Quorum)));
    assert_eq!(of(&["all"]), Ok(Some(WriteMode::All)));
    for wrong in [&["ALL"][..], &[""], &["two"], &["all, primary"], &["all", "all"]] {
        assert_eq!(of(wrong), Err("InvalidArgument".to_owned()), "{wrong:?}");
    }
}
