//! The child's side of a job: what `PROGRAM worker KIND` runs.
//!
//! Decoders and models meet whatever people upload, so they run where little can be lost. Before it reads a byte of the
//! source, the process gives up what the work does not need: new memory beyond a bound, writing files, core dumps, more
//! than a few open files, processor time beyond the timeout, and the network. The network is cut by a user and network
//! namespace of its own; where the kernel or a container's seccomp profile refuses that, the work goes on with the
//! network there, silently. The service starts the process with an empty environment, so there are no secrets in it.
//! Files stay readable, as far as the user may read them: the transcription worker has to load its model.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{self, ExitCode};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::dup2_stdout;

use crate::sidecar::Work;
use crate::wire::{self, Request};

/// Open files of a worker: the three pipes, a model, and what the C library opens for itself.
const OPEN_FILES_MAX: u64 = 32;

/// Reads a source from standard input, does the work and writes the outputs to standard output.
///
/// To be called first thing in `main`, before any thread runs: a process with several threads cannot leave the
/// network. Whatever the work prints goes to standard error, of which the service logs the end if the worker dies.
pub fn serve_worker(work: Work) -> ExitCode {
    // The place of a panic tells enough; its message may quote the object.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("panicked at {place}"),
        None => eprintln!("panicked"),
    }));
    match serve(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(work: Work) -> io::Result<()> {
    let answers = take_standard_output()?;
    leave_network();
    end_with_service(answers.try_clone()?)?;
    let mut requests = BufReader::new(io::stdin().lock());
    let request = wire::read_request(&mut requests)?;
    limit_resources(&request)?;
    let source = wire::read_source(&mut requests, request)?;
    let answer = work(&source);
    wire::write_answer(&mut BufWriter::new(File::from(answers)), &answer)
}

/// Keeps the pipe for the answer alone: what a C library prints lands on standard error instead.
fn take_standard_output() -> io::Result<OwnedFd> {
    let answers = io::stdout().as_fd().try_clone_to_owned()?;
    dup2_stdout(io::stderr())?;
    Ok(answers)
}

/// Leaves every network behind, where the kernel lets an ordinary user do so.
fn leave_network() {
    let _refused = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET);
}

/// Ends this process when the service is gone, also when it was killed: nobody would read the answer.
fn end_with_service(answers: OwnedFd) -> io::Result<()> {
    let watch = move || {
        // No event is asked for: what remains is the error that a pipe without reader reports.
        let mut pipe = [PollFd::new(answers.as_fd(), PollFlags::empty())];
        while nix::poll::poll(&mut pipe, PollTimeout::NONE).is_err() {}
        process::exit(1);
    };
    thread::Builder::new().name("service-watch".to_owned()).spawn(watch).map(drop)
}

fn limit_resources(request: &Request) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_AS, request.memory_bytes_max),
        (Resource::RLIMIT_CPU, request.processor_seconds_max),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, OPEN_FILES_MAX),
    ] {
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}
