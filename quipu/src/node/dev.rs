//! `quipu dev`: a node with everything it needs, in one folder.

use std::env;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ans104::KeyType;
use clap::Args;
use gateway::Endpoints;
use gateway::dev::{DevError, DevGateway, DevOptions};
use limits::ItemOptions;
use log::{FolderOwner, Rocks, StoreMemory, folder_owner};
use node::{
    DataPaths, ListenOptions, MemberOptions, NodeError, NodeOptions, PeerOptions, RunningNode, WriteOptions,
    check_data_folder,
};

use super::fleet;
use super::signals::{Signals, end, run_to_end};
use crate::failure::Failure;
use crate::settings::{
    DEV_DIR, ListenerArgs, LocationArgs, LoggingArgs, PORT, ProjectionArgs, SchedulingArgs, SettingError,
    WalletChangeArgs, read_wallet,
};
use crate::{stderr, wallet};

/// The development gateway's chain grows as fast as Arweave's.
const BLOCK_EVERY: Duration = Duration::from_secs(120);

/// What is made in the folder.
const SCHEDULER_WALLET: &str = "wallet.json";
pub(super) const USER_WALLET: &str = "user-wallet.json";
const GATEWAY: &str = "gateway";
pub(super) const DATA: &str = "data";

const EXAMPLES: &str = "\
Examples:
  quipu dev            on port 9000
  quipu dev 9100       on another one
  quipu dev --fleet    two nodes, a standby of the first, and a router in front of them on port 9000

To start over, delete ./quipu-dev.

Exit codes: 0 stopped as told, 1 failed (the last line on standard error says why), 2 wrong usage or setting, 130 stopped at once.";

/// Run a node to develop against, with wallets, a gateway and data of its own in ./quipu-dev
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DevArgs {
    /// The port to listen on, on 127.0.0.1; the admin listener and the development gateway take the next two
    #[arg(default_value_t = PORT)]
    port: u16,

    /// The folder in which everything is kept
    #[arg(long, default_value = DEV_DIR)]
    pub(super) dir: PathBuf,

    /// Run a fleet: a router on this port, its admin listener and the gateway on the next two, and behind it two nodes and
    /// a standby, on the ports 10, 20 and 30 further on; it publishes no record of where it is
    #[arg(long)]
    fleet: bool,

    #[command(flatten)]
    wallet: WalletChangeArgs,

    #[command(flatten)]
    pub(super) location: LocationArgs,

    #[command(flatten, next_help_heading = "Projections")]
    projections: ProjectionArgs,

    #[command(flatten, next_help_heading = "Scheduling")]
    scheduling: SchedulingArgs,

    #[command(flatten, next_help_heading = "Listeners")]
    listeners: ListenerArgs,

    #[command(flatten, next_help_heading = "Logging")]
    logging: LoggingArgs,
}

impl DevArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When the folder or the ports cannot be had.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        self.logging.start().map_err(SettingError::from)?;
        check_folder(&self.dir)?;
        run_to_end(async {
            // Before wallets are made, which takes a while.
            self.check_ports()?;
            fs::create_dir_all(&self.dir)
                .map_err(|error| Failure::Folder { path: self.dir.clone(), error })?;
            let scheduler_wallet = made_wallet(&self.dir, SCHEDULER_WALLET, out)?;
            made_wallet(&self.dir, USER_WALLET, out)?;
            self.serve(scheduler_wallet, out).await
        })
    }

    /// The node's ports come first: whoever sees that one is taken asked for the first.
    fn check_ports(&self) -> Result<(), Failure> {
        let places = if self.fleet { &[0, 10, 20, 30][..] } else { &[0] };
        for further in places {
            node::check_ports(&self.listen(*further)?)?;
        }
        let listen = self.gateway_address();
        TcpListener::bind(listen).map_err(|source| DevError::Listen { listen, source })?;
        Ok(())
    }

    async fn serve(self, wallet: PathBuf, out: &mut dyn Write) -> Result<(), Failure> {
        let signals = Signals::listen().map_err(Failure::Signals)?;
        let gateway = DevGateway::start(DevOptions {
            listen: self.gateway_address(),
            store: self.dir.join(GATEWAY),
            block_every: BLOCK_EVERY,
        });
        let gateway = gateway.await?;
        let served = self.serve_beside(gateway.addr(), wallet, signals, out).await;
        gateway.shutdown().await?;
        served
    }

    /// The node, while the gateway at this address runs.
    async fn serve_beside(
        self,
        gateway: SocketAddr,
        wallet: PathBuf,
        mut signals: Signals,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        if self.fleet {
            return fleet::serve(&self, gateway, &wallet, signals, out).await;
        }
        let dir = self.dir.clone();
        let (options, writing) = self.options(0, DATA, &wallet, gateway)?;
        let start = async |progress: &_| node::leader(options, writing, progress).await;
        let Some(node) = signals.start(start).await? else { return Ok(()) };
        if let Err(failure) = tell(&banner(&node, gateway, &dir), out) {
            end(node).await;
            return Err(failure);
        }
        signals.serve(node).await.map(drop)
    }

    /// The gateway's port is the one after the admin listener's.
    fn gateway_address(&self) -> SocketAddr {
        let port = if self.port == 0 { 0 } else { self.port.checked_add(2).unwrap_or(0) };
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// Where something listens whose port is so much further on.
    pub(super) fn listen(&self, further: u16) -> Result<ListenOptions, SettingError> {
        let port = if self.port == 0 { 0 } else { self.port.checked_add(further).unwrap_or(0) };
        let listeners = self.listeners.clone();
        // Of several, each has its admin listener beside it.
        let listeners = if self.fleet { listeners.beside() } else { listeners };
        Ok(listeners.options(Ipv4Addr::LOCALHOST.into(), port)?)
    }

    /// A node whose port is so much further on, with its data in the folder of this name.
    pub(super) fn options(
        &self,
        further: u16,
        data: &str,
        wallet: &Path,
        gateway: SocketAddr,
    ) -> Result<(NodeOptions, WriteOptions), SettingError> {
        let url = gateway::parse_url("the development gateway", &format!("http://{gateway}"))?;
        let endpoints = Endpoints {
            arweave: url.clone(),
            graphql: url.clone(),
            upload: Some(url),
            cache: None,
            heads: Vec::new(),
            redirect_hosts: Vec::new(),
        };
        let writing = WriteOptions {
            peers: PeerOptions::default(),
            members: MemberOptions::default(),
            gate: None,
            signer: read_wallet(wallet)?,
            wallet_change_to: self.wallet.change_to(),
            scheduling: self.scheduling.options()?,
            items: ItemOptions::default(),
            location: self.location.options(&endpoints, None).map_err(SettingError::from)?,
            uploads_rewind_max: self.projections.uploads_rewind_max(),
        };
        let options = NodeOptions {
            data: DataPaths::in_folder(self.dir.join(data)),
            memory: StoreMemory::default(),
            listen: self.listen(further)?,
            endpoints,
            clock_jump_max: self.scheduling.clock_jump_max(),
            postgres: self.projections.postgres()?,
        };
        Ok((options, writing))
    }
}

