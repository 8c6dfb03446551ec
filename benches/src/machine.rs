//! The machine that the numbers come from.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use chrono::Utc;

use crate::peers::nginx_version;

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) processor: String,
    pub(crate) memory: String,
    pub(crate) system: String,
    pub(crate) versions: String,
    /// Processes that wanted to run before the first turn, on average of a minute: others who use the machine.
    pub(crate) load_before: String,
}

impl Machine {
    pub(crate) fn describe(relais: &Path) -> anyhow::Result<Self> {
        let version = Command::new(relais).arg("--version").output()?;
        let relais = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let arguments = std::env::args().skip(1);
        let model =
            field("/proc/cpuinfo", "model name").unwrap_or_else(|_| std::env::consts::ARCH.to_owned());
        let memory_kib: u64 = field("/proc/meminfo", "MemTotal")?.trim_end_matches(" kB").parse()?;
        let distribution = field_of(&read("/etc/os-release")?, "PRETTY_NAME", '=').unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease")?;
        Ok(Self {
            date: Utc::now().date_naive().to_string(),
            command: std::iter::once("relais-benches".to_owned())
                .chain(arguments)
                .collect::<Vec<_>>()
                .join(" "),
            processor: format!("{} x {model}", std::thread::available_parallelism()?),
            memory: format!("{:.1} GiB", memory_kib as f64 / f64::from(1 << 20)),
            system: format!("{}, Linux {}", distribution.trim_matches('"'), kernel.trim()),
            versions: format!("{relais}, {}, s3s and s3s-aws 0.17", nginx_version()?),
            load_before: load_average()?,
        })
    }
}

/// Processes that want to run, on average of the last minute.
pub(crate) fn load_average() -> anyhow::Result<String> {
    let text = read("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

fn field(path: &str, name: &str) -> anyhow::Result<String> {
    field_of(&read(path)?, name, ':').with_context(|| format!("{path} has no {name}"))
}

fn field_of(text: &str, name: &str, separator: char) -> Option<String> {
    let fields = text.lines().filter_map(|line| line.split_once(separator));
    fields.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}
