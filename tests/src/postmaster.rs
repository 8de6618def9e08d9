//! The processes of a Postgres server, and what they may leave behind.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What is said to a process.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Stand still.
    Stop,
    /// Go on.
    Continue,
    /// End at once.
    Kill,
    /// To the first process of a server: end all connections, write everything, end.
    FastShutdown,
    /// To the first process of a server: end without writing; the next start recovers.
    ImmediateShutdown,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
            Self::Kill => "-KILL",
            Self::FastShutdown => "-INT",
            Self::ImmediateShutdown => "-QUIT",
        }
    }
}

/// A program of Postgres: from the search path, or the newest where Debian has them.
///
/// # Panics
/// When there is none.
pub fn binary(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(of_debian());
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no Postgres here: {name} is missing (Debian: postgresql)"))
}

/// The folders with the programs of each version, newest first.
fn of_debian() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut folders: Vec<_> =
        versions.filter_map(|entry| Some((number(&entry.path())?, entry.path().join("bin")))).collect();
    folders.sort_unstable_by(|one, other| other.cmp(one));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// Signals a process; it may have ended already.
pub fn signal(process: u32, signal: Signal) {
    send(signal, &[process]);
}

/// Signals the first process of a server, then all that it has started.
pub fn signal_all(server: u32, signal: Signal) {
    self::signal(server, signal);
    signal_children(server, signal);
}

/// Signals all that the first process of a server has started. Each of them is in a group of its own.
pub fn signal_children(server: u32, signal: Signal) {
    send(signal, &children(server));
}

fn children(server: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| parent(*number) == Some(server)).collect()
}

/// The processor time that a server has used, with all that it has started.
pub fn processor_time(server: u32) -> Duration {
    children(server).into_iter().fold(own_time(server), |sum, child| sum + own_time(child))
}

/// That of a process, and of those that it has started and that have ended.
fn own_time(process: u32) -> Duration {
    let fields = stat(process).unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u64>().ok());
    // Linux tells programs a hundredth of a second for a tick.
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn parent(process: u32) -> Option<u32> {
    stat(process)?.split(' ').nth(1)?.parse().ok()
}

/// Whether all threads of a process were stopped.
pub fn stands_still(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let mut threads = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    threads.all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}

/// What the system says of a process, from its state on. The name before that may hold anything.
fn stat(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

fn send(signal: Signal, processes: &[u32]) {
    if !processes.is_empty() {
        // A process that has ended meanwhile is what makes it fail, and it says so on standard error.
        let _ = Command::new("kill").arg(signal.name()).args(processes.iter().map(u32::to_string)).output();
    }
}

/// The number of the System V shared memory that a server in this folder holds, or has left behind.
pub fn shared_memory(data: &Path) -> Option<String> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    // The seventh line: key and number.
    Some(file.lines().nth(6)?.split_whitespace().nth(1)?.to_owned())
}

/// Frees what a server has left behind that was killed.
pub fn remove_shared_memory(data: &Path) {
    if let Some(number) = shared_memory(data) {
        let _ = Command::new("ipcrm").args(["--shmem-id", &number]).output();
    }
}
