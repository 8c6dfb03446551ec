//! The users of an application, in the table that relais makes.

use chrono::{TimeDelta, Utc};
use relais_catalog::{CreateUserError, NewUser, Spent, UserRow, Users};
use relais_model::Secret;
use serde_json::json;

use crate::scratch::Scratch;

crate::on_both![
    a_user_is_made_with_what_the_table_has_for_everybody,
    an_email_is_kept_in_lower_case_and_belongs_to_one_user,
    of_many_at_once_one_gets_the_email,
    texts_that_the_table_cannot_hold_are_refused_by_name,
    users_are_listed_page_by_page,
    each_setting_changes_itself_only,
    who_is_inactive_is_listed,
    preferences_may_be_any_json,
    many_at_once_spend_no_more_credits_than_there_are,
    a_credit_that_bought_nothing_comes_back,
    who_has_no_limit_spends_nothing,
];

pub(crate) fn new(email: &str) -> NewUser {
    let hashed_password = Secret::from("$2b$12$abcdefghijklmnopqrstuv".to_owned());
    NewUser { email: email.to_owned(), hashed_password, name: Some("Ann Ü.".to_owned()) }
}

pub(crate) fn recent(time: chrono::DateTime<Utc>) -> bool {
    (Utc::now() - time).abs() < TimeDelta::minutes(1)
}

async fn made(users: &Users, email: &str) -> UserRow {
    users.create(&new(email)).await.unwrap()
}

async fn a_user_is_made_with_what_the_table_has_for_everybody(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let row = made(&users, "ann@example.com").await;
    assert_eq!(users.find(row.id).await.unwrap(), Some(row.clone()));
    assert_eq!((row.id, row.email.as_str(), row.name.as_deref()), (1, "ann@example.com", Some("Ann Ü.")));
    assert_eq!(row.hashed_password.expose(), "$2b$12$abcdefghijklmnopqrstuv");
    assert_eq!((row.is_active, row.is_verified, row.last_login, row.credits), (true, false, None, None));
    assert_eq!((&row.favorite_voices, &row.history, &row.preferences), (&json!([]), &json!([]), &json!({})));
    assert!(recent(row.created_at) && row.created_at == row.updated_at, "{row:?}");
    assert!(!format!("{row:?}").contains("$2b$"), "a hash is not shown");
    assert_eq!(users.find(2).await.unwrap(), None);
    assert_eq!(users.find(i64::MAX).await.unwrap(), None);
}

async fn an_email_is_kept_in_lower_case_and_belongs_to_one_user(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let ann = made(&users, " Ann.Ärger@Example.COM\n").await;
    assert_eq!(ann.email, "ann.ärger@example.com");
    for email in ["ann.ärger@example.com", "ANN.ÄRGER@EXAMPLE.COM", "  ann.ärger@example.com "] {
        assert_eq!(users.find_by_email(email).await.unwrap(), Some(ann.clone()), "{email:?}");
        let refused = users.create(&new(email)).await.unwrap_err();
        assert!(matches!(refused, CreateUserError::EmailTaken), "{refused:?}");
    }
    for email in ["", "ann", "%", "ann.ärger@example.com\0", "ann.ärger@example_com", "' OR '1'='1"] {
        assert_eq!(users.find_by_email(email).await.unwrap(), None, "{email:?}");
    }
}

async fn of_many_at_once_one_gets_the_email(scratch: &Scratch) {
    let instances = [scratch.migrated().await.users(), scratch.connect().await.users()];
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let users = instances[number % 2].clone();
            tokio::spawn(async move { users.create(&new("ann@example.com")).await })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(row) => ids.push(row.id),
            Err(error) => assert!(matches!(error, CreateUserError::EmailTaken), "{error:?}"),
        }
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(instances[0].list(None, 100).await.unwrap().len(), 1);
}

async fn texts_that_the_table_cannot_hold_are_refused_by_name(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let fits = made(&users, &"ä".repeat(255)).await;
    assert_eq!(fits.email.chars().count(), 255);
    let long = "x".repeat(256);
    let email = |email: &str| NewUser { email: email.to_owned(), ..new("") };
    let hashed_password = Secret::from(long.clone());
    for (field, user) in [
        ("email", email(&long)),
        ("email", email(" ")),
        ("email", email("a\0b")),
        ("name", NewUser { name: Some(long.clone()), ..new("a") }),
        ("hashed_password", NewUser { hashed_password, ..new("a") }),
    ] {
        let refused = users.create(&user).await.unwrap_err();
        assert!(matches!(refused, CreateUserError::Unusable(of) if of == field), "{field}: {refused:?}");
    }
}

async fn users_are_listed_page_by_page(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    for number in 0..5 {
        made(&users, &format!("user{number}@example.com")).await;
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page: Vec<_> = users.list(after, 2).await.unwrap().into_iter().map(|user| user.id).collect();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        pages.push(page);
    }
    assert_eq!(pages, [vec![1, 2], vec![3, 4], vec![5]]);
}

