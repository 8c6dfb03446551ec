//! Each algorithm, and what is no signature of it.

use super::*;

const PUBLIC: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

#[tokio::test]
async fn every_algorithm_of_public_keys_is_verified() {
    for algorithm in PUBLIC {
        let issuers = issuers(&[with_public_key(algorithm)]);
        let jwt = Signer::of(algorithm).sign(algorithm, Some("any"), &claims());
        let token = issuers.verify(&jwt).await.unwrap();
        assert_eq!((token.owner().as_str(), token.issuer.as_str()), ("idp:42", "idp"), "{algorithm:?}");
    }
}

#[tokio::test]
async fn every_algorithm_of_secrets_is_verified() {
    for algorithm in OWN_ALGORITHMS {
        let mut config = idp(&[&format!("{algorithm:?}")]);
        let secret = "a secret of the provider, 32 bytes and more";
        config.secret = Some(secret.to_owned().into());
        let issuers = issuers(&[config]);
        let key = EncodingKey::from_secret(secret.as_bytes());
        let jwt = encode(&Header::new(algorithm), &claims(), &key).unwrap();
        assert_eq!(issuers.verify(&jwt).await.unwrap().owner(), "idp:42", "{algorithm:?}");

        let own = json!({ "sub": "42", "exp": now() + 60 });
        let jwt = encode(&Header::new(algorithm), &own, &secret_key(SECRET)).unwrap();
        assert_eq!(issuers.verify(&jwt).await.unwrap().owner(), "42", "{algorithm:?}");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_pinned_is_refused_though_the_key_would_fit() {
    let issuers = issuers(&[with_public_key(Algorithm::RS256)]);
    for other in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let jwt = Signer::of(other).sign(other, None, &claims());
        assert_invalid(issuers.verify(&jwt).await, &format!("{other:?}"));
    }
    let own = encode(&Header::new(Algorithm::HS512), &claims(), &secret_key(SECRET)).unwrap();
    assert_invalid(issuers.verify(&own).await, "the secret of another issuer");
}

#[tokio::test]
async fn a_token_of_one_issuer_signed_by_another_is_refused() {
    let mut other = with_public_key(Algorithm::ES256);
    other.name = "other".to_owned();
    other.issuer = "https://other.example".to_owned();
    let mut twin = with_public_key(Algorithm::ES256);
    twin.public_key = Some(Signer::new_ec(Algorithm::ES256).pem);
    let issuers = issuers(&[twin, other]);
    let signer = Signer::of(Algorithm::ES256);
    assert_invalid(issuers.verify(&signer.sign(Algorithm::ES256, None, &claims())).await, "of the twin");
    let of_other = signer.sign(Algorithm::ES256, None, &with("iss", "https://other.example"));
    assert_eq!(issuers.verify(&of_other).await.unwrap().owner(), "other:42");
    let own = signer.sign(Algorithm::ES256, None, &with("iss", "relais"));
    assert_invalid(issuers.verify(&own).await, "relais's own");
    let nobody = signer.sign(Algorithm::ES256, None, &without("iss"));
    assert_invalid(issuers.verify(&nobody).await, "of nobody");
}

#[tokio::test]
async fn alg_none_is_refused_with_and_without_a_signature() {
    let issuers = issuers(&[with_public_key(Algorithm::RS256)]);
    for claims in [claims(), json!({ "sub": "42", "exp": now() + 60 })] {
        for alg in ["none", "None", "NONE", "nOnE", "", "HS256 "] {
            let header = json!({ "alg": alg, "typ": "JWT" }).to_string();
            let base64 = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
            let message = format!("{}.{}", base64(header.clone()), base64(claims.to_string()));
            let secret = secret_key(SECRET);
            let signed = raw(&header, claims.to_string().as_bytes(), &secret, Algorithm::HS256);
            for jwt in [format!("{message}."), message.clone(), format!("{message}.e30"), signed] {
                assert_invalid(issuers.verify(&jwt).await, alg);
            }
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let config = with_public_key(Algorithm::RS256);
    let pem = config.public_key.clone().unwrap();
    let issuers = issuers(&[config]);
    for secret in [pem.as_str(), pem.trim(), &pem.replace('\n', "\r\n")] {
        let key = EncodingKey::from_secret(secret.as_bytes());
        for algorithm in OWN_ALGORITHMS {
            let jwt = encode(&Header::new(algorithm), &claims(), &key).unwrap();
            assert_invalid(issuers.verify(&jwt).await, "the PEM as secret");
        }
    }
    let key = VerifyingKey::from_pem(&pem).unwrap();
    assert!(!key.fits(Algorithm::HS256), "even were HS256 pinned for it");
}

#[tokio::test]
async fn no_signature_with_a_byte_changed_passes() {
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let secret = algorithm == Algorithm::HS256;
        let configs = if secret { vec![] } else { vec![with_public_key(algorithm)] };
        let issuers = issuers(&configs);
        let jwt = match secret {
            true => own(&without("iss")),
            false => Signer::of(algorithm).sign(algorithm, None, &claims()),
        };
        issuers.verify(&jwt).await.unwrap();
        let (message, signature) = jwt.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        for place in 0..signature.len() {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            let changed = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(changed));
            assert_invalid(issuers.verify(&changed).await, &format!("{algorithm:?}, byte {place}"));
        }
        for shorter in 0..signature.len() {
            let cut = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(&signature[..shorter]));
            assert_invalid(issuers.verify(&cut).await, &format!("{algorithm:?}, {shorter} bytes"));
        }
    }
}

#[tokio::test]
async fn claims_are_what_was_signed() {
    let issuers = issuers(&[]);
    let jwt = own(&json!({ "sub": "42", "exp": now() + 60 }));
    let parts: Vec<_> = jwt.split('.').collect();
    let other = BASE64_URL_SAFE_NO_PAD.encode(json!({ "sub": "420", "exp": now() + 60 }).to_string());
    assert_invalid(issuers.verify(&format!("{}.{other}.{}", parts[0], parts[2])).await, "other claims");
}

#[tokio::test]
async fn tokens_of_an_older_secret_stay_genuine_and_new_ones_are_of_the_current() {
    let issuers = issuers(&[]);
    let claims = json!({ "sub": "42", "exp": now() + 60 });
    let sign = |secret| encode(&Header::default(), &claims, &secret_key(secret)).unwrap();
    issuers.verify(&sign(OLDER_SECRET)).await.unwrap();
    assert_invalid(issuers.verify(&sign("ffffffffffffffffffffffffffffffff")).await, "a secret of nobody");

    let claims = json!({ "sub": "42", "email": "a@example.org" }).as_object().unwrap().clone();
    let minted = issuers.mint(claims, Utc::now() + Duration::from_secs(60)).unwrap();
    let token = issuers.verify(&minted).await.unwrap();
    assert_eq!((token.issuer.as_str(), token.owner().as_str()), ("relais", "42"));
    assert_eq!(token.claims.values("email").unwrap(), ["a@example.org"]);
    assert!(token.issued_at.is_some());
    let only_current = Issuers::new(&[], &keyring(&[])).map_err(|error| error.to_string()).unwrap();
    only_current.verify(&minted).await.unwrap();
    assert_invalid(only_current.verify(&sign(OLDER_SECRET)).await, "a secret that was taken away");
}
