//! Who took over from a leader that was gone, without anybody to confirm that it has all of its log, may give a nonce
//! again that the leader gave. What the leader had uploaded tells: before the first assignment of a process after such a
//! promotion gateways are asked for one with its nonce, or one of those after it, since uploads need not arrive in their
//! order. A process for which there is one is refused.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ans104::{Address, SignatureType, Signer};
use log::{Fact, Log, ReadError, Seq};
use protocol::{Nonce, ProcessId};
use tracing::warn;

use crate::clock::Clock;
use crate::error::ScheduleError;
use crate::gateways::{Gateways, Purpose};
use crate::questions::{NonceAnswer, Questions};

/// How many nonces are asked for, from the one that comes next.
const NONCES: u64 = 100;
/// For how long it counts that there is no such assignment: others may arrive on chain later.
const FREE_FOR: Duration = Duration::from_secs(60);
/// How many processes are remembered for which there was none; beyond that they are asked for again.
const FREE_MAX: usize = 65_536;

/// The newest promotion that nobody confirmed, if there was one.
pub(crate) struct Succession {
    first: Option<Seq>,
    /// All that may have signed what is not known of.
    signers: Vec<Address>,
    /// Processes for which gateways knew nothing later, and which may have no assignment since; when that was.
    free: Mutex<HashMap<ProcessId, Instant>>,
    questions: Questions,
}

impl Succession {
    /// That of a log to which this wallet signs from now on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of(log: &dyn Log, signer: &dyn Signer) -> Result<Self, ReadError> {
        let mut first = None;
        let mut signers = HashSet::from([signer.address()]);
        log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
            match Fact::of(&event) {
                Some(Fact::Promotion(promotion)) if promotion.forced_by.is_some() => first = Some(event.seq),
                Some(Fact::Wallet(address)) => {
                    signers.insert(address);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        if first.is_some() {
            // A log from before wallets were recorded tells by what they signed. What was imported was signed elsewhere.
            signers.extend(log::newest(log, |event| {
                event.assignment().filter(|_| !event.imported).map(|assignment| assignment.address())
            })?);
            warn_of(signer);
        }
        let signers = signers.into_iter().collect();
        Ok(Self { first, signers, free: Mutex::default(), questions: Questions::default() })
    }

    /// Whether no promotion is to be doubted.
    pub(crate) fn is_none(&self) -> bool {
        self.first.is_none()
    }

    /// The nonce that comes next in a process, if it is to be asked for.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn doubtful(
        &self,
        log: &dyn Log,
        process: ProcessId,
        now: Instant,
    ) -> Result<Option<Nonce>, ReadError> {
        let Some(first) = self.first else { return Ok(None) };
        let head = log.head(process)?;
        let mut free = self.free();
        if head.is_some_and(|head| head.seq > first) {
            free.remove(&process);
            return Ok(None);
        }
        let next = head.map_or(Nonce::ZERO, |head| head.next_nonce());
        let is_free = |since: &Instant| now.saturating_duration_since(*since) < FREE_FOR;
        Ok((!free.get(&process).is_some_and(is_free)).then_some(next))
    }

    /// Asks for assignments from this nonce on, and remembers for a while that there is none. All who want to know it of
    /// a process ask together.
    ///
    /// # Errors
    /// When there is one, or no gateway tells.
    pub(crate) async fn check(
        &self,
        gateways: &Gateways,
        clock: &dyn Clock,
        process: ProcessId,
        nonce: Nonce,
    ) -> Result<(), ScheduleError> {
        let nonces = nonce.get()..=nonce.get().saturating_add(NONCES - 1);
        let question = async {
            let asked =
                async { Ok(gateways.gateway().is_assigned(process.id(), nonces, &self.signers).await?) };
            // From when it was asked on.
            let since = clock.monotonic();
            let found = gateways.ask(Purpose::Nonces, asked).await?;
            if !found {
                let mut free = self.free();
                if free.len() >= FREE_MAX {
                    free.clear();
                }
                free.insert(process, since);
            }
            Ok(if found { NonceAnswer::Given } else { NonceAnswer::Free })
        };
        match self.questions.ask(process, question).await? {
            NonceAnswer::Free => Ok(()),
            NonceAnswer::Given => Err(ScheduleError::AssignedBefore { process, nonce }),
            NonceAnswer::Unknown => {
                Err(ScheduleError::Busy("no gateway tells what was scheduled to this process before"))
            }
        }
    }

    fn free(&self) -> MutexGuard<'_, HashMap<ProcessId, Instant>> {
        // Nothing is done with it that could panic half-way.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gateways are asked by the address of the wallet.
fn warn_of(signer: &dyn Signer) {
    let kind = signer.signature_type();
    if kind != SignatureType::Arweave {
        warn!(
            wallet = %signer.address(),
            ?kind,
            "nobody confirmed that this log has all that its leader before had scheduled, and gateways may know this wallet \
             by another address, since its key is not an RSA key: then they cannot tell which nonces are given already"
        );
    }
}
