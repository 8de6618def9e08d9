//! `quipu dev --fleet`: two nodes, a standby of the first, and a router in front of them.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use limits::ItemOptions;
use node::{
    NodeAccess, NodeError, NodeOptions, OtherNode, RoutingOptions, RunningNode, StandbyOptions,
    read_admin_token,
};
use router::{RouterMode, StateOptions};
use tracing::info;

use super::dev::{DATA, DevArgs, USER_WALLET, own_path, tell, word};
use super::signals::{Signals, end_all};
use crate::failure::Failure;
use crate::settings::SettingError;

/// What is made in the folder besides what a single node needs.
pub(super) const MADE: [&str; 4] = [SECOND, STANDBY, ROUTER, LIST];

const SECOND: &str = "data-2";
const STANDBY: &str = "standby";
const ROUTER: &str = "router";
const LIST: &str = "schedulers.json";

/// A standby signs nothing: its clock is only told.
const CLOCK_JUMP_MAX: Duration = Duration::from_secs(300);

/// Runs the fleet beside the gateway at this address until it is told to stop.
///
/// # Errors
/// When one of them does not start, or ends by itself.
pub(super) async fn serve(
    dev: &DevArgs,
    gateway: SocketAddr,
    wallet: &Path,
    mut signals: Signals,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    let started = start(dev, gateway, wallet, &mut signals, &mut nodes).await;
    let told = match started {
        Ok(true) => tell(&banner(&nodes, gateway, &dev.dir), out),
        Ok(false) => {
            end_all(nodes).await;
            return Ok(());
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        end_all(nodes).await;
        return Err(failure);
    }
    signals.serve_all(nodes).await
}

/// Starts them one after the other; false when a signal came before all of them had started.
async fn start(
    dev: &DevArgs,
    gateway: SocketAddr,
    wallet: &Path,
    signals: &mut Signals,
    nodes: &mut Vec<RunningNode>,
) -> Result<bool, Failure> {
    if dev.location.is_set() {
        info!("LOCATION_URL has no effect here: the nodes of a fleet are not found where it leads");
    }
    let mut urls = Vec::new();
    for (further, data) in [(10, DATA), (20, SECOND)] {
        let (mut options, mut writing) = dev.options(further, data, wallet, gateway)?;
        writing.location = None;
        // The program has one recorder of metrics.
        options.listen.metrics &= nodes.is_empty();
        let start = async |progress: &_| node::leader(options, writing, progress).await;
        let Some(node) = signals.start(start).await? else { return Ok(false) };
        urls.push(format!("http://{}", node.public()));
        nodes.push(node);
    }
    let first = nodes.first().map(|node| (node.public(), node.admin()));
    if let Some((public, admin)) = first {
        let (options, standing) = standby(dev, gateway, wallet, public, admin)?;
        let start = async |progress: &_| node::standby(options, standing, progress).await;
        let Some(node) = signals.start(start).await? else { return Ok(false) };
        urls.push(format!("http://{}", node.public()));
        nodes.push(node);
    }
    let options = routing(dev, &urls)?;
    let Some(router) = signals.start(async |_| node::router(options).await).await? else { return Ok(false) };
    nodes.push(router);
    Ok(true)
}

/// A standby of the node with these listeners.
fn standby(
    dev: &DevArgs,
    gateway: SocketAddr,
    wallet: &Path,
    public: SocketAddr,
    admin: SocketAddr,
) -> Result<(NodeOptions, StandbyOptions), Failure> {
    let (mut options, _) = dev.options(30, STANDBY, wallet, gateway)?;
    options.listen.metrics = false;
    options.clock_jump_max = CLOCK_JUMP_MAX;
    let made = read_admin_token(&dev.dir.join(DATA)).map_err(NodeError::from)?;
    let standing = StandbyOptions {
        from: OtherNode {
            url: gateway::parse_url("the first node", &format!("http://{admin}"))
                .map_err(SettingError::from)?,
            access: NodeAccess {
                token: options.listen.admin_token.clone().or(made),
                ..NodeAccess::default()
            },
        },
        leader_url: Some(format!("http://{public}")),
        forwards: false,
        votes: None,
    };
    Ok((options, standing))
}

/// A router in front of the schedulers at these URLs.
fn routing(dev: &DevArgs, urls: &[String]) -> Result<RoutingOptions, Failure> {
    let list: Vec<_> = urls.iter().map(|url| serde_json::json!({ "url": url })).collect();
    let path = dev.dir.join(LIST);
    let written = fs::write(&path, serde_json::Value::from(list).to_string() + "\n");
    written.map_err(|error| Failure::Folder { path: path.clone(), error })?;
    let mut listen = dev.listen(0)?;
    listen.metrics = false;
    let (folder, state) = (dev.dir.join(ROUTER), StateOptions::Folder);
    let mode = RouterMode::Auto;
    Ok(RoutingOptions {
        listen,
        mode,
        list: Some(path),
        folder,
        state,
        failover: None,
        items: ItemOptions::default(),
        location: None,
    })
}

fn banner(nodes: &[RunningNode], gateway: SocketAddr, dir: &Path) -> String {
    let [first, second, standby, router] = nodes else { return String::new() };
    let (public, quipu, wallet) = (router.public(), own_path(), word(&dir.join(USER_WALLET)));
    let dir = dir.display();
    format!(
        "
  A fleet of Quipu is scheduling.

    router      http://{public}        its API to read and try: http://{public}/docs
    admin       http://{}        gateway: http://{gateway}
    nodes       http://{}        and http://{}
    standby     http://{}        of the first node
    pages       http://{}/ui/    the fleet; what came to a node: http://{}/ui/
    kept in     {dir}

  In another shell:

    P=$({quipu} spawn --url http://{public} --wallet {wallet})
    {quipu} send $P --url http://{public} --wallet {wallet} --action Eval --data '1 + 1'
    {quipu} read $P --url http://{public}
    {quipu} router list --admin http://{}
    {quipu} router where $P --admin http://{}

  Ctrl-C stops it; what was scheduled is there at the next start.

",
        router.admin(),
        first.public(),
        second.public(),
        standby.public(),
        router.admin(),
        first.public(),
        router.admin(),
        router.admin(),
    )
}
