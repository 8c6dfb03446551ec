//! From an event to derived objects, with real worker processes, a real folder, SQLite and the embedded bus.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod node;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use node::{Node, Testing, config, worker};
use relais_catalog::{Job, JobState};
use relais_kit::{DERIVED_FROM, RECIPE, SOURCE_ETAG};
use relais_model::DerivedFrom;
use serde_json::json;

/// Puts one object and waits until its job has given up.
async fn dead(node: &Node) -> Job {
    node.put("a.txt", b"meow").await;
    let job = node.job("a.txt", JobState::Dead).await;
    assert!(node.read("a_derived.txt").await.is_none());
    job
}

#[tokio::test]
async fn an_object_gets_its_derived_object() {
    let node = Node::start("reverse").await;
    node.put("notes/a b é.txt", b"meow").await;
    let job = node.job("notes/a b é.txt", JobState::Done).await;

    assert_eq!(job.result, Some(json!({ "outputs": ["notes/a b é_derived.txt"] })));
    let derived = node.read("notes/a b é_derived.txt").await.unwrap();
    assert_eq!(derived.bytes, b"woem");
    assert_eq!(derived.content_type.as_deref(), Some("text/plain"));
    assert_eq!(derived.metadata[DERIVED_FROM], "notes/a%20b%20%C3%A9.txt");
    assert_eq!(derived.metadata[SOURCE_ETAG], "4a4be40c96ac6314e91d93f38043a634");
    assert_eq!(derived.metadata[RECIPE], "testing/1");
    node.stop().await;
}

