//! Bringing one process here, from whatever step it is at to the end.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use ans104::Address;
use api::MovedProcessForm;
use log::{
    ArrivingCheck, EventRef, Fact, Head, LocalLog, Log, MoveEnd, MoveStep, ProcessMove, Rocks, StoreId, Term,
};
use projections::Position;
use protocol::{HashChain, Nonce, ProcessId};
use scheduler::{Clock, SystemClock};
use tokio::task::spawn_blocking;
use tracing::debug;
use uuid::Uuid;

use super::asking::{MoveSource, store_at};
use super::fault::MoveFault;
use crate::node_tls::NodeTls;
use crate::options::NodeAccess;

/// What is left to come when the other node is asked to end the process: so much is there in a moment.
const REST_MAX: u64 = 64;

/// One process that comes here.
pub(super) struct Bringing {
    pub(super) process: ProcessId,
    /// Where clients find this node.
    pub(super) url: String,
    pub(super) source: MoveSource,
    pub(super) log: Arc<LocalLog<Rocks>>,
    /// The term in which it was begun: what it writes of the steps counts in no later one.
    pub(super) term: Term,
    pub(super) indexed: Position,
    pub(super) address: Address,
    pub(super) tls: NodeTls,
    pub(super) threads: NonZeroUsize,
    pub(super) progress: Arc<Mutex<MoveProgress>>,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
pub(super) struct MoveProgress {
    pub(super) phase: &'static str,
    pub(super) copied: u64,
    pub(super) total: u64,
    pub(super) ended: Option<Result<(), MoveFault>>,
}

/// What comes in, and what it is held against.
struct Intake {
    check: ArrivingCheck,
    /// Whether a spawn without a nonce may come first.
    unassigned: bool,
}

impl Intake {
    fn end(&self) -> MoveEnd {
        self.check.end()
    }
}

impl Bringing {
    /// Does what is left to do.
    ///
    /// # Errors
    /// With the reason: then it is where it was, or on its way here and nowhere else.
    pub(super) async fn run(&self) -> Result<(), MoveFault> {
        match self.bring().await {
            Err(MoveFault::Refused(reason)) => {
                let off = self.give_way().await.unwrap_or_else(|fault| {
                    debug!(process = %self.process, reason = fault.reason(), "it is not known where it is instead");
                    None
                });
                let left = off.map_or(String::new(), |url| format!("; this node leads to {url} instead"));
                Err(MoveFault::Refused(format!("{reason}{left}")))
            }
            ended => ended,
        }
    }

    async fn bring(&self) -> Result<(), MoveFault> {
        let (there, from) = self.ask().await?;
        let Some((version, is_begun)) = self.version(&there, from).map_err(MoveFault::Refused)? else {
            return Ok(());
        };
        if !is_begun {
            self.append(version, from, MoveStep::Arriving(Some(SystemClock.now()))).await?;
        }
        let intake = self.copy(self.intake(&there)?, there.next).await?;
        self.note(|progress| progress.phase = "having it ended there");
        let out = self.source.out(self.log.identity().store, &self.url).await?;
        if out.state != "moved" || out.version != version {
            let found = format!("it is {} there in version {}, and not {version}", out.state, out.version);
            return Err(MoveFault::Refused(found));
        }
        let end = end(&out)?;
        self.copy_rest(intake, end).await?;
        self.note(|progress| progress.phase = "going on with it");
        self.indexed().await?;
        Ok(self.append(version, from, MoveStep::In(end)).await?)
    }

    /// Ends what has begun of it here, though it could still come: it stays where it is.
    ///
    /// # Errors
    /// With the reason: then it is on its way here as before.
    pub(super) async fn end(&self) -> Result<(), MoveFault> {
        let last = self.log.last_move(self.process);
        if last.is_some_and(|step| matches!(step.step, MoveStep::Off(_))) {
            return Ok(());
        }
        self.note(|progress| progress.phase = "having it stay there");
        // What was asked for before may still be on its way there: it must not end it there once it is given up here.
        let (there, from) = read(self.source.stay().await?)?;
        if self.give_way().await?.is_some() {
            return Ok(());
        }
        let refused = |reason: &str| Err(MoveFault::Refused(reason.to_owned()));
        if self.begun(from).is_none() {
            return refused("it is not on its way here from that store");
        }
        if there.state != "here" {
            return refused(
                "it was ended there in favour of this store: it can only be brought here to the end",
            );
        }
        let access = NodeAccess { token: None, tls: self.tls.clone() };
        if store_at(&self.url, &access).await? != Some(from) {
            let found = format!(
                "no node with the store {from} answers at {}, and clients would be led there",
                self.url
            );
            return Err(MoveFault::Refused(found));
        }
        Ok(self.append(there.version, from, MoveStep::Off(self.url.clone())).await?)
    }

