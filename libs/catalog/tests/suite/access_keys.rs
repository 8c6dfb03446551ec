//! Access keys, and what becomes of their sealed secrets.

use relais_catalog::NewAccessKey;

use crate::scratch::Scratch;

crate::on_both![
    a_key_is_kept_as_it_was_made_and_only_once,
    keys_come_with_the_oldest_first_and_revoked_ones_too,
    a_key_is_revoked_once_and_its_time_stays,
    a_secret_is_sealed_anew_by_one_of_many_only,
];

fn new(id: &str) -> NewAccessKey {
    NewAccessKey {
        id: id.to_owned(),
        name: "the phone's".to_owned(),
        owner: "ann".to_owned(),
        sealed_secret: "sealed-1".to_owned(),
        policy: Some("{\"Statement\": []}".to_owned()),
    }
}

async fn a_key_is_kept_as_it_was_made_and_only_once(scratch: &Scratch) {
    let keys = scratch.migrated().await.access_keys();
    assert_eq!(keys.find("RELAISAA").await.unwrap(), None);
    assert!(keys.create(&new("RELAISAA")).await.unwrap());
    let other = NewAccessKey { owner: "mallory".to_owned(), policy: None, ..new("RELAISAA") };
    assert!(!keys.create(&other).await.unwrap());
    let row = keys.find("RELAISAA").await.unwrap().unwrap();
    let kept = NewAccessKey {
        id: row.id,
        name: row.name,
        owner: row.owner,
        sealed_secret: row.sealed_secret,
        policy: row.policy,
    };
    assert_eq!((kept, row.revoked_at), (new("RELAISAA"), None));
    assert!((chrono::Utc::now() - row.created_at).num_seconds().abs() < 60, "{}", row.created_at);
    for unknown in ["relaisaa", "RELAISA", "", "RELAIS\0AA", "RELAISAA' OR '1'='1"] {
        assert_eq!(keys.find(unknown).await.unwrap(), None, "{unknown:?}");
    }
}

async fn keys_come_with_the_oldest_first_and_revoked_ones_too(scratch: &Scratch) {
    let keys = scratch.migrated().await.access_keys();
    for id in ["Z", "A", "M"] {
        keys.create(&new(id)).await.unwrap();
    }
    scratch.execute("UPDATE access_keys SET created_at = 5 WHERE id <> 'Z'").await;
    keys.revoke("A").await.unwrap();
    let all = keys.all().await.unwrap();
    assert_eq!(all.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["A", "M", "Z"]);
    assert_eq!(all.iter().map(|row| row.revoked_at.is_some()).collect::<Vec<_>>(), [true, false, false]);
}

async fn a_key_is_revoked_once_and_its_time_stays(scratch: &Scratch) {
    let keys = scratch.migrated().await.access_keys();
    keys.create(&new("A")).await.unwrap();
    keys.create(&new("B")).await.unwrap();
    assert!(keys.revoke("A").await.unwrap());
    let revoked_at = keys.find("A").await.unwrap().unwrap().revoked_at;
    assert!(revoked_at.is_some());
    assert!(!keys.revoke("A").await.unwrap());
    assert_eq!(keys.find("A").await.unwrap().unwrap().revoked_at, revoked_at);
    assert_eq!(keys.find("B").await.unwrap().unwrap().revoked_at, None);
    assert!(!keys.revoke("C").await.unwrap() && !keys.revoke("A\0").await.unwrap());
}

async fn a_secret_is_sealed_anew_by_one_of_many_only(scratch: &Scratch) {
    let instances = [scratch.migrated().await.access_keys(), scratch.connect().await.access_keys()];
    instances[0].create(&new("A")).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let keys = instances[number % 2].clone();
            tokio::spawn(async move { keys.reseal("A", "sealed-1", &format!("new-{number}")).await.unwrap() })
        })
        .collect();
    let mut exchanged = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        exchanged.extend(task.await.unwrap().then_some(number));
    }
    let [winner] = exchanged[..] else { panic!("{exchanged:?} exchanged it") };
    assert_eq!(instances[0].find("A").await.unwrap().unwrap().sealed_secret, format!("new-{winner}"));
    assert!(!instances[0].reseal("B", "sealed-1", "new").await.unwrap());
}
