//! A Postgres of a test's own: in a folder of its own, on a port of its own, gone with its handle, and as well with
//! the thread that started it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;

use crate::gateway::free_port;
use crate::postmaster::{self, Signal};
use crate::program::Program;
use crate::wait::PATIENCE;

/// A server that runs, or is down for a while. It has a role `quipu` that is nobody special and owns its databases,
/// as an operator would set it up.
pub struct Postgres {
    folder: TempDir,
    prefix: Vec<String>,
    durable: bool,
    port: u16,
    server: Option<Program>,
}

impl Postgres {
    /// The password of the role `quipu`.
    pub const PASSWORD: &str = "knots-on-cords";

    /// Makes and starts a server. It does not sync, as no test cuts the power.
    ///
    /// # Panics
    /// When there is no Postgres on this machine, or it does not start.
    pub fn start() -> Self {
        Self::with(&[], false)
    }

    /// One that syncs, for tests that measure.
    ///
    /// # Panics
    /// As [`Postgres::start`] does.
    pub fn start_durable() -> Self {
        Self::with(&[], true)
    }

    /// One whose server is started by another program that is given its command line.
    ///
    /// # Panics
    /// As [`Postgres::start`] does.
    pub fn start_through(prefix: &[&str]) -> Self {
        Self::with(prefix, false)
    }