/// Refuses a folder with anything in it that no development node has made. Nothing is written.
fn check_folder(dir: &Path) -> Result<(), Failure> {
    let data = DataPaths::in_folder(dir.join(DATA));
    let made = [SCHEDULER_WALLET, USER_WALLET, GATEWAY, DATA].into_iter().chain(fleet::MADE);
    let owner = folder_owner(dir, "dev").map_err(Failure::DevFolder)?;
    if let FolderOwner::Unknown(found) = owner
        && let Some(found) = found.besides(|name| made.clone().any(|made| name == made))
        && !Rocks::is_ours(&data.log).map_err(NodeError::from)?
    {
        return Err(Failure::DevFolderNotOurs { path: dir.to_owned(), found });
    }
    Ok(check_data_folder(&data).map_err(NodeError::from)?)
}

/// The wallet of this name in the folder, made if it is not there.
fn made_wallet(dir: &Path, name: &str, out: &mut dyn Write) -> Result<PathBuf, Failure> {
    let path = dir.join(name);
    if !path.exists() {
        writeln!(out, "making {}; an RSA-4096 key takes a few seconds", path.display())?;
        wallet::create(&path, KeyType::Rsa)?;
    }
    Ok(path)
}

fn banner(node: &RunningNode, gateway: SocketAddr, dir: &Path) -> String {
    let (public, admin, kept) = (node.public(), node.admin(), dir.display());
    let (quipu, wallet) = (own_path(), word(&dir.join(USER_WALLET)));
    format!(
        "
  Quipu is scheduling.

    scheduler   http://{public}        its API to read and try: http://{public}/docs
    admin       http://{admin}        gateway: http://{gateway}
    pages       http://{public}/ui/    what came, and to verify it; the node: http://{admin}/ui/
    kept in     {kept}

  In another shell:

    P=$({quipu} spawn --url http://{public} --wallet {wallet})
    {quipu} send $P --url http://{public} --wallet {wallet} --action Eval --data '1 + 1'
    {quipu} read $P --url http://{public} --follow
    {quipu} status --admin http://{admin}

  Ctrl-C stops it; what was scheduled is there at the next start.

"
    )
}

/// Tells what runs, in one piece and after what the log has said until now: no line of the log comes in between.
pub(super) fn tell(banner: &str, out: &mut dyn Write) -> Result<(), Failure> {
    stderr::flush();
    out.write_all(banner.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// This program as a shell in the same folder calls it, be it on the search path or not.
pub(super) fn own_path() -> String {
    let Ok(path) = env::current_exe() else { return "quipu".to_owned() };
    let below = env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok());
    below.map_or_else(|| word(&path), |below| word(&Path::new(".").join(below)))
}

/// A path as one word of a shell.
pub(super) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::io;

    use super::*;

    /// Takes each write as a terminal does, apart from all others.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl Write for Pieces {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.push(piece.to_vec());
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_runs_is_told_in_one_piece() {
        let (mut out, told) = (Pieces::default(), "\n  Quipu is scheduling.\n\n    scheduler\n\n");
        tell(told, &mut out).unwrap();
        assert_eq!(out.0, [told.as_bytes()]);
    }
}
