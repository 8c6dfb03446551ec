use relais_model::ReplicaState::{Current, Failed, Pending};

use super::*;

fn told(states: &[(&str, ReplicaState)], configured: &[&str], seer: Seer) -> (String, Option<String>) {
    let row = states.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect();
    let replicas: Vec<Replica> = configured.iter().map(|name| name.parse().unwrap()).collect();
    let mut headers = HeaderMap::new();
    States::of_row(replicas.iter(), &row).tell(&mut headers, seer);
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    (text(&STATUS).unwrap(), text(&REPLICAS))
}

#[test]
fn the_worst_replica_decides() {
    let status = |one, other| told(&[("a", one), ("b:media", other)], &["a", "b:media"], Seer::Client).0;
    assert_eq!(status(Current, Current), "COMPLETED");
    assert_eq!(status(Current, Pending), "PENDING");
    assert_eq!(status(Pending, Failed), "FAILED");
}

#[test]
fn a_replica_that_was_added_since_has_nothing_yet_and_one_that_was_taken_out_does_not_count() {
    let told = told(&[("a", Current), ("gone", Failed)], &["a", "new"], Seer::Operator);
    assert_eq!(told, ("PENDING".to_owned(), Some("a=current, new=pending".to_owned())));
}

#[test]
fn only_operators_hear_of_each_replica() {
    let states = [("a", Current), ("b:media", Failed)];
    assert_eq!(told(&states, &["a", "b:media"], Seer::Client).1, None);
    let each = told(&states, &["a", "b:media"], Seer::Operator).1;
    assert_eq!(each.as_deref(), Some("a=current, b=failed"));
}

#[test]
fn an_operator_is_the_root_key_and_nobody_who_was_not_asked() {
    let seer = |identity: Option<Identity>| {
        let mut extensions = Extensions::new();
        if let Some(identity) = identity {
            Asker::new(identity, None).put_into(&mut extensions);
        }
        Seer::of(&extensions)
    };
    assert_eq!(seer(Some(Identity::Root)), Seer::Operator);
    assert_eq!(seer(Some(Identity::Account("alice".to_owned()))), Seer::Client);
    assert_eq!(seer(Some(Identity::Anonymous)), Seer::Client);
    assert_eq!(seer(None), Seer::Client);
}
