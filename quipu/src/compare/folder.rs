//! The data folder of a node that is stopped, served on this machine alone for as long as it is compared.

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ans104::Address;
use gateway::{Endpoints, parse_url};
use limits::ClientOptions;
use log::{Rocks, RocksError, StoreMemory, StoreView};
use node::{DataPaths, ListenOptions, NodeOptions, PagesServed, ReadOptions, RunningNode};
use projections::Progress;
use protocol::ProcessId;
use rand::Rng;

use super::CompareError;

/// What it may keep in memory of its answers.
const MEMORY: usize = 256 << 20;

/// The log of a folder, which nobody writes to.
pub(super) fn open(folder: &Path) -> Result<StoreView, CompareError> {
    let log = DataPaths::in_folder(folder.to_owned()).log;
    if Rocks::is_in_use(&log)? {
        return Err(CompareError::InUse(log));
    }
    Ok(StoreView::new(Rocks::open_read_only(&log).map_err(|error| no_log(folder, error))?)?)
}

/// The processes of a log.
pub(super) fn processes(view: &StoreView) -> Result<Vec<ProcessId>, CompareError> {
    let mut found = std::collections::BTreeSet::new();
    view.scan(log::Seq::ZERO, &mut |event| {
        if event.process != ProcessId::NODE {
            found.insert(event.process);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found.into_iter().collect())
}

fn no_log(folder: &Path, error: RocksError) -> CompareError {
    match error {
        RocksError::Missing(_) => CompareError::NoLog(folder.to_owned()),
        error => error.into(),
    }
}

/// Serves a folder.
pub(super) async fn serve(folder: PathBuf) -> Result<RunningNode, CompareError> {
    // Nobody is asked anything.
    let nowhere = parse_url("--", "http://127.0.0.1:9")?;
    let options = NodeOptions {
        data: DataPaths::in_folder(folder),
        memory: StoreMemory::default(),
        listen: ListenOptions {
            public: (Ipv4Addr::LOCALHOST, 0).into(),
            admin: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            admin_token: Some(format!("{:032x}", rand::rng().random::<u128>())),
            admin_tls: None,
            metrics: false,
            max_read_memory: MEMORY,
            max_client_memory: 2 * MEMORY,
            clients: ClientOptions::default(),
            registering: None,
            pages: PagesServed { public: false, admin: false },
        },
        endpoints: Endpoints {
            arweave: nowhere.clone(),
            graphql: nowhere,
            upload: None,
            cache: None,
            heads: Vec::new(),
            redirect_hosts: Vec::new(),
        },
        clock_jump_max: Duration::from_secs(300),
        postgres: None,
    };
    let reading =
        ReadOptions { address: Address::from_bytes([0; 32]), refusal: "it is only compared".to_owned() };
    Ok(node::reader(options, reading, &Arc::new(Progress::default())).await?)
}