#[tokio::test]
async fn each_write_of_a_key_has_its_derived_object_made() {
    let node = Node::start("reverse").await;
    for (bytes, reversed) in [(b"meow", b"woem"), (b"purr", b"rrup"), (b"meow", b"woem")] {
        node.put("a.txt", bytes).await;
        node.job("a.txt", JobState::Done).await;
        // The job that `latest` gave may still be that of the write before.
        while node.read("a_derived.txt").await.unwrap().bytes != reversed {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn derived_objects_are_not_sources() {
    let node = Node::start("reverse").await;
    let etag = node.store("a_derived.txt", b"woem").await;
    let from = DerivedFrom { key: "a.txt".parse().unwrap(), etag: etag.clone() };
    node.announce("a_derived.txt", &etag, Some(from)).await;
    node.put("b.txt", b"meow").await;
    node.job("b.txt", JobState::Done).await;

    // Events come in order: had the first one given a job, it would be done or be the oldest.
    assert_eq!(node.jobs_done().await, 1);
    assert!(node.read("a_derived_derived.txt").await.is_none());
    node.stop().await;
}

#[tokio::test]
async fn many_objects_pass_through_few_slots() {
    let node = Node::start("reverse").await;
    for number in 0..20 {
        node.put(&format!("{number}.txt"), format!("{number:03}").as_bytes()).await;
    }
    for number in 0..20 {
        node.job(&format!("{number}.txt"), JobState::Done).await;
        let reversed: String = format!("{number:03}").chars().rev().collect();
        assert_eq!(node.read(&format!("{number}_derived.txt")).await.unwrap().bytes, reversed.as_bytes());
    }
    node.stop().await;
}

#[tokio::test]
async fn a_source_that_is_gone_or_replaced_gives_nothing() {
    let node = Node::start("reverse").await;
    node.announce("gone.txt", "4a4be40c96ac6314e91d93f38043a634", None).await;
    node.store("replaced.txt", b"purr").await;
    node.announce("replaced.txt", "4a4be40c96ac6314e91d93f38043a634", None).await;
    for key in ["gone", "replaced"] {
        let job = node.job(&format!("{key}.txt"), JobState::Done).await;
        assert_eq!(job.result, Some(json!({ "outputs": [], "superseded": true })));
        assert!(node.read(&format!("{key}_derived.txt")).await.is_none());
    }
    node.stop().await;
}

#[tokio::test]
async fn a_source_that_is_replaced_during_the_work_gives_nothing() {
    let node = Node::start("slow").await;
    node.put("a.txt", b"meow").await;
    node.job("a.txt", JobState::Running).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    node.store("a.txt", b"purr").await;

    let job = node.job("a.txt", JobState::Done).await;
    assert_eq!(job.result, Some(json!({ "outputs": [], "superseded": true })));
    assert!(node.read("a_derived.txt").await.is_none());
    node.stop().await;
}

#[tokio::test]
async fn what_a_client_has_written_is_not_overwritten() {
    let node = Node::start("reverse").await;
    node.store("a_derived.txt", b"mine").await;
    node.put("a.txt", b"meow").await;
    let job = node.job("a.txt", JobState::Dead).await;
    assert_eq!(job.error.as_deref(), Some("a_derived.txt is there already and was not derived"));
    assert_eq!(node.read("a_derived.txt").await.unwrap().bytes, b"mine");
    node.stop().await;
}

#[tokio::test]
async fn a_source_that_is_too_large_is_refused_before_a_worker_starts() {
    let sidecar = Testing { kind: "reverse", task: json!({}) };
    let node = Node::start_with(sidecar, config(), "/there/is/no/such/program".into()).await;
    node.put("a.txt", &vec![0; 1_000_001]).await;
    let job = node.job("a.txt", JobState::Dead).await;
    assert_eq!(job.error.as_deref(), Some("1000001 bytes are more than the 1000000 allowed"));
    assert_eq!(job.attempts, 1);
    node.stop().await;
}

#[tokio::test]
async fn an_unusable_source_is_given_up_at_once() {
    let node = Node::start("unusable").await;
    let job = dead(&node).await;
    assert_eq!((job.attempts, job.error.as_deref()), (1, Some("nothing can be made of this")));
    node.stop().await;
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_and_then_given_up() {
    let node = Node::start("temporary").await;
    let job = dead(&node).await;
    assert_eq!((job.attempts, job.crashes, job.error.as_deref()), (2, 0, Some("not today")));
    node.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_is_tried_twice() {
    for (kind, end) in [
        ("aborting", "signal: 6 (SIGABRT)"),
        ("panicking", "exit status: 101"),
        ("leaving", "exit status: 0"),
        ("hungry", "signal: 6 (SIGABRT)"),
        ("writing", "signal: 25 (SIGXFSZ)"),
    ] {
        let node = Node::start(kind).await;
        let job = dead(&node).await;
        assert_eq!((job.attempts, job.crashes), (2, 1), "{kind}");
        let error = job.error.unwrap();
        assert!(error.starts_with(&format!("the worker process died: {end}")), "{kind}: {error}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_worker_that_hangs_is_ended_in_time() {
    let sidecar = Testing { kind: "hanging", task: json!({}) };
    let config = relais_kit::Config { timeout: Duration::from_secs(1), attempts_max: 1, ..config() };
    let node = Node::start_with(sidecar, config, worker()).await;
    let job = dead(&node).await;
    assert_eq!(job.error.as_deref(), Some("not done after 1 s"));
    assert_eq!(workers("hanging"), 0);
    node.stop().await;
}

#[tokio::test]
async fn outputs_beyond_all_measure_are_refused() {
    let node = Node::start("wordy").await;
    let job = dead(&node).await;
    assert_eq!(job.error.as_deref(), Some("the outputs are larger than 33554432 bytes"));
    node.stop().await;
}

#[tokio::test]
async fn what_a_worker_prints_neither_blocks_nor_mixes_with_its_answer() {
    let node = Node::start("talkative").await;
    node.put("a.txt", b"meow").await;
    node.job("a.txt", JobState::Done).await;
    assert_eq!(node.read("a_derived.txt").await.unwrap().bytes, b"woem");
    node.stop().await;
}

#[tokio::test]
async fn a_worker_reaches_little() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let task = json!({ "listener": listener.local_addr().unwrap().to_string() });
    let node = Node::start_with(Testing { kind: "confined", task }, config(), worker()).await;
    node.put("a.txt", b"meow").await;
    node.job("a.txt", JobState::Done).await;
    let report: serde_json::Value =
        serde_json::from_slice(&node.read("a_derived.txt").await.unwrap().bytes).unwrap();

    assert_eq!(report["variables"], 1, "GGML_NO_BACKTRACE, which is no secret, and nothing of ours");
    // Where the kernel refuses namespaces, as in many containers, the network stays: then the two are the same.
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(report["connected"], report["namespace"] == *ours.to_string_lossy());
    let limits = report["limits"].as_str().unwrap();
    for (name, limit) in [
        ("Max address space", 256 << 20),
        ("Max file size", 0),
        ("Max core file size", 0),
        ("Max open files", 32),
        ("Max cpu time", 6 * std::thread::available_parallelism().unwrap().get()),
    ] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns[..2], [limit.to_string(), limit.to_string()], "{name}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_long_job_keeps_its_lease() {
    let sidecar = Testing { kind: "slow", task: json!({}) };
    let config = relais_kit::Config { lease: Duration::from_secs(1), ..config() };
    let node = Node::start_with(sidecar, config, worker()).await;
    node.put("a.txt", b"meow").await;
    let job = node.job("a.txt", JobState::Done).await;
    assert_eq!((job.attempts, job.crashes), (1, 0));
    node.stop().await;
}

#[tokio::test]
async fn a_stop_puts_back_what_is_not_done_and_leaves_no_process() {
    let sidecar = Testing { kind: "stubborn", task: json!({}) };
    let config = relais_kit::Config { timeout: Duration::from_secs(60), ..config() };
    let node = Node::start_with(sidecar, config, worker()).await;
    node.put("a.txt", b"meow").await;
    node.job("a.txt", JobState::Running).await;
    while workers("stubborn") == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let catalog = node.stop().await;
    assert_eq!(workers("stubborn"), 0);
    assert_eq!(catalog.jobs().count("stubborn", JobState::Queued).await.unwrap(), 1);
}

/// Worker processes of a kind that this test started and that have not ended.
fn workers(kind: &str) -> usize {
    let arguments = format!("worker\0{kind}\0");
    let ours = |process: &std::path::Path| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        // After the name in parentheses: state, parent.
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1))
            == Some(&std::process::id().to_string())
    };
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes
        .filter(|process| {
            std::fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.ends_with(&arguments))
        })
        .filter(|process| ours(process))
        .count()
}

#[test]
fn a_worker_ends_when_nobody_would_hear_its_answer() {
    let mut child = Command::new(worker())
        .args(["worker", "reverse"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its source");

    drop(child.stdout.take());
    let dropped = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(dropped.elapsed() < Duration::from_secs(5), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}
