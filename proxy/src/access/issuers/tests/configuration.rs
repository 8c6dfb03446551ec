//! What a configuration may not say; each error names the issuer and the key.

use super::*;

#[track_caller]
fn assert_refused(config: &IssuerConfig, parts: &[&str]) {
    let error =
        Issuers::new(std::slice::from_ref(config), &keyring(&[])).map(|_| ()).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
}

fn changed(change: impl FnOnce(&mut IssuerConfig)) -> IssuerConfig {
    let mut config = with_public_key(Algorithm::RS256);
    change(&mut config);
    config
}

#[test]
fn exactly_one_source_of_keys_is_wanted() {
    assert_refused(&idp(&["RS256"]), &["idp", "exactly one of", "public_key_file", "jwks_url"]);
    let secret = || Some("0123456789abcdef0123456789abcdef".to_owned().into());
    assert_refused(&changed(|config| config.secret = secret()), &["idp", "exactly one of"]);
    assert_refused(&changed(|config| config.public_key_file = Some("x".into())), &["exactly one of"]);
    assert_refused(
        &changed(|config| config.jwks_url = Some("https://x.example".into())),
        &["exactly one of"],
    );
    assert_refused(
        &changed(|config| config.jwks_ca_file = Some("x".into())),
        &["idp", "jwks_ca_file", "jwks_url"],
    );
}

#[test]
fn algorithms_are_known_ones_and_go_with_the_key() {
    for unknown in ["none", "RS1", "rs256", "ES512", ""] {
        let config = changed(|config| config.algorithms.push(unknown.to_owned()));
        assert_refused(&config, &["idp", "algorithms", &format!("{unknown:?}"), "EdDSA"]);
    }
    assert_refused(&changed(|config| config.algorithms.clear()), &["idp", "algorithms", "at least one"]);
    let confused = changed(|config| config.algorithms.push("HS256".to_owned()));
    assert_refused(&confused, &["idp", "algorithms", "HS256", "never with public keys"]);
    let mut confused = idp(&["RS256", "HS512"]);
    confused.jwks_url = Some("https://idp.example/jwks.json".to_owned());
    assert_refused(&confused, &["algorithms", "HS512", "never with public keys"]);
    confused.algorithms = vec!["RS256".to_owned()];
    confused.jwks_url = None;
    confused.secret = Some("0123456789abcdef0123456789abcdef".to_owned().into());
    assert_refused(&confused, &["algorithms", "RS256", "a secret"]);
    let wrong = changed(|config| config.algorithms = vec!["ES256".to_owned()]);
    assert_refused(&wrong, &["algorithms", "ES256", "an RSA key"]);
    let mut curve = with_public_key(Algorithm::ES384);
    curve.algorithms = vec!["ES256".to_owned()];
    assert_refused(&curve, &["algorithms", "ES256", "P-384"]);
}

#[test]
fn a_secret_has_32_bytes() {
    let mut config = idp(&["HS256"]);
    config.secret = Some("x".repeat(31).into());
    assert_refused(&config, &["idp", "secret", "32 bytes"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, format!("{}  \n\n", "x".repeat(31))).unwrap();
    config.secret = None;
    config.secret_file = Some(path.clone());
    assert_refused(&config, &["idp", "secret_file", "32 bytes"]);
    std::fs::write(&path, format!("{}\n", "x".repeat(32))).unwrap();
    issuers(std::slice::from_ref(&config));
    config.secret_file = Some(folder.path().join("absent"));
    assert_refused(&config, &["idp", "secret_file", "absent"]);
}

#[test]
fn a_public_key_is_one_and_no_other_thing() {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair};

    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let certificate = pem("CERTIFICATE", der.as_ref());
    let good = Signer::of(Algorithm::RS256).pem.clone();
    let halved = good.replacen("MIIB", "MIIC", 1);
    let unusable = [
        "",
        "no PEM",
        &pem("PUBLIC KEY", b"not DER"),
        &pem("PUBLIC KEY", der.as_ref()),
        &certificate,
        &halved,
    ];
    for text in unusable {
        assert_refused(
            &changed(|config| config.public_key = Some(text.to_owned())),
            &["idp", "public_key", "PEM"],
        );
    }
    let private = pem("PRIVATE KEY", b"x");
    let error = VerifyingKey::from_pem(&private).unwrap_err();
    assert_eq!(error, keys::InvalidKey::Private);
    assert_refused(&changed(|config| config.public_key = Some(private)), &["idp", "public_key", "private"]);
}

