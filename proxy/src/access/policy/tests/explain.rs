//! Why a statement does not apply.

use super::*;

#[test]
fn each_statement_names_the_first_part_that_does_not_fit() {
    let policy = bucket_policy(
        r#"[
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"},
        {"Sid": "Bobs", "Effect": "Allow", "Principal": {"AWS": "bob"}, "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/b/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"s3:prefix": "x"}}},
        {"Sid": "Yes", "Effect": "Allow", "Principal": "*", "NotAction": "s3:Put*", "Resource": "*"}]"#,
    );
    let request = Request::by("ada", "s3:GetObject", Some("a/x")).with("aws:securetransport", "true");
    let context = |key: &str| request.facts.get(key).cloned();
    let asked = Asked {
        principal: request.principal,
        action: request.action,
        bucket: request.bucket,
        key: request.key,
        context: &context,
    };
    let explained = policy.explain(&asked);
    let misfits: Vec<_> = explained.iter().map(|one| one.misfit).collect();
    assert_eq!(
        misfits,
        [
            Some(Misfit::Action),
            Some(Misfit::Principal),
            Some(Misfit::Resource),
            Some(Misfit::Condition("s3:prefix")),
            None
        ]
    );
    assert_eq!(explained[1].which, Which::Sid("Bobs"));
    assert_eq!(explained[2].effect, Effect::Deny);
    assert_eq!(policy.decide(&asked), Verdict::Allow(Which::Sid("Yes")));
    assert_eq!(Misfit::Condition("s3:prefix").to_string(), "the condition on s3:prefix does not hold");
}
