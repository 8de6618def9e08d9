//! A node that runs.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Client;
use crate::launch::Launch;
use crate::program::{Finished, Output, Program};
use crate::wait::PATIENCE;

/// A node that serves. It is killed when this is dropped.
pub struct Node {
    program: Program,
    public: SocketAddr,
    admin: SocketAddr,
    /// Where the token is that it makes for its admin listener.
    token: PathBuf,
}

impl Node {
    pub(crate) fn start(launch: &Launch) -> Self {
        let program = launch.program();
        let Some((public, admin)) = program.stderr().find(PATIENCE, ready) else {
            panic!("the node does not start; it said:\n{}", program.stderr().text());
        };
        Self { program, public, admin, token: launch.data().join("admin-token") }
    }

    /// Waits until it knows the block height. It asks the gateway in the background.
    pub(crate) fn wait_for_height(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.knows_height().unwrap_or(false) {
            let said = self.log().text();
            assert!(
                Instant::now() < deadline,
                "the node does not get to know the block height; it said:\n{said}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn knows_height(&self) -> io::Result<bool> {
        let mut socket = TcpStream::connect(self.public)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"GET /timestamp HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    }

    /// Where clients find it.
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// Where its operator finds it.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// The same as an address.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// A client of its admin listener, with the token that the node has made, if it has.
    pub fn admin(&self) -> Client {
        match fs::read_to_string(&self.token) {
            Ok(token) => Client::operator(&self.admin_url(), token.trim_end()),
            Err(_) => Client::new(&self.admin_url()),
        }
    }

    /// The token that it has made for its admin listener.
    ///
    /// # Panics
    /// When it has made none.
    pub fn token(&self) -> String {
        let token = fs::read_to_string(&self.token).expect("the node has made a token");
        token.trim_end().to_owned()
    }

    /// What it writes to its log.
    pub fn log(&self) -> &Output {
        self.program.stderr()
    }

    /// What it said in a line with this text.
    ///
    /// # Panics
    /// When it does not say so in time.
    pub fn said(&self, text: &str) -> String {
        let found = self.log().find(PATIENCE, |line| line.contains(text).then(|| line.to_owned()));
        found.unwrap_or_else(|| panic!("the node did not say {text:?} but:\n{}", self.log().text()))
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The most memory that it ever had in use, in bytes.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn peak_memory(&self) -> usize {
        self.program.peak_memory().expect("the node runs")
    }

    /// How much time of processors it has had till now, in ticks of the system: a measure of what it does that does not
    /// depend on what else the machine has to do.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the node runs");
        ticks(&stat)
    }

    /// The part of that which its signing threads had.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn signing_ticks(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).expect("the node runs");
        // One that has ended meanwhile is none of them.
        let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        let signing: Vec<u64> =
            stats.filter(|stat| stat.contains("(sign-")).map(|stat| ticks(&stat)).collect();
        assert!(!signing.is_empty(), "no thread of the node signs");
        signing.iter().sum()
    }

    /// Kills it (SIGKILL) and waits until it is gone; what it had said.
    pub fn kill(mut self) -> String {
        self.program.kill();
        self.log().text()
    }

    /// Asks it to stop (SIGTERM) without waiting.
    pub fn terminate(&self) {
        self.program.terminate();
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When that cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name}");
    }

    /// Waits until it has ended by itself.
    pub fn finish(self) -> Finished {
        self.program.finish()
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When it does not end with exit code 0.
    pub fn stop(self) -> Finished {
        self.terminate();
        let finished = self.finish();
        assert_eq!(finished.code, Some(0), "stopping failed; it said:\n{}", finished.stderr);
        finished
    }
}

/// The two addresses, from the line that says that the node serves.
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let serves =
        |message: &&str| ["scheduling on", "serving as"].iter().any(|begin| message.starts_with(begin));
    fields["message"].as_str().filter(serves)?;
    let address = |name: &str| {
        let mut address: SocketAddr = fields[name].as_str()?.parse().ok()?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Some(address)
    };
    Some((address("public")?, address("admin")?))
}

/// The ticks of a process or thread of which this is what the system tells.
fn ticks(stat: &str) -> u64 {
    let (_, after_name) = stat.rsplit_once(')').expect("Linux tells its name");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = [11, 12].map(|place| fields.get(place).and_then(|ticks| ticks.parse::<u64>().ok()));
    ticks.into_iter().map(|ticks| ticks.expect("Linux tells it")).sum()
}
