use std::time::{Duration, Instant};

use super::*;

fn passwords(threads: usize, queue: usize) -> Passwords {
    let config = serde_json::json!({
        "registration": true, "token_days": 30, "bcrypt_cost": 10, "password_threads_max": threads,
        "password_queue_max": queue, "login_attempts_per_minute": 0, "address_attempts_per_minute": 0
    });
    Passwords::new(&serde_json::from_value(config).unwrap())
}

fn password(text: &str) -> Password {
    Password::given(Secret::from(text.to_owned())).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

#[tokio::test]
async fn a_hash_is_of_its_password_and_of_no_other() {
    let passwords = passwords(1, 10);
    let hash = passwords.hash(password("correct horse")).await.unwrap();
    assert!(hash.expose().starts_with("$2b$10$"));
    assert_ne!(hash, passwords.hash(password("correct horse")).await.unwrap(), "each has a salt of its own");
    assert!(passwords.is_right(password("correct horse"), Some(hash.clone())).await.unwrap());
    assert!(!passwords.is_right(password("correct hors"), Some(hash)).await.unwrap());
    let long = "x".repeat(72);
    let hash = passwords.hash(password(&long)).await.unwrap();
    assert!(!passwords.is_right(password(&long[..71]), Some(hash)).await.unwrap(), "the 72nd byte counts");
}

#[tokio::test]
async fn hashes_of_other_libraries_are_known() {
    // The same salt and digest, as PHP and older libraries name them; from the test vectors of Openwall's crypt_blowfish.
    let passwords = passwords(1, 10);
    for version in ["2a", "2b", "2y"] {
        let hash = format!("${version}$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
        assert!(passwords.is_right(password("U*U"), Some(secret(&hash))).await.unwrap(), "{version}");
        assert!(!passwords.is_right(password("U*V"), Some(secret(&hash))).await.unwrap(), "{version}");
    }
}

#[tokio::test]
async fn what_is_no_hash_lets_nobody_in() {
    let passwords = passwords(1, 10);
    for hash in
        ["", "plain", "plain-text-password", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", &decoy(10)]
    {
        assert!(!passwords.is_right(password(hash), Some(secret(hash))).await.unwrap(), "{hash:?}");
    }
    assert!(!passwords.is_right(password("anything"), None).await.unwrap());
}

#[tokio::test]
async fn a_user_that_is_not_there_takes_as_long_as_a_wrong_password() {
    let passwords = passwords(1, 10);
    let hash = passwords.hash(password("correct horse")).await.unwrap();
    let fastest = async |hash: Option<Secret>| {
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            assert!(!passwords.is_right(password("wrong horse"), hash.clone()).await.unwrap());
            fastest = fastest.min(begun.elapsed());
        }
        fastest.as_secs_f64()
    };
    let (known, unknown, unusable) =
        (fastest(Some(hash)).await, fastest(None).await, fastest(Some(secret("!"))).await);
    // Not hashing at all would be thousands of times faster; other work on the machine is far from that.
    assert!(unknown > known / 3.0 && unknown < known * 3.0, "{unknown} against {known}");
    assert!(unusable > known / 3.0, "{unusable} against {known}");
}

#[tokio::test]
async fn the_line_is_bounded_and_those_in_it_have_their_turn() {
    let passwords = Arc::new(passwords(1, 2));
    let hash = |_| {
        let passwords = Arc::clone(&passwords);
        tokio::spawn(async move { passwords.hash(password("correct horse")).await })
    };
    let mut busy = 0;
    for done in (0..10).map(hash).collect::<Vec<_>>() {
        match done.await.unwrap() {
            Ok(_) => {}
            Err(PasswordError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(busy, 7, "one on the thread, two in line, the others are told at once");
    assert!(passwords.hash(password("correct horse")).await.is_ok(), "the places are free again");
}

#[tokio::test]
async fn who_leaves_keeps_the_place_until_the_work_is_done() {
    let passwords = Arc::new(passwords(1, 0));
    let left =
        tokio::time::timeout(Duration::from_millis(1), passwords.hash(password("correct horse"))).await;
    assert!(left.is_err());
    let next = passwords.hash(password("correct horse")).await;
    assert!(matches!(next, Err(PasswordError::Busy)), "the thread still hashes");
}
