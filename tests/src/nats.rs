//! NATS servers of a test's own, with streams: each in a folder and on ports of its own, gone with their handle.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testing::copy_folder;

use crate::gateway::free_port;
use crate::postmaster::{self, Signal};
use crate::program::Program;
use crate::wait::{PATIENCE, until};

/// A server alone, or several that are a cluster.
pub struct Nats {
    servers: Vec<Server>,
}

struct Server {
    folder: TempDir,
    client: u16,
    monitoring: u16,
    program: Option<Program>,
}

impl Nats {
    /// Starts a server alone.
    ///
    /// # Panics
    /// When there is none on this machine (Debian: nats-server), or it does not start.
    pub fn start() -> Self {
        Self::with(1, "")
    }

    /// Starts a server alone with these lines in its settings.
    ///
    /// # Panics
    /// As [`Nats::start`] does.
    pub fn start_with(settings: &str) -> Self {
        Self::with(1, settings)
    }

    /// Starts three servers that are a cluster.
    ///
    /// # Panics
    /// As [`Nats::start`] does.
    pub fn cluster() -> Self {
        Self::with(3, "")
    }

    /// Whether servers of this version can be told to sync what they acknowledge, of which clients know the version alone.
    ///
    /// # Panics
    /// When it does not tell its version.
    pub fn can_sync() -> bool {
        let told = Program::run({
            let mut command = Command::new(binary());
            command.arg("--version");
            command
        });
        let version = told.stdout.trim().rsplit('v').next().unwrap_or_default();
        let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
        let (major, minor) = numbers.next().zip(numbers.next()).expect("it tells its version");
        (major, minor) >= (2, 12)
    }

    fn with(count: usize, settings: &str) -> Self {
        // Between being found free and being used, a port may be taken by somebody else.
        let mut said = String::new();
        for _ in 0..5 {
            match Self::try_start(count, settings) {
                Ok(started) => return started,
                Err(why) => said = why,
            }
        }
        panic!("NATS starts on none of five sets of free ports; it said:\n{said}");
    }

    fn try_start(count: usize, settings: &str) -> Result<Self, String> {
        let routes: Vec<_> = (0..count).map(|_| free_port()).collect();
        let servers = (0..count).map(|place| Server::new(place, &routes, settings));
        let mut servers = Self { servers: servers.collect() };
        servers.servers.iter_mut().try_for_each(Server::try_start)?;
        Ok(servers)
    }

    /// Where a stream of this name is.
    pub fn url(&self, stream: &str) -> String {
        let servers: Vec<_> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.client)).collect();
        format!("nats://{}/{stream}", servers.join(","))
    }

    /// The names of all streams that the first server has.
    ///
    /// # Panics
    /// When it does not tell.
    pub async fn streams(&self) -> Vec<String> {
        let told = self.servers[0].streams().await.expect("it tells of its streams");
        told.iter().filter_map(|stream| Some(stream["name"].as_str()?.to_owned())).collect()
    }

    /// Which server leads the stream, once one does.
    ///
    /// # Panics
    /// When none does in time.
    pub async fn leader(&self, stream: &str) -> usize {
        until("a server leads the stream", async || {
            for server in self.servers.iter().filter(|server| server.program.is_some()) {
                let name = server.leader_of(stream).await;
                let Some(place) = name.and_then(|name| name.strip_prefix('n')?.parse().ok()) else {
                    continue;
                };
                // It may not have been noticed yet that the last one is gone.
                if self.servers.get(place).is_some_and(|server: &Server| server.program.is_some()) {
                    return Some(place);
                }
            }
            None
        })
        .await
    }

    /// Ends a server at once (SIGKILL).
    pub fn kill(&mut self, place: usize) {
        self.servers[place].program = None;
    }

    /// Starts a server again that was killed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self, place: usize) {
        self.servers[place].try_start().expect("it starts again");
    }

    /// Stops the first server where it is.
    ///
    /// # Panics
    /// When it does not stand still in time.
    pub fn stop_answering(&self) {
        self.signal(Signal::Stop);
        // Its threads stop one by one, each when it is its turn.
        let (id, deadline) = (self.first().id(), Instant::now() + PATIENCE);
        while !postmaster::stands_still(id) {
            assert!(Instant::now() < deadline, "the server does not stand still");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::Continue);
    }

    fn signal(&self, signal: Signal) {
        postmaster::signal(self.first().id(), signal);
    }

    fn first(&self) -> &Program {
        self.servers[0].program.as_ref().expect("it runs")
    }

    /// Keeps a copy of what the first server has, as a kill at that moment would leave it.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn back_up(&self) {
        let folder = self.servers[0].folder.path();
        self.stop_answering();
        copy_folder(&folder.join("store"), &folder.join("kept")).expect("it can be copied");
        self.go_on();
    }

    /// Kills it, takes away all that it has, and starts it again.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn lose_all(&mut self) {
        self.kill(0);
        let store = self.servers[0].folder.path().join("store");
        fs::remove_dir_all(store).expect("it can be removed");
        self.restart(0);
    }

    /// Kills it, gives it back what was copied, and starts it again.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn restore(&mut self) {
        self.kill(0);
        let folder = self.servers[0].folder.path();
        fs::remove_dir_all(folder.join("store")).expect("it can be removed");
        copy_folder(&folder.join("kept"), &folder.join("store")).expect("it can be copied");
        self.restart(0);
    }
}

impl Server {
    fn new(place: usize, routes: &[u16], more: &str) -> Self {
        let (folder, client, monitoring) = (tempfile::tempdir(), free_port(), free_port());
        let folder = folder.expect("temporary files can be written");
        let store = folder.path().join("store");
        let mut settings = format!(
            "server_name: n{place}\nlisten: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{monitoring}\"\n\
             max_payload: 16MB\njetstream {{ store_dir: {store:?}, max_memory_store: 64MB, max_file_store: 4GB }}\n{more}\n"
        );
        if let [_, _, ..] = routes {
            let urls: Vec<_> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
            let (own, urls) = (routes[place], urls.join(", "));
            settings += &format!("cluster {{ name: c, listen: \"127.0.0.1:{own}\", routes: [{urls}] }}\n");
        }
        fs::write(folder.path().join("settings"), settings).expect("temporary files can be written");
        Self { folder, client, monitoring, program: None }
    }

    /// Waits until it takes connections; what it said when it does not.
    fn try_start(&mut self) -> Result<(), String> {
        // It ends with the thread that starts it, and what is sent to the group of the test reaches it, too.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary());
        command.arg("--config").arg(self.folder.path().join("settings"));
        let program = Program::start(command);
        let said = program.stderr().clone();
        if said.find(PATIENCE, |line| line.contains("Server is ready").then_some(())).is_none() {
            return Err(said.text());
        }
        self.program = Some(program);
        Ok(())
    }

    /// The name of the server that leads a stream, as this one knows.
    async fn leader_of(&self, stream: &str) -> Option<String> {
        let streams = self.streams().await?;
        let found = streams.iter().find(|found| found["name"] == stream)?;
        Some(found["cluster"]["leader"].as_str()?.to_owned())
    }

    /// What it tells of its streams.
    async fn streams(&self) -> Option<Vec<Value>> {
        let url = format!("http://127.0.0.1:{}/jsz?accounts=1&streams=1", self.monitoring);
        let told: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
        let accounts = told["account_details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array());
        Some(streams.flatten().cloned().collect())
    }
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("nats-server")).find(|path| path.is_file());
    found.expect("nats-server is missing (Debian: nats-server)")
}
