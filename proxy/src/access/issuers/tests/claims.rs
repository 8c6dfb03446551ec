//! What a genuine token must say.

use super::*;

async fn verify(claims: &Value) -> Result<Token, TokenError> {
    let jwt = Signer::of(Algorithm::EdDSA).sign(Algorithm::EdDSA, None, claims);
    issuers(&[with_public_key(Algorithm::EdDSA)]).verify(&jwt).await
}

async fn verify_own(claims: &Value) -> Result<Token, TokenError> {
    issuers(&[with_public_key(Algorithm::EdDSA)]).verify(&own(claims)).await
}

#[tokio::test]
async fn an_expired_token_is_refused_but_for_the_leeway() {
    assert!(matches!(verify(&with("exp", now() - 62)).await, Err(TokenError::Expired)));
    assert!(matches!(verify(&with("exp", now() - 10_000_000)).await, Err(TokenError::Expired)));
    assert!(matches!(verify(&with("exp", 0)).await, Err(TokenError::Expired)));
    verify(&with("exp", now() - 50)).await.unwrap();
    verify(&with("exp", now() as f64 + 5.5)).await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_refused_but_for_the_leeway() {
    assert!(matches!(verify(&with("nbf", now() + 65)).await, Err(TokenError::NotYet)));
    verify(&with("nbf", now() + 50)).await.unwrap();
    verify(&with("nbf", now() - 50)).await.unwrap();
}

#[tokio::test]
async fn the_leeway_is_what_is_configured() {
    let mut config = with_public_key(Algorithm::EdDSA);
    config.leeway_seconds = 0;
    let issuers = issuers(&[config]);
    let sign = |claims| Signer::of(Algorithm::EdDSA).sign(Algorithm::EdDSA, None, &claims);
    let expired = sign(with("exp", now() - 2));
    assert!(matches!(issuers.verify(&expired).await, Err(TokenError::Expired)));
    let early = sign(with("nbf", now() + 30));
    assert!(matches!(issuers.verify(&early).await, Err(TokenError::NotYet)));
}

#[tokio::test]
async fn times_must_be_there_and_be_seconds() {
    assert_invalid(verify(&without("exp")).await, "no exp");
    assert_invalid(verify_own(&json!({ "sub": "42" })).await, "no exp in an own token");
    for wrong in
        [json!(null), json!("4102444800"), json!(-1), json!(1e300), json!([4_102_444_800_i64]), json!(true)]
    {
        for claim in ["exp", "nbf", "iat"] {
            assert_invalid(verify(&with(claim, wrong.clone())).await, &format!("{claim}: {wrong}"));
        }
    }
    for beyond in [json!(u64::MAX), json!(i64::MAX), json!(now() * 1000)] {
        assert_invalid(verify(&with("exp", beyond.clone())).await, &format!("exp: {beyond}"));
    }
}

#[tokio::test]
async fn the_audience_must_be_named() {
    let others = [
        json!("other"),
        json!(["a", "b"]),
        json!([]),
        json!(null),
        json!(5),
        json!({ "relais": 1 }),
        json!("relais "),
    ];
    for aud in others {
        assert_invalid(verify(&with("aud", aud.clone())).await, &format!("aud: {aud}"));
        let own = json!({ "sub": "42", "exp": now() + 60, "aud": aud });
        assert_invalid(verify_own(&own).await, &format!("own aud: {aud}"));
    }
    assert_invalid(verify(&without("aud")).await, "no aud");
    verify(&with("aud", json!(["other", "relais"]))).await.unwrap();
    verify_own(&json!({ "sub": "42", "exp": now() + 60 })).await.unwrap();
    verify_own(&json!({ "sub": "42", "exp": now() + 60, "aud": ["relais"] })).await.unwrap();
}

#[tokio::test]
async fn the_issuer_must_be_known_and_be_a_text() {
    let list = json!(["https://idp.example"]);
    for iss in
        [json!("https://idp.example/"), json!("HTTPS://idp.example"), json!(""), list, json!(null), json!(1)]
    {
        assert_invalid(verify(&with("iss", iss.clone())).await, &format!("iss: {iss}"));
        let own = json!({ "sub": "42", "exp": now() + 60, "iss": iss });
        assert_invalid(verify_own(&own).await, &format!("own iss: {iss}"));
    }
    verify_own(&json!({ "sub": "42", "exp": now() + 60, "iss": "relais" })).await.unwrap();
}

#[tokio::test]
async fn a_subject_is_a_text_or_an_integer() {
    assert_eq!(verify(&with("sub", 42)).await.unwrap().subject, "42");
    assert_eq!(verify(&with("sub", u64::MAX)).await.unwrap().owner(), format!("idp:{}", u64::MAX));
    assert_eq!(verify(&with("sub", "x".repeat(256))).await.unwrap().subject.len(), 256);
    assert_eq!(verify_own(&json!({ "sub": 7, "exp": now() + 60 })).await.unwrap().owner(), "7");
    let wrong = [
        json!(""),
        json!(null),
        json!(4.5),
        json!(true),
        json!(["42"]),
        json!({}),
        json!("x".repeat(257)),
        json!("4\n2"),
        json!("4\u{0}2"),
        json!("4\u{7f}2"),
        json!("4\u{85}2"),
    ];
    for sub in wrong {
        assert_invalid(verify(&with("sub", sub.clone())).await, &format!("sub: {sub}"));
        assert_invalid(
            verify_own(&json!({ "sub": sub, "exp": now() + 60 })).await,
            &format!("own sub: {sub}"),
        );
    }
    assert_invalid(verify(&without("sub")).await, "no sub");
    assert_invalid(verify_own(&json!({ "exp": now() + 60 })).await, "no own sub");
}

#[tokio::test]
async fn an_own_token_names_neither_relais_itself_nor_an_account_of_another_issuer() {
    for sub in ["root", "relais", "anonymous", "api", "thumbnail", "transcription", "idp:42", "idp:"] {
        assert_invalid(verify_own(&json!({ "sub": sub, "exp": now() + 60 })).await, sub);
    }
    for sub in ["root2", "user:42", "42:idp:", "idp"] {
        assert_eq!(verify_own(&json!({ "sub": sub, "exp": now() + 60 })).await.unwrap().owner(), sub);
    }
    assert_eq!(verify(&with("sub", "root")).await.unwrap().owner(), "idp:root");
}

#[tokio::test]
async fn another_claim_may_name_the_subject() {
    let mut config = with_public_key(Algorithm::EdDSA);
    config.subject_claim = "https://idp.example/user_id".to_owned();
    let issuers = issuers(&[config]);
    let sign = |claims: &Value| Signer::of(Algorithm::EdDSA).sign(Algorithm::EdDSA, None, claims);
    let token = issuers.verify(&sign(&with("https://idp.example/user_id", 7))).await.unwrap();
    assert_eq!(token.owner(), "idp:7");
    assert_invalid(issuers.verify(&sign(&claims())).await, "only sub");
}
