//! A PgBouncer in front of a Postgres of a test: in a folder and on a port of its own, gone with its handle.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::gateway::free_port;
use crate::postgres::{Postgres, as_server, folder_for_server, give_to_server};
use crate::program::Program;
use crate::wait::PATIENCE;

/// When a client gives a connection of the server back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// After each transaction.
    Transaction,
    /// At its end.
    Session,
}

/// A pooler that runs.
pub struct PgBouncer {
    _folder: TempDir,
    _program: Program,
    port: u16,
}

impl PgBouncer {
    /// Starts one in front of the database `quipu` of this server, with so many connections to it. `more` are further
    /// lines of its settings.
    ///
    /// # Panics
    /// When there is none on this machine (Debian: pgbouncer), or it does not start.
    pub fn start(postgres: &Postgres, mode: PoolMode, pool_size: u32, more: &str) -> Self {
        // Between being found free and being used, the port may be taken by somebody else.
        let started = (0..5).find_map(|_| Self::try_start(postgres, mode, pool_size, more).ok());
        started.expect("PgBouncer starts on one of five free ports")
    }

    fn try_start(postgres: &Postgres, mode: PoolMode, pool_size: u32, more: &str) -> Result<Self, String> {
        let (folder, port) = (folder_for_server(), free_port());
        let mode = if mode == PoolMode::Session { "session" } else { "transaction" };
        let (server, password) = (postgres.port(), Postgres::PASSWORD);
        let settings = format!(
            "[databases]\nquipu = host=127.0.0.1 port={server} user=quipu password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n{more}\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).expect("temporary files can be written");
        give_to_server(&file);
        let mut command = as_server(&[]);
        command.arg(binary()).arg(file);
        let program = Program::start(command);
        let said = program.stderr().clone();
        match said.find(PATIENCE, |line| line.contains("process up").then_some(())) {
            Some(()) => Ok(Self { _folder: folder, _program: program, port }),
            None => Err(said.text()),
        }
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|path| path.is_file());
    found.expect("pgbouncer is missing (Debian: pgbouncer)")
}
