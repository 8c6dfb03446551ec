//! What is known of keys: whose they are, and their ACLs.

use relais_catalog::{Applied, ObjectRow};
use relais_model::ObjectFacts;

use crate::scratch::{Scratch, bucket, deleted, facts, stored, texts, write};

crate::on_both![
    owners_are_those_of_objects,
    owners_of_more_keys_than_one_statement_takes_are_found,
    objects_are_found_by_their_owner_page_by_page,
];

async fn owners_are_those_of_objects(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let by = |owner: &str| {
        let owner = owner.to_owned();
        Applied { object: Some(ObjectFacts { owner, ..facts("e1") }), ..stored("") }
    };
    for (name, owner) in [("a.jpg", "ann"), ("b.jpg", "bob"), ("c.jpg", "ann"), ("gone.jpg", "bob")] {
        write(&catalog, name, by(owner)).await;
    }
    write(&catalog, "gone.jpg", deleted()).await;
    let asked = ["a.jpg", "b.jpg", "gone.jpg", "unknown.jpg", "nul\0.jpg"];
    let owners = catalog.objects().owners(&bucket(), &asked).await.unwrap();
    assert_eq!(owners, texts(&[("a.jpg", "ann"), ("b.jpg", "bob")]));
    assert_eq!(catalog.objects().owners(&"other".parse().unwrap(), &asked).await.unwrap(), texts(&[]));
    assert_eq!(catalog.objects().owners(&bucket(), &[]).await.unwrap(), texts(&[]));
}

async fn owners_of_more_keys_than_one_statement_takes_are_found(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    let names: Vec<String> = (0..40_000).map(|number| format!("{number}.jpg")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in ["0.jpg", "39999.jpg"] {
        write(&catalog, name, stored("e1")).await;
    }
    let owners = catalog.objects().owners(&bucket(), &names).await.unwrap();
    assert_eq!(owners, texts(&[("0.jpg", "root"), ("39999.jpg", "root")]));
}

async fn objects_are_found_by_their_owner_page_by_page(scratch: &Scratch) {
    let catalog = scratch.migrated().await;
    for (name, owner) in [("b", "42"), ("a", "42"), ("c", "420"), ("gone", "42"), ("z", "42")] {
        let object = Some(ObjectFacts { owner: owner.to_owned(), ..facts("e1") });
        write(&catalog, name, Applied { object, ..stored("e1") }).await;
    }
    write(&catalog, "gone", deleted()).await;
    let objects = catalog.objects();
    let mut found = Vec::new();
    let mut after: Option<ObjectRow> = None;
    loop {
        let place = after.as_ref().map(|row| (&row.bucket, &row.key));
        let page = objects.of_owner("42", place, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page.into_iter().map(|row| row.key.to_string()));
    }
    assert_eq!(found, ["a", "b", "z"]);
    assert_eq!(objects.of_owner("4", None, 10).await.unwrap(), []);
    assert_eq!(objects.of_owner("4\0", None, 10).await.unwrap(), []);
}
