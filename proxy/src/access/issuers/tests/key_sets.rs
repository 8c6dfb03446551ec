//! Key sets: which key of them counts, and when they are had anew.

use http::StatusCode;

use super::server::{Answer, Provider};
use super::*;
use crate::access::issuers::refresh::{FETCHED_AGE_MAX, REFETCH_INTERVAL, REREAD_INTERVAL};

const ES256: Algorithm = Algorithm::ES256;

fn set(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

fn at(provider: &Provider) -> Issuers {
    let mut config = idp(&["ES256", "RS256"]);
    config.jwks_url = Some(provider.url.clone());
    issuers(&[config])
}

/// Lets time pass; the clock stands only meanwhile, as it would run ahead of a connection that is waited for.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time + Duration::from_millis(5)).await;
    tokio::time::resume();
}

async fn until(what: impl Fn() -> bool) {
    let waited = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.unwrap();
}

fn assert_unavailable(result: &Result<Token, TokenError>) {
    assert!(matches!(result, Err(TokenError::Unavailable)), "{result:?}");
}

#[tokio::test]
async fn a_set_is_fetched_at_first_need_and_then_kept() {
    let (one, two) = (Signer::new_ec(ES256), Signer::new_rsa());
    let keys = [one.jwk(ES256, "one"), two.jwk(Algorithm::RS256, "two")];
    let provider = Provider::start(Answer::Set(set(&keys))).await;
    let issuers = at(&provider);
    assert_eq!(provider.asked(), 0, "nothing is contacted before there is a token");
    for _ in 0..3 {
        issuers.verify(&one.sign(ES256, Some("one"), &claims())).await.unwrap();
        issuers.verify(&two.sign(Algorithm::RS256, Some("two"), &claims())).await.unwrap();
    }
    assert_invalid(issuers.verify(&one.sign(ES256, Some("two"), &claims())).await, "the other's id");
    let stranger = Signer::new_ec(ES256);
    assert_invalid(issuers.verify(&stranger.sign(ES256, Some("one"), &claims())).await, "a stranger");
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn many_who_come_at_once_share_one_fetch() {
    let signer = Signer::new_ec(ES256);
    let provider = Provider::start(Answer::Later(set(&[signer.jwk(ES256, "one")]))).await;
    let issuers = at(&provider);
    let jwt = signer.sign(ES256, Some("one"), &claims());
    let all = futures::future::join_all((0..50).map(|_| issuers.verify(&jwt))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn one_who_leaves_does_not_end_the_fetch_of_the_others() {
    let signer = Signer::new_ec(ES256);
    let provider = Provider::start(Answer::Later(set(&[signer.jwk(ES256, "one")]))).await;
    let issuers = at(&provider);
    let jwt = signer.sign(ES256, Some("one"), &claims());
    let left = tokio::time::timeout(Duration::from_millis(50), issuers.verify(&jwt)).await;
    assert!(left.is_err(), "the provider takes longer");
    issuers.verify(&jwt).await.unwrap();
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_key_ids_makes_one_fetch_in_an_interval() {
    let signer = Signer::new_ec(ES256);
    let provider = Provider::start(Answer::Set(set(&[signer.jwk(ES256, "one")]))).await;
    let issuers = at(&provider);
    let flood = async || {
        let tokens: Vec<_> =
            (0..100).map(|n| signer.sign(ES256, Some(&format!("made-up-{n}")), &claims())).collect();
        for refused in futures::future::join_all(tokens.iter().map(|jwt| issuers.verify(jwt))).await {
            assert_invalid(refused, "an unknown key id");
        }
    };
    flood().await;
    assert_eq!(provider.asked(), 1);
    pass(REFETCH_INTERVAL).await;
    flood().await;
    flood().await;
    assert_eq!(provider.asked(), 2);
    issuers.verify(&signer.sign(ES256, Some("one"), &claims())).await.unwrap();
}

#[tokio::test]
async fn a_key_that_came_by_rotation_is_found_and_the_old_one_is_gone() {
    let (old, new) = (Signer::new_ec(ES256), Signer::new_ec(ES256));
    let provider = Provider::start(Answer::Set(set(&[old.jwk(ES256, "old")]))).await;
    let issuers = at(&provider);
    let of_old = old.sign(ES256, Some("old"), &claims());
    let of_new = new.sign(ES256, Some("new"), &claims());
    issuers.verify(&of_old).await.unwrap();
    provider.answers(Answer::Set(set(&[new.jwk(ES256, "new")])));
    assert_invalid(issuers.verify(&of_new).await, "too soon after the first fetch");
    pass(REFETCH_INTERVAL).await;
    issuers.verify(&of_new).await.unwrap();
    assert_invalid(issuers.verify(&of_old).await, "withdrawn");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn an_old_set_serves_while_a_new_one_is_fetched() {
    let (old, new) = (Signer::new_ec(ES256), Signer::new_ec(ES256));
    let provider = Provider::start(Answer::Set(set(&[old.jwk(ES256, "key")]))).await;
    let issuers = at(&provider);
    let of_old = old.sign(ES256, Some("key"), &claims());
    issuers.verify(&of_old).await.unwrap();
    provider.answers(Answer::Set(set(&[new.jwk(ES256, "key")])));
    pass(FETCHED_AGE_MAX - Duration::from_secs(5)).await;
    issuers.verify(&of_old).await.unwrap();
    assert_eq!(provider.asked(), 1, "it is young enough");
    pass(Duration::from_secs(5)).await;
    let of_old = old.sign(ES256, Some("key"), &claims());
    issuers.verify(&of_old).await.unwrap();
    until(|| provider.asked() == 2).await;
    let of_new = new.sign(ES256, Some("key"), &claims());
    tokio::time::timeout(Duration::from_secs(10), async {
        while issuers.verify(&of_new).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_invalid(issuers.verify(&of_old).await, "replaced");
}

#[tokio::test]
async fn the_set_from_before_serves_when_the_provider_fails() {
    let signer = Signer::new_ec(ES256);
    let provider = Provider::start(Answer::Set(set(&[signer.jwk(ES256, "one")]))).await;
    let issuers = at(&provider);
    let jwt = signer.sign(ES256, Some("one"), &claims());
    issuers.verify(&jwt).await.unwrap();
    let elsewhere = Provider::start(Answer::Set(set(&[signer.jwk(ES256, "unknown")]))).await;
    let failures = [
        Answer::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Status(StatusCode::NO_CONTENT),
        Answer::Redirect(elsewhere.url.clone()),
        Answer::Bytes(b"<html>sorry</html>".to_vec()),
        Answer::Bytes(br#"{"keys":[]}"#.to_vec()),
        Answer::Bytes(vec![b' '; 300_000]),
        Answer::Bytes("[".repeat(10_000).into_bytes()),
    ];
    for (failed, failure) in failures.into_iter().enumerate() {
        provider.answers(failure);
        pass(FETCHED_AGE_MAX).await;
        let unknown = signer.sign(ES256, Some("unknown"), &claims());
        assert_invalid(issuers.verify(&unknown).await, "an unknown key id, with a provider that fails");
        let jwt = signer.sign(ES256, Some("one"), &claims());
        issuers.verify(&jwt).await.unwrap();
        assert_eq!(provider.asked(), failed + 2);
    }
    assert_eq!(elsewhere.asked(), 0, "redirects are not followed");
}

#[tokio::test]
async fn a_set_that_was_never_had_is_another_error_than_a_bad_token() {
    let signer = Signer::new_ec(ES256);
    let provider = Provider::start(Answer::Status(StatusCode::BAD_GATEWAY)).await;
    let issuers = at(&provider);
    let jwt = signer.sign(ES256, Some("one"), &claims());
    for _ in 0..5 {
        assert_unavailable(&issuers.verify(&jwt).await);
    }
    assert_eq!(provider.asked(), 1);
    provider.answers(Answer::Set(set(&[signer.jwk(ES256, "one")])));
    pass(REFETCH_INTERVAL).await;
    issuers.verify(&jwt).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_hangs_is_waited_for_no_longer_than_the_timeout() {
    let signer = Signer::new_ec(ES256);
    let provider = Provider::start(Answer::Never).await;
    let issuers = at(&provider);
    let jwt = signer.sign(ES256, Some("one"), &claims());
    let begun = tokio::time::Instant::now();
    let (first, second, ()) = tokio::join!(issuers.verify(&jwt), issuers.verify(&jwt), async {
        until(|| provider.asked() == 1).await;
        tokio::time::pause(); // From here time runs by itself to whatever is waited for next.
    });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    tokio::time::resume();
    assert_unavailable(&first);
    assert_unavailable(&second);
    assert_unavailable(&issuers.verify(&jwt).await);
    assert_eq!(provider.asked(), 1);
    provider.answers(Answer::Set(set(&[signer.jwk(ES256, "one")])));
    pass(REFETCH_INTERVAL).await;
    issuers.verify(&jwt).await.unwrap();
}

#[tokio::test]
async fn a_certificate_counts_if_the_configuration_trusts_it() {
    let signer = Signer::new_ec(ES256);
    let (provider, certificate) = Provider::start_tls(Answer::Set(set(&[signer.jwk(ES256, "one")]))).await;
    let jwt = signer.sign(ES256, Some("one"), &claims());
    assert_unavailable(&at(&provider).verify(&jwt).await);
    assert_eq!(provider.asked(), 0, "nothing is asked of a server that nobody vouches for");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, certificate).unwrap();
    let mut config = idp(&["ES256"]);
    config.jwks_url = Some(provider.url.clone());
    config.jwks_ca_file = Some(path);
    issuers(&[config]).verify(&jwt).await.unwrap();
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_for_a_token_that_no_key_could_save() {
    let signer = Signer::of(Algorithm::ES384);
    let provider = Provider::start(Answer::Never).await;
    let issuers = at(&provider);
    assert_invalid(issuers.verify(&signer.sign(Algorithm::ES384, None, &claims())).await, "not pinned");
    assert_invalid(issuers.verify(&own(&claims())).await, "HS256");
    let nobody = Signer::of(ES256).sign(ES256, None, &with("iss", "https://nobody.example"));
    assert_invalid(issuers.verify(&nobody).await, "of nobody");
    assert_eq!(provider.asked(), 0);
}

#[tokio::test]
async fn a_token_without_key_id_is_verified_where_one_key_fits() {
    let (one, two, rsa) = (Signer::new_ec(ES256), Signer::new_ec(ES256), Signer::of(Algorithm::RS256));
    let anonymous = one.sign(ES256, None, &claims());
    let provider = Provider::start(Answer::Set(set(&[
        one.jwk(ES256, "one"),
        rsa.jwk(Algorithm::RS256, "rsa"),
        Signer::of(Algorithm::ES384).jwk(Algorithm::ES384, "other curve"),
    ])))
    .await;
    let issuers = at(&provider);
    issuers.verify(&anonymous).await.unwrap();
    assert_invalid(issuers.verify(&two.sign(ES256, None, &claims())).await, "of no key in the set");
    provider.answers(Answer::Set(set(&[one.jwk(ES256, "one"), two.jwk(ES256, "two")])));
    pass(REFETCH_INTERVAL).await;
    assert_invalid(issuers.verify(&two.sign(ES256, None, &claims())).await, "two keys fit");
    assert_invalid(issuers.verify(&anonymous).await, "two keys fit");
    issuers.verify(&two.sign(ES256, Some("two"), &claims())).await.unwrap();
}

#[tokio::test]
async fn a_key_serves_for_nothing_but_what_it_says_it_is_for() {
    let signer = Signer::new_rsa();
    let good = signer.jwk(Algorithm::RS256, "one");
    let jwt = signer.sign(Algorithm::RS256, Some("one"), &claims());
    let changed = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let short = {
        let modulus = BASE64_URL_SAFE_NO_PAD.decode(good["n"].as_str().unwrap()).unwrap();
        changed("n", BASE64_URL_SAFE_NO_PAD.encode(&modulus[128..]).into())
    };
    let unfit = [
        changed("use", json!("enc")),
        changed("alg", json!("RS512")),
        changed("alg", json!("RSA-OAEP")),
        changed("alg", json!("HS256")),
        changed("key_ops", json!(["encrypt"])),
        changed("kty", json!("EC")),
        changed("n", json!("!")),
        changed("kid", json!(1)),
        short,
        json!({ "kty": "oct", "kid": "one", "alg": "HS256", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) }),
        json!("not a key"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let mut config = idp(&["RS256", "ES256"]);
    config.jwks_file = Some(path.clone());
    let other = Signer::of(ES256).jwk(ES256, "other");
    for jwk in unfit {
        write(&path, &set(&[jwk.clone(), other.clone()]));
        let issuers = issuers(std::slice::from_ref(&config));
        assert_invalid(issuers.verify(&jwt).await, &jwk.to_string());
        let of_other = Signer::of(ES256).sign(ES256, Some("other"), &claims());
        issuers.verify(&of_other).await.unwrap(); // An unfit key does not take the others with it.
    }
    let mut silent = good.clone();
    silent.as_object_mut().unwrap().retain(|name, _| !["alg", "use"].contains(&name.as_str()));
    for jwk in [good.clone(), changed("key_ops", json!(["verify"])), silent] {
        write(&path, &set(&[jwk.clone(), other.clone()]));
        issuers(std::slice::from_ref(&config)).verify(&jwt).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changed() {
    let (old, new) = (Signer::new_ec(ES256), Signer::new_ec(ES256));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    write(&path, &set(&[old.jwk(ES256, "key")]));
    let mut config = idp(&["ES256"]);
    config.jwks_file = Some(path.clone());
    let issuers = issuers(&[config]);
    let (of_old, of_new) = (old.sign(ES256, Some("key"), &claims()), new.sign(ES256, Some("key"), &claims()));
    issuers.verify(&of_old).await.unwrap();
    write(&path, &set(&[new.jwk(ES256, "key")]));
    pass(REREAD_INTERVAL).await;
    assert_invalid(issuers.verify(&of_old).await, "its key was replaced");
    issuers.verify(&of_new).await.unwrap();
    for broken in ["", "{", r#"{"keys":[]}"#] {
        std::fs::write(&path, broken).unwrap();
        pass(REREAD_INTERVAL).await;
        issuers.verify(&of_new).await.unwrap();
    }
    std::fs::remove_file(&path).unwrap();
    pass(REREAD_INTERVAL).await;
    issuers.verify(&of_new).await.unwrap();
    write(&path, &set(&[old.jwk(ES256, "key")]));
    pass(REREAD_INTERVAL).await;
    issuers.verify(&of_old).await.unwrap();
}