    /// Where it is instead, if whoever had it has ended it in favour of another store: it comes no more then, and who asks for
    /// it here is led there.
    async fn give_way(&self) -> Result<Option<String>, MoveFault> {
        let (there, from) = self.ask().await?;
        let Some(begun) = self.begun(from) else { return Ok(None) };
        let own = self.log.identity().store;
        let other = there.other.0.as_deref().and_then(|other| other.parse::<Uuid>().ok()).map(StoreId);
        match (other, there.url.0) {
            (Some(other), Some(url))
                if there.state == "moved" && other != own && there.version >= begun.version =>
            {
                self.append(there.version, other, MoveStep::Off(url.clone())).await?;
                Ok(Some(url))
            }
            _ => Ok(None),
        }
    }

    /// The step by which it is on its way here from a store.
    fn begun(&self, from: StoreId) -> Option<Arc<ProcessMove>> {
        self.log.last_move(self.process).filter(|step| step.is_arriving() && step.other == from)
    }

    /// What the node that has it says of it, and its store.
    async fn ask(&self) -> Result<(MovedProcessForm, StoreId), MoveFault> {
        self.note(|progress| progress.phase = "asking the node that has it");
        read(self.source.now().await?)
    }

    /// Its version here, and whether the log says already that it comes; none where it has come.
    fn version(&self, there: &MovedProcessForm, from: StoreId) -> Result<Option<(u64, bool)>, String> {
        let own = self.log.identity().store;
        if from == own {
            return Err("the node to move it from has the store of this node".to_owned());
        }
        let begun = self.log.last_move(self.process);
        let begun = match begun.as_deref() {
            Some(ProcessMove { step: MoveStep::In(_), other, version, .. }) if *other == from => {
                if there.state == "here" && there.version > *version {
                    return Err(format!(
                        "it is in both stores: it came here in version {version}, and was taken back there in version {}",
                        there.version
                    ));
                }
                return Ok(None);
            }
            Some(ProcessMove { step: MoveStep::Out(_, url), .. }) => {
                return Err(format!(
                    "the node that it is to go to had it before, and it has moved from there to {url}: a process does not \
                     come back to a store that it left"
                ));
            }
            Some(ProcessMove { step: MoveStep::Arriving(_), other, version, .. }) => Some((*version, *other)),
            Some(ProcessMove { step: MoveStep::Off(_), .. }) => None,
            Some(came) => return Err(format!("it came from the store {}", came.other)),
            None if self.head()?.is_some() => return Err("it is in the store of this node".to_owned()),
            None => None,
        };
        if there.wallet != self.address.to_string() {
            return Err(format!(
                "the wallet {} signs there and {} here: a process moves between nodes of one wallet alone, since clients find \
                 it by the wallet in its Scheduler tag and show who else signed",
                there.wallet, self.address
            ));
        }
        let version = match there.state.as_str() {
            "here" => there.version.saturating_add(1),
            "moved" if there.other.0.as_deref() == Some(own.to_string().as_str()) => there.version,
            "moved" => {
                let url = there.url.0.as_deref().unwrap_or("another node");
                return Err(format!("it is not there any more: it has moved to {url}"));
            }
            "arriving" => return Err("it is on its way there, and not all of it is there yet".to_owned()),
            _ => return Err("the node to move it from does not have it".to_owned()),
        };
        match begun {
            Some(begun) if begun == (version, from) => return Ok(Some((version, true))),
            // It was taken back there meanwhile, or went elsewhere and comes from there.
            Some((begun, _)) if begun < version && there.state == "here" => {}
            Some((begun, other)) => {
                return Err(format!(
                    "it is on its way here from the store {other} in version {begun}, and would come in version {version}"
                ));
            }
            None => {}
        }
        Ok(Some((version, false)))
    }

