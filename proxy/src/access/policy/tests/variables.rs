//! Policy variables.

use super::*;

fn reads(resource: &str, key: &'static str, facts: &[(&str, &str)]) -> bool {
    let policy = allow_all(&format!(r#""Action": "s3:*", "Resource": "arn:aws:s3:::photos/{resource}""#));
    let request =
        facts.iter().fold(Request::anonymous("s3:GetObject", Some(key)), |request, (key, value)| {
            request.with(key, value)
        });
    request.verdict(&policy) != Verdict::Silent
}

#[test]
fn variables_take_the_value_of_the_request() {
    let ada = [("aws:username", "ada")];
    assert!(reads("home/${aws:username}/*", "home/ada/x", &ada));
    assert!(reads("home/${AWS:UserName}/*", "home/ada/x", &ada));
    assert!(!reads("home/${aws:username}/*", "home/bob/x", &ada));
    assert!(reads("${jwt:app_metadata.Tenant}/*", "t1/x", &[("jwt:app_metadata.Tenant", "t1")]));
    assert!(reads("${aws:PrincipalTag/Team}/*", "red/x", &[("aws:principaltag/Team", "red")]));
}

#[test]
fn a_value_never_acts_as_wildcard_or_variable() {
    assert!(!reads("home/${aws:username}/*", "home/ada/x", &[("aws:username", "*")]));
    assert!(reads("home/${aws:username}/*", "home/*/x", &[("aws:username", "*")]));
    assert!(!reads("home/${aws:username}", "home/a", &[("aws:username", "?")]));
    let nested = [("aws:username", "${aws:userid}"), ("aws:userid", "ada")];
    assert!(!reads("home/${aws:username}/*", "home/ada/x", &nested));
}

#[test]
fn a_variable_without_a_value_equals_nothing() {
    assert!(!reads("home/${aws:username}/*", "home//x", &[]));
    assert!(!reads("home/${aws:username}/*", "home/${aws:username}/x", &[]));
    let unlike = r#"{"StringNotEquals": {"s3:prefix": "${aws:username}"}}"#;
    assert!(condition_holds(unlike, &[("s3:prefix", "ada")]), "nothing is equal to no value");
    let like = r#"{"StringLike": {"s3:prefix": "${aws:username}*"}}"#;
    assert!(!condition_holds(like, &[("s3:prefix", "ada")]));
}

#[test]
fn variables_may_have_defaults_and_escapes() {
    assert!(reads("${aws:username, 'nobody'}/*", "nobody/x", &[]));
    assert!(reads("${aws:username, 'nobody'}/*", "ada/x", &[("aws:username", "ada")]));
    assert!(reads("${aws:username,'it''s'}/*", "it's/x", &[]));
    assert!(reads("a${*}", "a*", &[]));
    assert!(!reads("a${*}", "ab", &[]));
    assert!(reads("a${?}${$}{b}", "a?${b}", &[]));
}

#[test]
fn older_versions_know_no_variables() {
    for version in ["", r#""Version": "2008-10-17","#] {
        let text = format!(
            r#"{{{version} "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                "Resource": "arn:aws:s3:::photos/${{aws:username}}"}}}}"#
        );
        let policy = Policy::parse(&text).unwrap();
        let ada = Request::anonymous("s3:GetObject", Some("ada")).with("aws:username", "ada");
        let literal = Request::anonymous("s3:GetObject", Some("${aws:username}")).with("aws:username", "ada");
        assert_eq!(ada.verdict(&policy), Verdict::Silent);
        assert_eq!(literal.verdict(&policy), Verdict::Allow(Which::Number(1)));
    }
}
