//! Buckets that clients made, and settings that are changed at the same time.

use relais_model::BucketName;

use crate::scratch::{Scratch, bucket, texts};

crate::on_both![
    a_bucket_is_made_once,
    buckets_come_in_the_order_of_their_names,
    a_setting_makes_a_bucket_known_and_leaves_its_owner,
    settings_are_changed_and_removed_one_by_one,
    concurrent_settings_all_stay,
    a_removed_bucket_is_made_anew_without_settings,
];

fn name(name: &str) -> BucketName {
    name.parse().unwrap()
}

async fn a_bucket_is_made_once(scratch: &Scratch) {
    let (one, other) = (scratch.migrated().await.buckets(), scratch.connect().await.buckets());
    assert_eq!(one.find(&bucket()).await.unwrap(), None);
    let (bucket_one, bucket_other) = (bucket(), bucket());
    let (ann, bob) = tokio::join!(one.make(&bucket_one, "ann"), other.make(&bucket_other, "bob"));
    let (ann, bob) = (ann.unwrap(), bob.unwrap());
    assert!(ann != bob, "ann: {ann}, bob: {bob}");
    let row = one.find(&bucket()).await.unwrap().unwrap();
    assert_eq!((row.name, row.owner.as_str()), (bucket(), if ann { "ann" } else { "bob" }));
    assert_eq!(row.settings, texts(&[]));
    assert!((chrono::Utc::now() - row.created_at).num_seconds().abs() < 60, "{}", row.created_at);
    assert!(!one.make(&bucket(), "carl").await.unwrap());
}

async fn buckets_come_in_the_order_of_their_names(scratch: &Scratch) {
    let buckets = scratch.migrated().await.buckets();
    // The order of some languages passes over the signs.
    let sorted = ["a-b", "a.a", "a1a", "aaa", "b-a"];
    for made in ["aaa", "b-a", "a.a", "a-b", "a1a"] {
        buckets.make(&name(made), "ann").await.unwrap();
    }
    let all = buckets.all().await.unwrap();
    assert_eq!(all.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), sorted);
}

async fn a_setting_makes_a_bucket_known_and_leaves_its_owner(scratch: &Scratch) {
    let buckets = scratch.migrated().await.buckets();
    buckets.make(&name("made"), "ann").await.unwrap();
    for of in ["made", "configured"] {
        buckets.set(&name(of), "root", "cors", Some("<CORSConfiguration/>")).await.unwrap();
    }
    for (of, owner) in [("made", "ann"), ("configured", "root")] {
        let row = buckets.find(&name(of)).await.unwrap().unwrap();
        assert_eq!((row.owner.as_str(), row.settings), (owner, texts(&[("cors", "<CORSConfiguration/>")])));
    }
}

async fn settings_are_changed_and_removed_one_by_one(scratch: &Scratch) {
    let buckets = scratch.migrated().await.buckets();
    buckets.make(&name("other"), "ann").await.unwrap();
    for (setting, value) in [
        ("cors", Some("one")),
        ("policy", Some("{\"a\": \"b'ü\"}")),
        ("cors", Some("two")),
        ("tags", Some("t")),
        ("tags", None),
        ("tags", None),
    ] {
        buckets.set(&bucket(), "root", setting, value).await.unwrap();
    }
    let row = buckets.find(&bucket()).await.unwrap().unwrap();
    assert_eq!(row.settings, texts(&[("cors", "two"), ("policy", "{\"a\": \"b'ü\"}")]));
    assert_eq!(buckets.find(&name("other")).await.unwrap().unwrap().settings, texts(&[]));
}

async fn concurrent_settings_all_stay(scratch: &Scratch) {
    let instances = [scratch.migrated().await.buckets(), scratch.connect().await.buckets()];
    let settings: Vec<_> = (0..40).map(|number| format!("setting-{number}")).collect();
    let tasks: Vec<_> = settings
        .iter()
        .enumerate()
        .map(|(number, setting)| {
            let (buckets, setting) = (instances[number % 2].clone(), setting.clone());
            tokio::spawn(async move { buckets.set(&bucket(), "root", &setting, Some(&setting)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let row = instances[0].find(&bucket()).await.unwrap().unwrap();
    assert_eq!(row.settings, settings.iter().map(|text| (text.clone(), text.clone())).collect());
}

async fn a_removed_bucket_is_made_anew_without_settings(scratch: &Scratch) {
    let buckets = scratch.migrated().await.buckets();
    buckets.make(&name("other"), "ann").await.unwrap();
    buckets.set(&bucket(), "ann", "cors", Some("c")).await.unwrap();
    buckets.remove(&bucket()).await.unwrap();
    buckets.remove(&bucket()).await.unwrap();
    assert_eq!(buckets.find(&bucket()).await.unwrap(), None);
    assert!(buckets.make(&bucket(), "bob").await.unwrap());
    let row = buckets.find(&bucket()).await.unwrap().unwrap();
    assert_eq!((row.owner.as_str(), row.settings), ("bob", texts(&[])));
    assert_eq!(buckets.all().await.unwrap().len(), 2);
}
