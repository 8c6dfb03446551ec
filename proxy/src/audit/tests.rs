//! Order, rotation, a full queue, and what a line looks like.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Audit, Config, Decision, Entry, QUEUE_MAX, Queue, Via, Writer};

fn entry(key: &str) -> Entry<'_> {
    let entry = Entry::new(("42", Via::Bearer), "s3:GetObject", Decision::Deny, "no statement allows it");
    Entry { key: Some(key), ..entry }
}

async fn open(folder: &tempfile::TempDir) -> (Audit, Writer) {
    let config = Config { file: Some("audit.jsonl".into()) };
    Audit::open(&config, folder.path()).await.unwrap()
}

fn keys(file: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    text.lines().map(key).collect()
}

#[tokio::test]
async fn entries_are_written_in_order_and_all_by_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, writer) = open(&folder).await;
    let sent: Vec<String> = (0..2 * QUEUE_MAX).map(|number| format!("k{number}")).collect();
    for key in &sent {
        audit.record(entry(key)).await;
    }
    writer.close().await;
    assert_eq!(keys(&folder.path().join("audit.jsonl")), sent);
    audit.record(entry("too late")).await; // Lost, and nothing hangs.
}

#[tokio::test]
async fn a_second_process_goes_on_in_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    for key in ["a", "b"] {
        let (audit, writer) = open(&folder).await;
        audit.record(entry(key)).await;
        writer.close().await;
    }
    assert_eq!(keys(&folder.path().join("audit.jsonl")), ["a", "b"]);
}

#[tokio::test]
async fn an_entry_is_on_disk_within_moments_and_a_file_that_was_moved_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (file, moved) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
    let (audit, writer) = open(&folder).await;
    audit.record(entry("before")).await;
    until(|| keys(&file) == ["before"]).await;
    std::fs::rename(&file, &moved).unwrap();
    until(|| file.exists()).await;
    audit.record(entry("after")).await;
    writer.close().await;
    assert_eq!((keys(&moved), keys(&file)), (vec!["before".to_owned()], vec!["after".to_owned()]));
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within five seconds");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_costs_a_request_a_moment_and_the_entry_is_counted_as_lost() {
    let (lines, mut queue) = tokio::sync::mpsc::channel(1);
    let audit = Audit(Some(Queue { lines, lost: std::sync::Arc::default() }));
    audit.record(entry("first")).await;
    let begun = tokio::time::Instant::now();
    audit.record(entry("second")).await;
    assert_eq!(begun.elapsed(), super::QUEUE_PATIENCE);
    assert_eq!(audit.0.as_ref().unwrap().lost.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(String::from_utf8(queue.recv().await.unwrap()).unwrap().contains("first"));
    audit.record(entry("third")).await;
    assert!(String::from_utf8(queue.recv().await.unwrap()).unwrap().contains("third"));
}

#[tokio::test]
async fn a_log_that_is_off_takes_entries_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, writer) = Audit::open(&Config::default(), folder.path()).await.unwrap();
    assert!(!audit.is_on());
    audit.record(entry("k")).await;
    writer.close().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { file: Some("no/such/folder/audit.jsonl".into()) };
    let refused = Audit::open(&config, folder.path()).await.unwrap_err().to_string();
    assert!(refused.contains("audit.file") && refused.contains("no/such/folder"), "{refused}");
}

#[test]
fn a_line_has_what_is_known_and_no_more() {
    let roles = ["user", "editor"];
    let whole = Entry {
        time: chrono::DateTime::from_timestamp(1_800_000_000, 123_456_789).unwrap(),
        request_id: Some("3F2A"),
        issuer: Some("idp"),
        roles: &roles,
        bucket: Some("media"),
        version: Some("v1"),
        source_ip: Some("127.0.0.1"),
        status: Some(403),
        ..entry("a\nb\"c")
    };
    let line = String::from_utf8(whole.to_line()).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "a key cannot forge a line");
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        read,
        json!({
            "time": "2027-01-15T08:00:00.123456Z", "request_id": "3F2A", "principal": "42", "via": "bearer",
            "issuer": "idp", "roles": ["user", "editor"], "action": "s3:GetObject", "bucket": "media",
            "key": "a\nb\"c", "version": "v1", "source_ip": "127.0.0.1", "decision": "deny",
            "reason": "no statement allows it", "status": 403
        })
    );
    let least = Entry::new(("anonymous", Via::Anonymous), "auth:Login", Decision::Allow, "password");
    let read: Value = serde_json::from_slice(&least.to_line()).unwrap();
    let mut names: Vec<_> = read.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["action", "decision", "principal", "reason", "time", "via"]);
    let names = [Via::Key, Via::SessionToken, Via::Sts, Via::Root, Via::Service].map(|via| json!(via));
    assert_eq!(names, ["key", "session_token", "sts", "root", "service"].map(|name| json!(name)));
}