#[test]
fn an_issuer_has_a_name_of_its_own() {
    for name in ["", "relais", "a:b"] {
        assert_refused(&changed(|config| config.name = name.to_owned()), &["access.issuers", "name"]);
    }
    for iss in ["", "relais"] {
        assert_refused(&changed(|config| config.issuer = iss.to_owned()), &["idp", "issuer"]);
    }
    assert_refused(&changed(|config| config.audience.clear()), &["idp", "audience"]);
    assert_refused(&changed(|config| config.subject_claim.clear()), &["idp", "subject_claim"]);
    assert_refused(&changed(|config| config.leeway_seconds = 601), &["idp", "leeway_seconds", "600"]);

    let twice = |other: IssuerConfig| {
        let both = [with_public_key(Algorithm::RS256), other];
        Issuers::new(&both, &keyring(&[])).map(|_| ()).unwrap_err().to_string()
    };
    let same_name = twice(changed(|config| config.issuer = "https://other.example".to_owned()));
    assert!(same_name.contains("name") && same_name.contains("\"idp\""), "{same_name}");
    let same_iss = twice(changed(|config| config.name = "other".to_owned()));
    assert!(same_iss.contains("issuer") && same_iss.contains("https://idp.example"), "{same_iss}");
}

#[test]
fn a_key_set_comes_by_https_or_from_this_machine() {
    let at = |url: &str| {
        let mut config = idp(&["RS256"]);
        config.jwks_url = Some(url.to_owned());
        config
    };
    let refused = [
        "http://idp.example/jwks",
        "http://10.0.0.1/jwks",
        "ftp://idp.example/jwks",
        "file:///etc/passwd",
        "jwks",
        "",
        "http://localhost.idp.example/jwks",
        "http://127.0.0.1.idp.example/",
        "http://0.0.0.0/",
        "https://u:p@idp.example/",
    ];
    for url in refused {
        assert_refused(&at(url), &["idp", "jwks_url"]);
    }
    let taken = [
        "https://idp.example/jwks",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://localhost/",
        "http://127.9.9.9/",
    ];
    for url in taken {
        issuers(&[at(url)]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "nothing").unwrap();
    let mut config = at("https://idp.example/jwks");
    config.jwks_ca_file = Some(path);
    assert_refused(&config, &["idp", "jwks_ca_file", "PEM"]);
}

#[test]
fn a_key_set_in_a_file_is_read_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let mut config = idp(&["RS256"]);
    config.jwks_file = Some(path.clone());
    assert_refused(&config, &["idp", "jwks_file"]);
    for set in ["", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
        std::fs::write(&path, set).unwrap();
        assert_refused(&config, &["idp", "jwks_file", "JSON Web Key Set"]);
    }
    let large = json!({ "keys": [Signer::of(Algorithm::RS256).jwk(Algorithm::RS256, "a")], "x": "x".repeat(300_000) });
    write(&path, &large);
    assert_refused(&config, &["idp", "jwks_file", "bytes"]);
}

#[test]
fn nothing_of_a_secret_is_in_an_error() {
    let mut config = idp(&["RS256"]);
    config.secret = Some("very-secret-very-secret-very-secret".to_owned().into());
    let error = Issuers::new(std::slice::from_ref(&config), &keyring(&[])).map(|_| ()).unwrap_err();
    assert!(!format!("{error} {error:?} {config:?}").contains("very-secret"));
}