    fn with(prefix: &[&str], durable: bool) -> Self {
        let folder = folder_for_server();
        let data = folder.path().join("data");
        let mut initdb = as_server(&[]);
        initdb.arg(postmaster::binary("initdb")).arg("--pgdata").arg(&data).args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        ]);
        let made = Program::run(initdb);
        assert_eq!(made.code, Some(0), "initdb: {}{}", made.stdout, made.stderr);

        let prefix = prefix.iter().map(|word| (*word).to_owned()).collect();
        let postgres = Self::in_folder(folder, prefix, durable);
        postgres.sql("postgres", &format!("create role quipu login password '{}'", Self::PASSWORD));
        postgres.create_database("quipu");
        postgres
    }

    /// Starts what is in a folder.
    fn in_folder(folder: TempDir, prefix: Vec<String>, durable: bool) -> Self {
        let mut postgres = Self { folder, prefix, durable, port: 0, server: None };
        // Between being found free and being used, the port may be taken by somebody else.
        let started = (0..5).any(|_| {
            postgres.port = free_port();
            postgres.try_start().is_ok()
        });
        assert!(started, "Postgres starts on one of five free ports");
        postgres
    }

    /// Makes and starts a copy of this server that follows it under a name.
    pub(crate) fn standby(&self, name: &str) -> Self {
        let folder = folder_for_server();
        let data = folder.path().join("data");
        let mut copy = as_server(&[]);
        copy.arg(postmaster::binary("pg_basebackup")).arg("--pgdata").arg(&data);
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync", "--dbname"]);
        copy.arg(self.followed_as(name));
        let copied = Program::run(copy);
        assert_eq!(copied.code, Some(0), "pg_basebackup: {}{}", copied.stdout, copied.stderr);
        Self::in_folder(folder, self.prefix.clone(), self.durable)
    }

    /// How a server connects that follows this one under a name.
    pub(crate) fn followed_as(&self, name: &str) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} port={} user=postgres application_name={name}", self.port)
    }

    /// Where the database `quipu` is, which is empty at first.
    pub fn url(&self) -> String {
        self.url_for("quipu")
    }

    /// Where another database is.
    pub fn url_for(&self, database: &str) -> String {
        self.url_with(Self::PASSWORD, database)
    }

    /// The same with another password.
    pub fn url_with(&self, password: &str, database: &str) -> String {
        format!("postgres://quipu:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where the database `quipu` is by way of another port of this machine.
    pub fn url_on(&self, port: u16) -> String {
        format!("postgres://quipu:{}@127.0.0.1:{port}/quipu", Self::PASSWORD)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database; its URL.
    ///
    /// # Panics
    /// When it cannot.
    pub fn create_database(&self, name: &str) -> String {
        self.sql("postgres", &format!("create database {name} owner quipu"));
        self.url_for(name)
    }

    /// Connections to the database `quipu`.
    ///
    /// # Panics
    /// When it does not connect.
    pub async fn pool(&self) -> PgPool {
        self.pool_of("quipu").await
    }

    /// Connections to another database.
    ///
    /// # Panics
    /// When it does not connect.
    pub async fn pool_of(&self, database: &str) -> PgPool {
        let options = PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
        options.connect(&self.url_for(database)).await.expect("the server is there and takes the password")
    }

    /// Runs SQL as the superuser; what it gave, a line for each row.
    ///
    /// # Panics
    /// With what is wrong with it.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.psql(database);
        psql.args(["--command", sql]);
        let finished = Program::run(psql);
        assert_eq!(finished.code, Some(0), "{sql}: {}", finished.stderr);
        finished.stdout
    }

    /// Runs SQL that is too long for a command line, or has data in it, as the superuser.
    ///
    /// # Panics
    /// As [`Postgres::sql`] does.
    pub fn sql_file(&self, database: &str, sql: &str) {
        let file = self.folder.path().join("script.sql");
        fs::write(&file, sql).expect("the folder can be written to");
        let mut psql = self.psql(database);
        psql.arg("--single-transaction").arg("--file").arg(&file);
        let finished = Program::run(psql);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }

    /// Runs a dump, which is packed with gzip.
    ///
    /// # Panics
    /// As [`Postgres::sql`] does.
    pub fn restore(&self, database: &str, dump: &Path) {
        let packed = fs::File::open(dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
        let mut sql = String::new();
        GzDecoder::new(packed).read_to_string(&mut sql).expect("a dump is text");
        self.sql_file(database, &sql);
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(postmaster::binary("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        psql.arg("--host").arg(self.folder.path()).arg("--port").arg(self.port.to_string());
        psql.args(["--username=postgres", "--dbname", database]);
        psql
    }

    /// The processor time that all of its processes have used.
    pub fn processor_time(&self) -> Duration {
        self.server.as_ref().map_or(Duration::ZERO, |server| postmaster::processor_time(server.id()))
    }

    /// Kills all of its processes (SIGKILL), as a power cut would. What was committed is there after a restart.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            postmaster::signal_all(server.id(), Signal::Stop);
            postmaster::signal_children(server.id(), Signal::Kill);
            server.kill();
        }
    }

    /// Stops it in order; from then on its port refuses connections.
    pub fn refuse(&mut self) {
        if let Some(server) = self.server.take() {
            postmaster::signal(server.id(), Signal::FastShutdown);
            server.finish();
        }
    }

    /// Starts it again on the same port, after it was killed or while it runs.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.refuse();
        self.try_start().unwrap_or_else(|said| panic!("Postgres does not start again; it said:\n{said}"));
    }

    /// Stops all of its processes where they are: connections are neither answered nor refused.
    pub fn stop_answering(&self) {
        self.signal_all(Signal::Stop);
    }

    /// Lets it go on after [`Postgres::stop_answering`].
    pub fn go_on(&self) {
        self.signal_all(Signal::Continue);
    }

    fn signal_all(&self, signal: Signal) {
        let server = self.server.as_ref().expect("the server runs");
        postmaster::signal_all(server.id(), signal);
    }

    /// Waits until it takes connections; what it said when it does not.
    fn try_start(&mut self) -> Result<(), String> {
        let mut command = as_server(&self.prefix);
        let data = self.folder.path().join("data");
        command.arg(postmaster::binary("postgres")).arg("-D").arg(data).arg("-k").arg(self.folder.path());
        command.arg("-p").arg(self.port.to_string());
        let sync = if self.durable { "on" } else { "off" };
        for (name, value) in [
            ("listen_addresses", "127.0.0.1"),
            ("fsync", sync),
            ("full_page_writes", sync),
            // In a file of the data folder, where nothing of it is left behind.
            ("dynamic_shared_memory_type", "mmap"),
            ("shared_buffers", "32MB"),
            ("logging_collector", "off"),
        ] {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let server = Program::start(command);
        let said = server.stderr().clone();
        let ready = |line: &str| line.contains("ready to accept").then_some(());
        if said.find(PATIENCE, ready).is_none() {
            return Err(said.text());
        }
        self.server = Some(server);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // It may have been stopped. At its own end it takes its shared memory with it.
            postmaster::signal_all(server.id(), Signal::Continue);
            postmaster::signal(server.id(), Signal::ImmediateShutdown);
            let deadline = Instant::now() + Duration::from_secs(10);
            while server.ended().is_none() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
        }
        postmaster::remove_shared_memory(&self.folder.path().join("data"));
    }
}

/// A command that runs as the user of the server, who must not be root, and is asked to end when the thread does
/// that starts it.
pub(crate) fn as_server(prefix: &[String]) -> Command {
    let words = prefix.iter().map(String::as_str).chain(["setpriv", "--pdeathsig", "QUIT"]);
    let user: &[&str] =
        if is_root() { &["--reuid=postgres", "--regid=postgres", "--init-groups"] } else { &[] };
    let words: Vec<&str> = words.chain(user.iter().copied()).chain(["--"]).collect();
    let mut command = Command::new(words[0]);
    // What is sent to the group of the test shall not reach it: it ends in order when the test is killed.
    command.args(&words[1..]).current_dir("/").env("LC_ALL", "C").process_group(0);
    command
}

/// A folder of the user of the server, who has to get there: not below one that is only this user's.
pub(crate) fn folder_for_server() -> TempDir {
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0);
    let own = std::env::temp_dir();
    let own = fs::canonicalize(&own).unwrap_or(own);
    let is_reached = !is_root() || own.ancestors().all(is_open);
    let folder = if is_reached { tempfile::tempdir() } else { tempfile::tempdir_in("/tmp") };
    let folder = folder.expect("the folder for temporary files can be written to");
    give_to_server(folder.path());
    folder
}

