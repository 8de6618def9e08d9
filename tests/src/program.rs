//! A child process whose output is kept, and that does not outlive its handle.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::postmaster;
use crate::wait::PATIENCE;

/// A running program. It is killed and reaped when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// A program that has ended, and what it said.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// Starts it, with its output kept; its standard input is a pipe that is closed when this is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command) -> Self {
        Self::with_stderr(command, Stdio::piped())
    }

    /// Starts it with this as its standard error, which is kept only if it is piped.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn with_stderr(mut command: Command, stderr: Stdio) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdout = Output::follow(child.stdout.take().expect("it is piped"));
        let stderr = match child.stderr.take() {
            Some(stderr) => Output::follow(stderr),
            None => Output::follow(io::empty()),
        };
        Self { name, child, stdout, stderr }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started, or does not end in time.
    pub fn run(command: Command) -> Finished {
        Self::start(command).finish()
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has used, with all that it has started.
    pub fn processor_time(&self) -> Duration {
        postmaster::processor_time(self.id())
    }

    /// The most memory that it ever had, in bytes; none once it has ended.
    pub fn peak_memory(&self) -> Option<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib << 10)
    }

    /// What it writes to standard output.
    pub fn stdout(&self) -> &Output {
        &self.stdout
    }

    /// What it writes to standard error.
    pub fn stderr(&self) -> &Output {
        &self.stderr
    }

    /// Ends it at once, as a power cut would end it, and waits until it is gone.
    pub fn kill(&mut self) {
        // It fails only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot signal {}", self.name);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn finish(mut self) -> Finished {
        let deadline = Instant::now() + PATIENCE * 2;
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            let (name, said) = (&self.name, self.stderr.text());
            assert!(Instant::now() < deadline, "{name} does not end; on standard error it said:\n{said}");
            thread::sleep(Duration::from_millis(5));
        };
        let code = status.code();
        Finished { code, stdout: self.stdout.to_the_end(), stderr: self.stderr.to_the_end() }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The output of a program, as it comes.
#[derive(Clone)]
pub struct Output(Arc<Kept>);

struct Kept {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    fn follow(source: impl Read + Send + 'static) -> Self {
        let output = Self(Arc::new(Kept { lines: Mutex::default(), changed: Condvar::new() }));
        let kept = output.0.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                kept.change(|lines| lines.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            kept.change(|lines| lines.ended = true);
        });
        output
    }

    /// All of it so far.
    pub fn text(&self) -> String {
        self.0.lines.lock().expect("nobody panics with it").lines.join("\n")
    }

    /// What is found in the first line in which something is found; none when the output ends without, or the time
    /// is over.
    pub fn find<T>(&self, within: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut lines = self.0.lines.lock().expect("nobody panics with it");
        let mut seen = 0;
        loop {
            let found = lines.lines[seen..].iter().find_map(|line| find(line));
            seen = lines.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || lines.ended || left.is_zero() {
                return found;
            }
            lines = self.0.changed.wait_timeout(lines, left).expect("nobody panics with it").0;
        }
    }

    /// All of it, once the other side has closed it: soon after the program has ended.
    fn to_the_end(&self) -> String {
        let never: Option<()> = self.find(PATIENCE, |_| None);
        debug_assert!(never.is_none());
        self.text()
    }
}

impl Kept {
    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.lines.lock().expect("nobody panics with it"));
        self.changed.notify_all();
    }
}
