//! Tokens made to break something.

use super::*;

const HEADER: &str = r#"{"alg":"HS256"}"#;

fn signed(header: &str, claims: &[u8]) -> String {
    raw(header, claims, &secret_key(SECRET), Algorithm::HS256)
}

#[tokio::test]
async fn six_kibibytes_pass_and_seventeen_are_refused() {
    let of_length = |bytes: usize| {
        let claims = |fill: usize| json!({ "sub": "42", "exp": now() + 60, "fill": "x".repeat(fill) });
        let fill =
            (0..bytes).rev().find(|fill| signed(HEADER, claims(*fill).to_string().as_bytes()).len() <= bytes);
        signed(HEADER, claims(fill.unwrap()).to_string().as_bytes())
    };
    let issuers = issuers(&[]);
    let groups: Vec<_> = (0..350).map(|n| format!("group-{n:05}")).collect();
    let six = own(&json!({ "sub": "42", "exp": now() + 60, "groups": groups }));
    assert!((6 * 1024..8 * 1024).contains(&six.len()), "{}", six.len());
    assert_eq!(issuers.verify(&six).await.unwrap().claims.values("groups").unwrap().len(), 350);
    let seventeen = own(&json!({ "sub": "42", "exp": now() + 60, "fill": "x".repeat(12 * 1024 + 700) }));
    assert!((17 * 1024..18 * 1024).contains(&seventeen.len()), "{}", seventeen.len());
    assert_invalid(issuers.verify(&seventeen).await, "17 KiB");
    let longest = of_length(jwt::TOKEN_BYTES_MAX);
    assert!(longest.len() > jwt::TOKEN_BYTES_MAX - 4);
    issuers.verify(&longest).await.unwrap();
    assert_eq!(Jwt::parse(&format!("{longest}xxxx")).unwrap_err(), Refusal::TooLong);
    assert_eq!(Jwt::parse(&"x".repeat(10_000_000)).unwrap_err(), Refusal::TooLong);
}