pub(crate) fn give_to_server(folder: &Path) {
    if is_root() {
        let mut chown = Command::new("chown");
        chown.arg("postgres:").arg(folder);
        let finished = Program::run(chown);
        assert_eq!(finished.code, Some(0), "there is no user `postgres`: {}", finished.stderr);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[tokio::test]
    async fn it_comes_goes_and_leaves_nothing() {
        let mut postgres = Postgres::start();
        let pool = postgres.pool().await;
        sqlx::query("create table t as select 1 as n").execute(&pool).await.unwrap();
        let other = postgres.create_database("other");
        assert!(other.ends_with("/other"), "{other}");
        let tables = "select count(*) from pg_tables where tablename = 't'";
        assert_eq!(postgres.sql("other", tables), "0");
        let is_superuser = "select rolsuper from pg_roles where rolname = 'quipu'";
        assert_eq!(postgres.sql("other", is_superuser), "f");

        postgres.stop_answering();
        let stuck = tokio::time::timeout(Duration::from_millis(200), sqlx::query("select 1").execute(&pool));
        assert!(stuck.await.is_err(), "a stopped server answered");
        postgres.go_on();
        sqlx::query("select 1").execute(&pool).await.unwrap();

        let port = postgres.port();
        let is_open = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        for kill in [true, false] {
            if kill {
                postgres.kill()
            } else {
                postgres.refuse()
            }
            assert!(!is_open());
            postgres.restart();
            assert_eq!(postgres.sql("quipu", "select n from t"), "1");
        }
        let wrong = PgPoolOptions::new().connect(&postgres.url_with("wrong", "quipu")).await;
        assert!(wrong.is_err_and(|error| error.to_string().contains("password")));

        let (folder, memory) = (postgres.folder.path().to_owned(), shared_memory(&postgres));
        postgres.kill();
        drop(postgres);
        assert!(!is_open() && !folder.exists());
        let there = fs::read_to_string("/proc/sysvipc/shm").unwrap();
        let ids = there.lines().filter_map(|line| line.split_whitespace().nth(1));
        assert!(ids.into_iter().all(|id| id != memory), "its shared memory is left: {there}");
    }

    fn shared_memory(postgres: &Postgres) -> String {
        postmaster::shared_memory(&postgres.folder.path().join("data")).expect("a running server has some")
    }

    #[test]
    fn it_ends_with_the_thread_that_started_it() {
        let postgres = thread::spawn(Postgres::start).join().unwrap();
        let said = postgres.server.as_ref().unwrap().stderr().clone();
        assert!(said.find(PATIENCE, |line| line.contains("shut down").then_some(())).is_some());
    }
}
