//! The wallet of a store: what one wallet has begun, no other signs on.

use std::ops::ControlFlow;
use std::sync::Arc;

use ans104::Address;
use log::{Fact, Log, ReadError};
use protocol::{Nonce, ProcessId};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::error::NodeError;

/// Which wallet a log remembers, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remembered {
    /// None: nothing was signed yet.
    Nothing,
    /// The one that signed the newest assignment: the log is from before wallets were recorded, or was imported.
    Signer(Address),
    /// The one that is recorded.
    Recorded(Address),
}

/// Lets this wallet sign: the one that the log remembers, or another if its address is that of the change. Nothing may
/// be signed before this returns: by then the log remembers it.
///
/// # Errors
/// When it is another wallet, or the log cannot be read or written to.
pub(crate) async fn hold(
    log: &Arc<dyn Log>,
    given: Address,
    change_to: Option<Address>,
) -> Result<(), NodeError> {
    if let Some(named) = change_to.filter(|named| *named != given) {
        return Err(NodeError::OtherChange { named, given });
    }
    let reading = log.clone();
    let remembered = spawn_blocking(move || Remembered::of(reading.as_ref())).await??;
    let mut batch = Vec::new();
    match remembered {
        Remembered::Recorded(address) if address == given => return Ok(()),
        Remembered::Signer(address) | Remembered::Recorded(address) if address != given => {
            if change_to.is_none() {
                return Err(NodeError::OtherWallet { remembered: address, given });
            }
            // One that was not recorded is as well.
            batch.extend(matches!(remembered, Remembered::Signer(_)).then(|| Fact::Wallet(address).append()));
            warn!(from = %address, to = %given, "from now on another wallet signs, as SU_WALLET_CHANGE_TO says");
        }
        Remembered::Nothing | Remembered::Signer(_) | Remembered::Recorded(_) => {}
    }
    batch.push(Fact::Wallet(given).append());
    log.enqueue(log.identity().term, batch)?.await?;
    info!(address = %given, "recorded the wallet that signs");
    Ok(())
}

/// Says so when what is read here was signed by another wallet than the one that this node tells of; which one.
///
/// # Errors
/// When the log cannot be read.
pub(crate) async fn compare(log: &Arc<dyn Log>, told: Address) -> Result<Option<Address>, NodeError> {
    let other = remembered(log).await?.filter(|remembered| *remembered != told);
    if let Some(signer) = other {
        warn!(%signer, %told, "clients are told of another wallet than the one that signed what is read here");
    }
    Ok(other)
}

/// The wallet that signed what is in a log, as far as it is known.
///
/// # Errors
/// When the log cannot be read.
pub(crate) async fn remembered(log: &Arc<dyn Log>) -> Result<Option<Address>, NodeError> {
    let reading = log.clone();
    Ok(match spawn_blocking(move || Remembered::of(reading.as_ref())).await?? {
        Remembered::Signer(address) | Remembered::Recorded(address) => Some(address),
        Remembered::Nothing => None,
    })
}

impl Remembered {
    fn of(log: &dyn Log) -> Result<Self, ReadError> {
        let mut remembered = None;
        log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
            if let Some(Fact::Wallet(address)) = Fact::of(&event) {
                remembered = Some(address);
            }
            ControlFlow::Continue(())
        })?;
        if let Some(address) = remembered {
            return Ok(Self::Recorded(address));
        }
        // Also what was imported: its processes name the wallet that signed it, and clients look for no other.
        let signer = log::newest(log, |event| Some(event.assignment()?.address()));
        Ok(signer?.map_or(Self::Nothing, Self::Signer))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::{Ed25519Wallet, Signer};
    use log::{Append, LocalLog, Memory, MemoryDisk};
    use testing::{SampleProcess, SampleUser, fact};

    use super::*;

    fn log() -> Arc<dyn Log> {
        Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap())
    }

    async fn append(log: &Arc<dyn Log>, batch: Vec<Append>) {
        log.enqueue(log.identity().term, batch).unwrap().await.unwrap();
    }

    fn address(number: u8) -> Address {
        SampleUser::new(number).signer().address()
    }

    /// The spawn of a process, and who signed it.
    fn spawn(number: u8) -> (Append, Address) {
        let scheduler = Ed25519Wallet::from_seed([number; 32]);
        let signer = scheduler.address();
        (SampleProcess::signed_by(1, SampleUser::new(number), Box::new(scheduler)).spawn(), signer)
    }

    #[tokio::test]
    async fn what_one_wallet_begins_no_other_signs_on() {
        let (log, one, other) = (log(), address(1), address(2));
        hold(&log, one, None).await.unwrap();
        hold(&log, one, None).await.unwrap();
        assert_eq!(log.tail().last(), Some(log::Seq::ZERO), "it is recorded once");
        let error = hold(&log, other, None).await.unwrap_err();
        assert!(
            matches!(error, NodeError::OtherWallet { remembered, given } if (remembered, given) == (one, other))
        );
        let text = error.to_string();
        for part in [one.to_string(), other.to_string(), format!("SU_WALLET_CHANGE_TO={other}")] {
            assert!(text.contains(&part), "{text}");
        }
        // A change that names any other wallet is none.
        let error = hold(&log, other, Some(one)).await.unwrap_err();
        assert!(matches!(error, NodeError::OtherChange { named, given } if (named, given) == (one, other)));
        assert_eq!(log.tail().last(), Some(log::Seq::ZERO), "what was refused left something behind");

        hold(&log, other, Some(other)).await.unwrap();
        for change in [None, Some(other)] {
            hold(&log, other, change).await.unwrap();
        }
        assert_eq!(log.tail().last(), Some(log::Seq::new(1)), "the change is recorded once");
        hold(&log, one, None).await.unwrap_err();
    }

    #[tokio::test]
    async fn who_only_reads_finds_out_that_another_wallet_signed() {
        let (log, one, other) = (log(), address(1), address(2));
        assert_eq!(compare(&log, one).await.unwrap(), None);
        let (spawn, signer) = spawn(1);
        append(&log, vec![spawn]).await;
        assert_eq!(compare(&log, other).await.unwrap(), Some(signer));
        hold(&log, other, Some(other)).await.unwrap();
        let mut recorded = Vec::new();
        log.scan(log::Seq::ZERO, &mut |event| {
            recorded.extend(Fact::of(&event));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(
            recorded,
            [Fact::Wallet(signer), Fact::Wallet(other)],
            "the one before is recorded as well"
        );
        assert_eq!(compare(&log, other).await.unwrap(), None);
        assert_eq!(compare(&log, one).await.unwrap(), Some(other));
    }

    #[tokio::test]
    async fn a_log_from_before_has_the_wallet_that_signed_last() {
        let log = log();
        let (first, signer) = spawn(1);
        let (mut imported, elsewhere) = spawn(2);
        imported.imported = true;
        append(&log, vec![imported]).await;
        assert_eq!(Remembered::of(log.as_ref()).unwrap(), Remembered::Signer(elsewhere));
        hold(&log, signer, None).await.unwrap_err();
        append(&log, vec![first]).await;
        // However much comes after it.
        append(&log, (0..200).map(|_| fact("of a newer program")).collect()).await;
        assert_ne!(signer, elsewhere);
        assert_eq!(Remembered::of(log.as_ref()).unwrap(), Remembered::Signer(signer));
        hold(&log, elsewhere, None).await.unwrap_err();
        hold(&log, signer, None).await.unwrap();
        assert_eq!(Remembered::of(log.as_ref()).unwrap(), Remembered::Recorded(signer));
    }
}