    fn intake(&self, there: &MovedProcessForm) -> Result<Intake, String> {
        let signers = there.wallets.iter().map(|wallet| wallet.parse::<Address>());
        let signers: BTreeSet<Address> =
            signers.collect::<Result<_, _>>().map_err(|_| "it tells of a wallet that is none".to_owned())?;
        let head = self.head()?;
        let check = ArrivingCheck::new(self.process, head, signers, self.threads);
        Ok(Intake { check, unassigned: head.is_none() })
    }

    /// Copies what is there, until little is left, or no less than before: it is written to as quickly as it is copied.
    async fn copy(&self, mut intake: Intake, mut total: u64) -> Result<Intake, MoveFault> {
        self.note(|progress| (progress.phase, progress.total) = ("copying", total));
        let mut left = u64::MAX;
        loop {
            let came;
            (intake, came) = self.take(intake, false).await?;
            if came && intake.end().next.get() < total {
                continue;
            }
            total = self.source.now().await?.next;
            self.note(|progress| progress.total = total);
            let before = std::mem::replace(&mut left, total.saturating_sub(intake.end().next.get()));
            if !came || left <= REST_MAX || left >= before {
                return Ok(intake);
            }
        }
    }

    /// Copies what came last, to the end that the other log names.
    async fn copy_rest(&self, mut intake: Intake, end: MoveEnd) -> Result<(), MoveFault> {
        self.note(|progress| (progress.phase, progress.total) = ("copying the rest", end.next.get()));
        while intake.end() != end {
            let came;
            (intake, came) = self.take(intake, true).await?;
            if !came {
                let found = intake.end();
                let differ = format!("the histories differ: there it ends at {end}, and here at {found}");
                return Err(MoveFault::Refused(differ));
            }
        }
        Ok(())
    }

    /// Takes what comes next, once it is verified; whether anything came.
    async fn take(&self, mut intake: Intake, must: bool) -> Result<(Intake, bool), MoveFault> {
        let events = self.source.events(intake.end().next.get(), intake.unassigned, must).await?;
        if events.is_empty() {
            return Ok((intake, false));
        }
        let log = self.log.clone();
        let taking = spawn_blocking(move || {
            let decoded: Result<Vec<_>, _> = events.iter().map(|event| EventRef::decode(event)).collect();
            let decoded = decoded.map_err(|error| format!("what came is no event: {error}"))?;
            let imports = intake.check.check(&decoded);
            let imports = imports.map_err(|fault| format!("what came is wrong: {fault}"))?;
            intake.unassigned = false;
            let receipt = log.import(imports).map_err(|error| error.to_string())?;
            Ok::<_, String>((intake, receipt))
        });
        let taken = taking.await.map_err(|_| "verifying what came ended with a panic".to_owned())?;
        let (intake, receipt) = taken?;
        receipt.await.map_err(|error| error.to_string())?;
        self.note(|progress| progress.copied = intake.end().next.get());
        Ok((intake, true))
    }

    /// Waits until the index has all of it: a message that came is known again then.
    async fn indexed(&self) -> Result<(), String> {
        let Some(head) = self.head()? else { return Err("nothing of it came".to_owned()) };
        self.indexed.clone().applied(head.seq).await.map_err(|behind| behind.to_string())
    }

    async fn append(&self, version: u64, other: StoreId, step: MoveStep) -> Result<(), String> {
        let step = ProcessMove { process: self.process, version, other, step };
        let receipt = self.log.enqueue(self.term, vec![Fact::Move(step).append()]);
        let receipt = receipt.map_err(|error| error.to_string())?;
        receipt.await.map(drop).map_err(|error| error.to_string())
    }

    fn head(&self) -> Result<Option<Head>, String> {
        Log::head(self.log.as_ref(), self.process).map_err(|error| error.to_string())
    }

    fn note(&self, change: impl FnOnce(&mut MoveProgress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the node that has it says of it, and its store.
fn read(there: MovedProcessForm) -> Result<(MovedProcessForm, StoreId), MoveFault> {
    let from = there.store.parse::<Uuid>().map(StoreId).map_err(|error| error.to_string())?;
    Ok((there, from))
}

/// Where its history ends there.
fn end(there: &MovedProcessForm) -> Result<MoveEnd, String> {
    let chain: HashChain =
        there.chain.parse().map_err(|_| "it tells of a hash chain that is none".to_owned())?;
    Ok(MoveEnd { next: Nonce::new(there.next), chain })
}
