//! What counts as public.

use super::*;

fn is_public(principal: &str, condition: &str) -> bool {
    bucket_policy(&format!(
        r#"{{"Effect": "Allow", {principal}, "Action": "s3:ListBucket",
            "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"], "Condition": {condition}}}"#
    ))
    .is_public()
}

#[test]
fn what_is_allowed_to_everyone_is_public() {
    assert!(is_public(r#""Principal": "*""#, "{}"));
    assert!(is_public(r#""Principal": {"AWS": "*"}"#, "{}"));
    assert!(is_public(r#""Principal": {"AWS": ["ada", "*"]}"#, "{}"));
    assert!(!is_public(r#""Principal": {"AWS": "arn:aws:iam::s3tenant1:root"}"#, "{}"));
    assert!(!is_public(r#""Principal": {"Service": "logging.s3.amazonaws.com"}"#, "{}"));
    let deny = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    assert!(!bucket_policy(deny).is_public());
    let allow = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    assert!(bucket_policy(&format!("[{deny}, {allow}]")).is_public(), "what is denied is not weighed");
}

#[test]
fn a_fixed_condition_makes_it_private() {
    let cases = [
        (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}"#, false),
        (r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}}"#, false),
        (r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": "128.0.0.0/1"}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": "2000::/3"}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": "::ffff:0.0.0.0/96"}}"#, true),
        (r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, true),
        (r#"{"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}"#, true),
        (r#"{"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}"#, false),
        (r#"{"StringLike": {"aws:SourceVpc": "vpc-*"}}"#, true),
        (r#"{"StringEquals": {"aws:SourceVpce": "${aws:username}"}}"#, true),
        (r#"{"StringNotEquals": {"aws:SourceVpc": "vpc-91237329"}}"#, true),
        (r#"{"StringEqualsIfExists": {"aws:SourceVpc": "vpc-91237329"}}"#, true),
        (r#"{"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-91237329"}}"#, true),
        (r#"{"ForAnyValue:StringEquals": {"aws:SourceVpc": "vpc-91237329"}}"#, false),
        (r#"{"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#, false),
        (r#"{"StringEquals": {"aws:SourceAccount": "1"}, "StringLike": {"s3:prefix": "*"}}"#, false),
        (r#"{"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:1:topic"}}"#, false),
        (r#"{"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:1:topic"}}"#, true),
        (r#"{"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1:1:accesspoint/*"}}"#, false),
        (r#"{"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1:1:accesspoint/*"}}"#, false),
        (r#"{"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1:*:accesspoint/x"}}"#, true),
        (r#"{"StringLike": {"s3:DataAccessPointArn": "*"}}"#, true),
        (r#"{"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1::accesspoint/x"}}"#, true),
        (r#"{"StringLike": {"aws:Referer": "https://example.com/*"}}"#, true),
        (r#"{"StringEquals": {"aws:Referer": "https://example.com/"}}"#, true),
        (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, true),
        (r#"{"StringEquals": {"aws:userid": "AIDAEXAMPLE"}}"#, false),
        (r#"{"StringEquals": {"aws:userid": ["AIDAEXAMPLE", "anonymous"]}}"#, true),
        (r#"{"StringEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "key"}}"#, true),
        (r#"{"Null": {"aws:SourceVpc": "false"}}"#, true),
        (r#"{"StringEquals": {"s3:ExistingObjectTag/security": "public"}}"#, true),
    ];
    for (condition, public) in cases {
        assert_eq!(is_public(r#""Principal": "*""#, condition), public, "{condition}");
    }
}
