//! `quipu dev`: a node with everything it needs, in one folder.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ans104::KeyType;
use gateway::Endpoints;
use gateway::dev::{DevGateway, DevOptions};
use tokio::runtime::Runtime;

use super::args::DevArgs;
use super::running::Running;
use super::settings::{Settings, admin_address, postgres, read_wallet};
use super::store::failed;
use super::{defaults, logging};
use crate::failure::Failure;
use crate::wallet;

impl DevArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When the folder or the ports cannot be had.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        logging::start(&self.tuning).map_err(failed)?;
        fs::create_dir_all(&self.dir).map_err(failed)?;
        let scheduler_wallet = made_wallet(&self.dir, "wallet.json", out)?;
        made_wallet(&self.dir, "user-wallet.json", out)?;
        let runtime = Runtime::new().map_err(Failure::Runtime)?;
        runtime.block_on(self.serve(scheduler_wallet, out))
    }

    async fn serve(self, wallet: PathBuf, out: &mut dyn Write) -> Result<(), Failure> {
        let gateway = DevGateway::start(DevOptions {
            listen: self.gateway_address(),
            store: self.dir.join("gateway"),
            block_every: defaults::DEV_BLOCK_EVERY,
        });
        let gateway = gateway.await.map_err(failed)?;
        let dir = self.dir.clone();
        let running = Running::start(self.settings(wallet, gateway.addr())?).await?;
        banner(&running, gateway.addr(), &dir, out)?;
        running.until_stopped().await?;
        gateway.shutdown().await.map_err(failed)
    }

    /// The gateway's port is the one after the admin listener's.
    fn gateway_address(&self) -> SocketAddr {
        let port = if self.port == 0 { 0 } else { self.port.checked_add(2).unwrap_or(0) };
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn settings(self, wallet: PathBuf, gateway: SocketAddr) -> Result<Settings, Failure> {
        let url =
            gateway::parse_url("the development gateway", &format!("http://{gateway}")).map_err(failed)?;
        let data = self.dir.join("data");
        let settings = Settings {
            wallet: read_wallet(&wallet).map_err(failed)?,
            log: data.join("log"),
            index: data.join("index"),
            data,
            endpoints: Endpoints {
                arweave: url.clone(),
                graphql: url.clone(),
                upload: Some(url),
                cache: None,
                heads: Vec::new(),
            },
            listen: (Ipv4Addr::LOCALHOST, self.port).into(),
            admin: admin_address(&self.tuning, self.port).map_err(failed)?,
            postgres: postgres(&self.tuning.database).map_err(failed)?,
            tuning: self.tuning,
        };
        settings.check().map_err(failed)?;
        Ok(settings)
    }
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

fn banner(running: &Running, gateway: SocketAddr, dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let (public, admin, dir) = (running.public(), running.admin(), dir.display());
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