async fn each_setting_changes_itself_only(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let (ann, bob) = (made(&users, "ann@example.com").await, made(&users, "bob@example.com").await);
    let hash = Secret::from("other".to_owned());
    assert!(users.set_active(ann.id, false).await.unwrap());
    assert!(users.set_verified(ann.id, true).await.unwrap());
    assert!(users.set_credits(ann.id, Some(7)).await.unwrap());
    assert!(users.set_preferences(ann.id, json!({"voice": "é"})).await.unwrap());
    assert!(users.set_password(ann.id, &hash).await.unwrap());
    assert!(users.logged_in(ann.id).await.unwrap());
    let row = users.find(ann.id).await.unwrap().unwrap();
    assert!(row.updated_at > ann.updated_at && row.last_login.is_some_and(recent), "{row:?}");
    let changed = UserRow {
        is_active: false,
        is_verified: true,
        credits: Some(7),
        preferences: json!({"voice": "é"}),
        hashed_password: hash.clone(),
        updated_at: row.updated_at,
        last_login: row.last_login,
        ..ann
    };
    assert_eq!(row, changed);
    assert_eq!(users.find(bob.id).await.unwrap(), Some(bob));
    for found in [
        users.set_active(9, true).await,
        users.set_verified(9, true).await,
        users.set_credits(9, None).await,
        users.set_preferences(9, json!({})).await,
        users.set_password(9, &hash).await,
        users.logged_in(9).await,
        users.return_credit(9).await,
    ] {
        assert!(!found.unwrap());
    }
}

async fn who_is_inactive_is_listed(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    for number in 1..=4 {
        made(&users, &format!("user{number}@example.com")).await;
    }
    assert_eq!(users.inactive().await.unwrap(), Vec::<i64>::new());
    for id in [3, 1] {
        users.set_active(id, false).await.unwrap();
    }
    assert_eq!(users.inactive().await.unwrap(), [1, 3]);
    users.set_active(1, true).await.unwrap();
    assert_eq!(users.inactive().await.unwrap(), [3]);
}

async fn preferences_may_be_any_json(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let ann = made(&users, "ann@example.com").await;
    for preferences in [
        json!({"a": [1, 2.5, null, {"b": "\u{0}\u{1F600}'\"\\"}], "": true}),
        json!({"big": 9_007_199_254_740_993_u64, "small": -1}),
        json!({}),
        json!([]),
        json!("text"),
        json!(1),
    ] {
        users.set_preferences(ann.id, preferences.clone()).await.unwrap();
        assert_eq!(users.find(ann.id).await.unwrap().unwrap().preferences, preferences);
    }
}

async fn many_at_once_spend_no_more_credits_than_there_are(scratch: &Scratch) {
    let instances = [scratch.migrated().await.users(), scratch.connect().await.users()];
    let ann = made(&instances[0], "ann@example.com").await.id;
    let bob = made(&instances[0], "bob@example.com").await.id;
    instances[0].set_credits(ann, Some(10)).await.unwrap();
    instances[0].set_credits(bob, Some(10)).await.unwrap();
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let users = instances[number % 2].clone();
            tokio::spawn(async move { users.spend_credit(ann).await.unwrap() })
        })
        .collect();
    let (mut left, mut exhausted) = (Vec::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Spent::Left(credits) => left.push(credits),
            Spent::Exhausted => exhausted += 1,
            other => panic!("{other:?}"),
        }
    }
    left.sort_unstable();
    assert_eq!((left, exhausted), ((0..10).collect(), 30));
    assert_eq!(instances[1].find(ann).await.unwrap().unwrap().credits, Some(0));
    assert_eq!(instances[1].find(bob).await.unwrap().unwrap().credits, Some(10));
}

async fn a_credit_that_bought_nothing_comes_back(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let ann = made(&users, "ann@example.com").await.id;
    users.set_credits(ann, Some(1)).await.unwrap();
    assert_eq!(users.spend_credit(ann).await.unwrap(), Spent::Left(0));
    assert_eq!(users.spend_credit(ann).await.unwrap(), Spent::Exhausted);
    assert!(users.return_credit(ann).await.unwrap());
    assert_eq!(users.spend_credit(ann).await.unwrap(), Spent::Left(0));
    users.set_credits(ann, Some(-3)).await.unwrap();
    assert_eq!(users.spend_credit(ann).await.unwrap(), Spent::Exhausted);
}

async fn who_has_no_limit_spends_nothing(scratch: &Scratch) {
    let users = scratch.migrated().await.users();
    let ann = made(&users, "ann@example.com").await.id;
    assert_eq!(users.spend_credit(ann).await.unwrap(), Spent::Unlimited);
    assert!(users.return_credit(ann).await.unwrap());
    assert_eq!(users.find(ann).await.unwrap().unwrap().credits, None);
    assert_eq!(users.spend_credit(9).await.unwrap(), Spent::NoSuchUser);
}
