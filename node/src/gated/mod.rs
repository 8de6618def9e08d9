//! A node whose log is remembered by a gate: it claims a term there, fetches what it lacks, and has nothing leave it before
//! the gate has that.

mod claiming;
mod error;
mod fetching;
mod marking;
mod publishing;
mod verifying;

use std::sync::Arc;
use std::time::Duration;

use api::{WriteSide, Writes};
use async_trait::async_trait;
use gate::Gate;
use log::{Fact, Identity, LocalLog, Promotion, Rocks, Seq, Term};
use projections::Progress;
use replicator::MemberFile;
use tokio::time::{Instant, sleep};
use tracing::info;

pub use error::GatedError;
pub(crate) use marking::{GateMark, check_alone, gate_of};
pub use verifying::verify_gate;

use crate::base::Base;
use crate::error::NodeError;
use crate::listeners::Addresses;
use crate::location::KeepLocation;
use crate::member::Takeover;
use crate::options::{GateOptions, WriteOptions};
use crate::part::{NodePart, NodeParts};
use crate::running::Served;
use crate::{location, scheduling, uploads, wallet};
use claiming::{Claimed, Claiming};
use publishing::PublishingSeen;

/// The term in which every log begins that is not made of another one.
const FIRST_TERM: Term = Term(1);
/// How long a node that ends waits for a gate that does not answer.
const DRAINED: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const ENDING: &str = "this node is shutting down";

/// What an empty data folder is to be made, which is what the gate has; none while it has nothing.
///
/// # Errors
/// When the gate cannot be used, or the start is cancelled.
pub(crate) async fn identity(
    gate: &Arc<dyn Gate>,
    progress: &Progress,
) -> Result<Option<Identity>, NodeError> {
    let contents = fetching::ask(progress, async || gate.contents().await).await?;
    Ok(contents.map(|contents| Identity { store: contents.store, term: FIRST_TERM }))
}

/// Starts a node that schedules once the gate has its claim and all that is here.
pub(crate) async fn lead(
    parts: &mut NodeParts,
    mut base: Base,
    file: MemberFile,
    options: GateOptions,
    writing: WriteOptions,
    progress: &Progress,
) -> Result<Served, NodeError> {
    let (kind, node) = (options.gate.kind(), file.node());
    let claiming = Claiming { log: base.local.clone(), options, file, progress };
    let Claimed { publisher, is_marked, durability } = claiming.claim(&writing).await?;
    let term = publisher.held().term;
    let promotion = Promotion { term, owner: node, promises: vec![node], forced_by: None };
    let mut facts = vec![Fact::Promotion(promotion).append()];
    facts.extend((!is_marked).then(|| Fact::Gated(kind.to_owned()).append()));
    let promoted = base.log.enqueue(term, facts).map_err(GatedError::from)?;
    let takeover = base.takeover(parts, writing)?;
    let seen = publishing::start(parts, publisher, base.local.clone());
    let last = seen.or_lost(progress, promoted).await?.map_err(GatedError::from)?;
    let mut indexed = base.indexed();
    // What was fetched is found by who sends it again.
    seen.or_lost(progress, indexed.applied(last)).await?.map_err(GatedError::from)?;
    let Takeover { parts: make, writing, endpoints, data, memory, asking, location: seat } = takeover;
    let address = writing.signer.address();
    seen.or_lost(progress, wallet::hold(&base.log, address, writing.wallet_change_to)).await??;
    let log = &base.log;
    let uploads =
        uploads::start(parts, &endpoints, writing.uploads_rewind_max, log, &data.folder, &memory).await?;
    let derived = base.derive(parts, uploads.clone())?;
    let made = make()?;
    let clock = made.clock.clone();
    let scheduler = scheduling::start(parts, made, &writing.scheduling)?;
    if let Some(options) = writing.location {
        let keep = KeepLocation::of_log(options, writing.signer, base.log.clone(), clock);
        seat.set(Some(location::start(parts, keep, asking, &endpoints)));
    }
    let writes = Writes::new(WriteSide::Open(scheduler), uploads);
    base.set_gate(seen.for_checks(kind, durability, base.local.clone()));
    let draining = Draining { log: base.local.clone(), seen };
    let served = base.serve(parts, derived, writes, (address, node), None);
    parts.push(draining);
    let Addresses { public, admin, .. } = served.addresses;
    info!(%address, %public, %admin, %term, gate = kind, ?durability, "scheduling on {}", served.addresses.told());
    Ok(served)
}

/// Lets the gate have what was written before the listeners end, by which it is answered.
struct Draining {
    log: Arc<LocalLog<Rocks>>,
    seen: PublishingSeen,
}

#[async_trait]
impl NodePart for Draining {
    fn name(&self) -> &'static str {
        "gate"
    }

    async fn stop(self: Box<Self>) {
        self.log.set_unconfirmed(Some(ENDING.into()));
        let until = Instant::now() + DRAINED;
        let is_out = || self.log.is_quiet() && self.log.unreleased_for().is_none();
        while !is_out() && self.seen.lost().is_none() && Instant::now() < until {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// How many events there are up to this one.
fn count(last: Option<Seq>) -> u64 {
    last.map_or(0, |last| last.next().get())
}
