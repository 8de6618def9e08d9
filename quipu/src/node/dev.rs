//! `quipu dev`: a node with everything it needs, in one folder.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use gateway::Endpoints;
use gateway::dev::{DevGateway, DevOptions};
use node::{RunningNode, StorePaths};
use tokio::runtime::Runtime;

use super::args::DevArgs;
use super::settings::{SettingError, Settings, read_wallet};
use super::signals::Signals;
use super::{defaults, logging};
use crate::failure::Failure;
use crate::wallet;

impl DevArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When the folder or the ports cannot be had.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        logging::start(&self.tuning)?;
        fs::create_dir_all(&self.dir).map_err(|error| Failure::Folder { path: self.dir.clone(), error })?;
        let scheduler_wallet = made_wallet(&self.dir, "wallet.json", out)?;
        made_wallet(&self.dir, "user-wallet.json", out)?;
        let runtime = Runtime::new().map_err(Failure::Runtime)?;
        runtime.block_on(self.serve(scheduler_wallet, out))
    }

    async fn serve(self, wallet: PathBuf, out: &mut dyn Write) -> Result<(), Failure> {
        let signals = Signals::listen().map_err(Failure::Signals)?;
        let gateway = DevGateway::start(DevOptions {
            listen: self.gateway_address(),
            store: self.dir.join("gateway"),
            block_every: defaults::DEV_BLOCK_EVERY,
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
        let dir = self.dir.clone();
        let settings = self.settings(wallet, gateway)?;
        let start = async |progress: &_| node::leader(settings.node, settings.writing, progress).await;
        let Some(node) = signals.start(start).await? else { return Ok(()) };
        if let Err(failure) = banner(&node, gateway, &dir, out) {
            node.stop().await;
            return Err(failure);
        }
        signals.serve(node).await
    }

    /// The gateway's port is the one after the admin listener's.
    fn gateway_address(&self) -> SocketAddr {
        let port = if self.port == 0 { 0 } else { self.port.checked_add(2).unwrap_or(0) };
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn settings(self, wallet: PathBuf, gateway: SocketAddr) -> Result<Settings, Failure> {
        let url = gateway::parse_url("the development gateway", &format!("http://{gateway}"))
            .map_err(SettingError::from)?;
        let endpoints = Endpoints {
            arweave: url.clone(),
            graphql: url.clone(),
            upload: Some(url),
            cache: None,
            heads: Vec::new(),
        };
        let data = self.dir.join("data");
        let store = StorePaths { log: data.join("log"), index: data.join("index") };
        let public = (Ipv4Addr::LOCALHOST, self.port).into();
        Ok(Settings::of(read_wallet(wallet)?, data, store, endpoints, public, self.tuning)?)
    }
}

/// The wallet of this name in the folder, made if it is not there.
fn made_wallet(dir: &Path, name: &str, out: &mut dyn Write) -> Result<PathBuf, Failure> {
    let path = dir.join(name);
    if !path.exists() {
        writeln!(out, "making {}; an RSA-4096 key takes a few seconds", path.display())?;
        wallet::create(&path)?;
    }
    Ok(path)
}

fn banner(node: &RunningNode, gateway: SocketAddr, dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let (public, admin, dir) = (node.public(), node.admin(), dir.display());
    writeln!(
        out,
        "
  Quipu is scheduling.

    scheduler   http://{public}        its API to read and try: http://{public}/docs
    admin       http://{admin}        gateway: http://{gateway}
    kept in     {dir}

  In another shell:

    P=$(quipu spawn --url http://{public} --wallet {dir}/user-wallet.json)
    quipu send $P --url http://{public} --wallet {dir}/user-wallet.json --action Eval --data '1 + 1'
    quipu read $P --url http://{public} --follow
    quipu status --admin http://{admin}

  Ctrl-C stops it; what was scheduled is there at the next start.
"
    )?;
    out.flush()?;
    Ok(())
}
