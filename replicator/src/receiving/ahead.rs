//! Verifying the signatures of a frame before its turn comes: on threads that stay, so that what is in its turn is put in
//! its place and on disk meanwhile, and that a key which was made ready once need not be again.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use log::{EventRef, Fault, FaultPlace, first_wrong_signature};

use crate::following::decode;
use crate::wire::{Frame, RawFrame};

/// How many events a thread is worth.
const SHARE_MIN: usize = 8;

/// The threads that verify. They end when this is dropped.
pub struct SignatureThreads {
    shares: Sender<Share>,
    count: NonZeroUsize,
}

/// Which part of a frame a thread is to verify, and where it tells the first event that is wrong.
struct Share {
    frame: Arc<RawFrame>,
    part: usize,
    found: Sender<Option<Fault>>,
}

/// A frame whose signatures are being verified.
pub struct VerifiedAhead {
    found: Receiver<Option<Fault>>,
    count: NonZeroUsize,
}

impl SignatureThreads {
    /// Starts so many.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(count: NonZeroUsize) -> std::io::Result<Self> {
        let (shares, taken) = mpsc::channel();
        let taken = Arc::new(Mutex::new(taken));
        for number in 0..count.get() {
            let taken = taken.clone();
            thread::Builder::new().name(format!("verify-{number}")).spawn(move || work(&taken, count))?;
        }
        Ok(Self { shares, count })
    }

    /// Begins to verify the signatures of what came. Does not block.
    pub fn begin(&self, frame: &Arc<RawFrame>) -> Option<VerifiedAhead> {
        if !frame.has_events() {
            return None;
        }
        let (told, found) = mpsc::channel();
        for part in 0..self.count.get() {
            let share = Share { frame: frame.clone(), part, found: told.clone() };
            // Without threads it is told by nobody, which counts as a fault.
            let _ = self.shares.send(share);
        }
        Some(VerifiedAhead { found, count: self.count })
    }
}

impl VerifiedAhead {
    /// Waits for it; the first event of the frame whose signature is wrong.
    pub(super) fn first_wrong(self) -> Option<Fault> {
        let found: Vec<Option<Fault>> = self.found.iter().collect();
        if found.len() < self.count.get() {
            return Some(Fault::of_panic());
        }
        let seq = |fault: &Fault| match fault.place {
            FaultPlace::Event { seq, .. } => seq,
            _ => None,
        };
        found.into_iter().flatten().min_by_key(seq)
    }
}

fn work(shares: &Mutex<Receiver<Share>>, count: NonZeroUsize) {
    loop {
        let share = shares.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Share { frame, part, found }) = share else { return };
        // Of one that panics nothing is told.
        if let Ok(fault) = catch_unwind(AssertUnwindSafe(|| wrong_in_part(&frame, part, count))) {
            // Whoever asked may have found something else that is wrong.
            let _ = found.send(fault);
        }
    }
}

/// The first event in this part of a frame whose signature is wrong. What cannot be read is found by whoever takes the frame.
fn wrong_in_part(frame: &RawFrame, part: usize, count: NonZeroUsize) -> Option<Fault> {
    let Ok(Frame::Events(sent)) = frame.open() else { return None };
    let share = sent.events.len().div_ceil(count.get()).max(SHARE_MIN);
    let begin = part.saturating_mul(share);
    let own = sent.events.get(begin..)?;
    let own = own.get(..share).unwrap_or(own);
    let from = sent.from.events.saturating_add(begin as u64);
    let events: Vec<EventRef<'_>> = decode(from, own).map_while(Result::ok).collect();
    first_wrong_signature(&events, NonZeroUsize::MIN)
}
