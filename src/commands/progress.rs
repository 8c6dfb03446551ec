//! How far a long command is: a bar on a terminal, a line now and then where there is none.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar moves while nothing is told.
const TICK: Duration = Duration::from_millis(120);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress of a command, on standard error.
pub(super) enum Shown {
    Bar(ProgressBar),
    /// When the last line was written.
    Lines(Mutex<Instant>),
    Nothing,
}

impl Shown {
    /// Something of unknown length. Without a terminal there are lines only where they are `wanted`.
    pub(super) fn spinner(wanted: bool) -> Self {
        Self::new(wanted, ProgressBar::new_spinner(), "{spinner} {elapsed} {msg}")
    }

    /// So many things, of which so many are done before the begin: with rate and remaining time.
    pub(super) fn bar(total: u64) -> Self {
        let style = "{bar:30} {pos}/{len}  {per_sec}  {eta} left  {msg}";
        Self::new(true, ProgressBar::new(total), style)
    }

    fn new(wanted: bool, bar: ProgressBar, style: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            let begun = || Self::Lines(Mutex::new(Instant::now()));
            return if wanted { begun() } else { Self::Nothing };
        }
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    /// Says how many are done, of how many, and what that is.
    pub(super) fn tell(&self, done: u64, text: impl FnOnce() -> String) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(text());
            }
            Self::Lines(last) => {
                let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    eprintln!("{}", text());
                }
            }
            Self::Nothing => {}
        }
    }

    /// Prints a line of the result on standard output, above the bar.
    pub(super) fn print(&self, line: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| println!("{line}")),
            Self::Lines(_) | Self::Nothing => println!("{line}"),
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