#[tokio::test]
async fn claims_that_are_no_object_are_refused() {
    let issuers = issuers(&[]);
    let exp = now() + 60;
    let not_text = [b"{\"sub\":\"\xff\xfe\",\"exp\":".as_slice(), exp.to_string().as_bytes(), b"}"].concat();
    let trailing = format!(r#"{{"sub":"42","exp":{exp}}} x"#);
    let listed = format!(r#"[{{"sub":"42","exp":{exp}}}]"#);
    for claims in [
        b"".as_slice(),
        b"null",
        b"42",
        b"\"text\"",
        b"[]",
        b"{",
        b"{}",
        &not_text,
        trailing.as_bytes(),
        listed.as_bytes(),
    ] {
        assert_invalid(issuers.verify(&signed(HEADER, claims)).await, &String::from_utf8_lossy(claims));
    }
}

#[tokio::test]
async fn what_is_named_twice_is_refused_at_any_depth() {
    let issuers = issuers(&[]);
    let exp = now() + 60;
    let good = format!(r#"{{"sub":"42","exp":{exp},"a":{{"b":[{{"c":1}},{{"c":2}}]}}}}"#);
    issuers.verify(&signed(HEADER, good.as_bytes())).await.unwrap();
    for claims in [
        format!(r#"{{"sub":"42","sub":"7","exp":{exp}}}"#),
        format!(r#"{{"sub":"42","s\u0075b":"7","exp":{exp}}}"#),
        format!(r#"{{"sub":"42","exp":1,"exp":{exp}}}"#),
        format!(r#"{{"sub":"42","exp":{exp},"a":{{"b":[{{"c":1,"c":2}}]}}}}"#),
    ] {
        assert_invalid(issuers.verify(&signed(HEADER, claims.as_bytes())).await, &claims);
    }
    for header in [r#"{"alg":"HS256","alg":"HS256"}"#, r#"{"alg":"none","alg":"HS256"}"#] {
        assert_invalid(issuers.verify(&signed(header, good.as_bytes())).await, header);
    }
}

#[tokio::test]
async fn claims_nested_without_end_are_refused() {
    let issuers = issuers(&[]);
    let nested = |depth: usize, open: &str, close: &str| {
        let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        signed(HEADER, format!(r#"{{"sub":"42","exp":{},"a":{value}}}"#, now() + 60).as_bytes())
    };
    issuers.verify(&nested(50, "[", "]")).await.unwrap();
    for (depth, open, close) in [(200, "[", "]"), (1000, r#"{"a":"#, "}"), (5900, "[", "]")] {
        let jwt = nested(depth, open, close);
        assert!(jwt.len() <= jwt::TOKEN_BYTES_MAX, "this is about depth, not length: {}", jwt.len());
        assert_invalid(issuers.verify(&jwt).await, &format!("{depth} deep"));
    }
    assert_invalid(issuers.verify(&nested(10_000, "[", "]")).await, "10,000 deep");
    assert!(
        strict::object(format!(r#"{{"a":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000)).as_bytes())
            .is_none()
    );
    assert!(strict::object("{\"a\":".repeat(10_000).as_bytes()).is_none());
}

#[tokio::test]
async fn a_header_brings_no_key_and_demands_nothing() {
    let issuers = issuers(&[with_public_key(Algorithm::RS256)]);
    let stranger = Signer::new_rsa();
    let jwk = stranger.jwk(Algorithm::RS256, "mine");
    let trick = json!({
        "alg": "RS256", "kid": "mine", "jwk": jwk, "jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/x5u",
        "x5c": [BASE64_STANDARD.encode("certificate")]
    });
    let body = claims().to_string();
    let jwt = raw(&trick.to_string(), body.as_bytes(), &stranger.key, Algorithm::RS256);
    assert_invalid(issuers.verify(&jwt).await, "a key of its own");
    let signer = Signer::of(Algorithm::RS256);
    issuers.verify(&raw(&trick.to_string(), body.as_bytes(), &signer.key, Algorithm::RS256)).await.unwrap();

    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(null)] {
        let header = json!({ "alg": "RS256", "crit": crit, "b64": true }).to_string();
        let jwt = raw(&header, body.as_bytes(), &signer.key, Algorithm::RS256);
        assert_eq!(Jwt::parse(&jwt).unwrap_err(), Refusal::Critical);
        assert_invalid(issuers.verify(&jwt).await, &header);
    }
    for header in [
        r#"{}"#,
        r#"{"alg":1}"#,
        r#"{"alg":null}"#,
        r#"[]"#,
        r#"{"alg":"RS256","kid":5}"#,
        r#"{"alg":"rs256"}"#,
    ] {
        assert_invalid(
            issuers.verify(&raw(header, body.as_bytes(), &signer.key, Algorithm::RS256)).await,
            header,
        );
    }
}

#[tokio::test]
async fn a_form_that_is_not_exactly_that_of_a_jwt_is_refused() {
    let issuers = issuers(&[]);
    let jwt = own(&json!({ "sub": "42", "exp": now() + 60 }));
    issuers.verify(&jwt).await.unwrap();
    let parts: Vec<_> = jwt.split('.').collect();
    let padded = format!("{}=.{}.{}", parts[0], parts[1], parts[2]);
    let standard = format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(['-', '_'], "+"));
    let mut broken = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{jwt}."),
        format!(".{jwt}"),
        format!(" {jwt}"),
        format!("{jwt}\n"),
        format!("{jwt}.{}", parts[2]),
        format!("{jwt}="),
        padded,
        format!("{}.{}", parts[0], parts[1]),
        "\u{e9}.\u{e9}.\u{e9}".to_owned(),
    ];
    broken.extend((standard != jwt).then_some(standard));
    for jwt in broken {
        assert_invalid(issuers.verify(&jwt).await, &jwt);
    }
}
