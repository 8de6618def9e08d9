//! A node that runs in a root of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use quipu_tests::{PATIENCE, Program};

/// A node that serves. It is killed when this is dropped.
pub struct Served {
    program: Program,
    /// Where its operator finds it.
    pub admin: String,
}

impl Served {
    /// Starts it, and waits until it says where it is.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(command: Command) -> Self {
        let program = Program::start(command);
        let Some(admin) = program.stderr().find(PATIENCE, admin) else {
            panic!("the node does not start; it said:\n{}", program.stderr().text());
        };
        Self { program, admin }
    }

    /// Waits until a program that looks at it finds it well.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_until_well(&self, look: impl Fn() -> Command) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = Program::run(look());
            if found.code == Some(0) {
                return;
            }
            let said = self.program.stderr().text();
            assert!(Instant::now() < deadline, "it is not well: {}\n{}\n{said}", found.stdout, found.stderr);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whose process it is.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn user(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("Linux tells it");
        line.split_whitespace().next().expect("there is one").to_owned()
    }

    /// Ends it as systemd and containers do.
    ///
    /// # Panics
    /// When it does not end with exit code 0.
    pub fn stop(self) {
        self.program.terminate();
        let finished = self.program.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
}

/// The admin listener, from the line that says that the node serves.
fn admin(line: &str) -> Option<String> {
    let url = line.split_once("admin listener on http://")?.1;
    let end = url.find(|character: char| character.is_whitespace()).unwrap_or(url.len());
    let mut address: SocketAddr = url.get(..end)?.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Some(format!("http://{address}"))
}
