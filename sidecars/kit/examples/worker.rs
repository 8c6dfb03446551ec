//! A program with a worker for every way in which work can go: `worker KIND`, as the kit starts it.
//!
//! The tests of the kit run it. It is also the smallest example of [`relais_kit::serve_worker`]: a kind is a function
//! from a source to outputs, and `main` does nothing before it serves.

use std::process::ExitCode;
use std::time::Duration;
use std::{fs, hint, io, net, process, thread};

use relais_kit::{Output, Source, Work, WorkError, serve_worker};
use serde_json::json;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let work: Work = match arguments.get(1..).unwrap_or_default() {
        [worker, kind] if worker == "worker" => match kind.as_str() {
            "reverse" => reverse,
            "slow" => slow,
            "talkative" => talkative,
            "confined" => confined,
            "unusable" => |_| Err(WorkError::Unusable("nothing can be made of this".to_owned())),
            "temporary" => |_| Err(WorkError::Temporary("not today".to_owned())),
            "wordy" => |_| Ok(vec![output(vec![0; 40 * 1024 * 1024])]),
            "hanging" | "stubborn" => |_| hang(),
            "aborting" => |_| process::abort(),
            "leaving" => |_| process::exit(0),
            "panicking" => |source| panic!("cannot handle {:?}", source.bytes),
            "hungry" => hungry,
            "writing" => writing,
            _ => return ExitCode::FAILURE,
        },
        _ => return ExitCode::FAILURE,
    };
    serve_worker(work)
}

fn output(bytes: Vec<u8>) -> Output {
    Output { suffix: "_derived.txt".to_owned(), content_type: "text/plain".to_owned(), bytes }
}

fn reverse(source: &Source) -> Result<Vec<Output>, WorkError> {
    Ok(vec![output(source.bytes.iter().rev().copied().collect())])
}

fn slow(source: &Source) -> Result<Vec<Output>, WorkError> {
    thread::sleep(Duration::from_secs(2));
    reverse(source)
}

/// Prints more than a pipe holds, to both.
fn talkative(source: &Source) -> Result<Vec<Output>, WorkError> {
    for _ in 0..10_000 {
        println!("a line that a C library might print to standard output");
        eprintln!("a line that a C library might print to standard error");
    }
    reverse(source)
}

/// Tells what this process can reach; the task says where somebody listens.
fn confined(source: &Source) -> Result<Vec<Output>, WorkError> {
    let namespace =
        fs::read_link("/proc/self/ns/net").map_err(|error| WorkError::Temporary(error.to_string()))?;
    let listener = source.task["listener"].as_str().unwrap_or_default();
    let report = json!({
        "variables": std::env::vars_os().count(),
        "namespace": namespace.to_string_lossy(),
        "connected": net::TcpStream::connect(listener).is_ok(),
        "limits": fs::read_to_string("/proc/self/limits").unwrap_or_default(),
    });
    Ok(vec![output(report.to_string().into_bytes())])
}

fn hang() -> ! {
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

fn hungry(_: &Source) -> Result<Vec<Output>, WorkError> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(hint::black_box(vec![1; 64 * 1024 * 1024]));
    }
}

fn writing(_: &Source) -> Result<Vec<Output>, WorkError> {
    let file = std::env::temp_dir().join(format!("relais-worker-{}", process::id()));
    let written = fs::File::create(&file).and_then(|mut opened| {
        fs::remove_file(&file)?;
        io::Write::write_all(&mut opened, b"left behind")
    });
    Ok(vec![output(format!("{written:?}").into_bytes())])
}
