//! Verifying signatures on several threads, beside the walk.

use std::mem;
use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ans104::Item;

use crate::event::{Body, Event, EventRef};
use crate::ids::Seq;
use crate::keys::EventKey;

use super::fault::{Fault, FaultPlace};

/// When a parcel of events is handed over.
const PARCEL_EVENTS: usize = 64;
const PARCEL_BYTES: usize = 1 << 20;
/// How many events a thread is worth.
const SHARE_MIN: usize = 8;

/// The threads that verify.
pub(super) struct Signatures {
    parcels: Option<SyncSender<Vec<Event>>>,
    threads: Vec<JoinHandle<()>>,
    parcel: Vec<Event>,
    parcel_bytes: usize,
    found: Receiver<Fault>,
    count: u64,
}

impl Signatures {
    pub(super) fn start(threads: NonZeroUsize) -> Self {
        let (parcels, taken) = mpsc::sync_channel(threads.get());
        let taken = Arc::new(Mutex::new(taken));
        let (report, found) = mpsc::channel();
        let start = |_| {
            let (taken, report) = (Arc::clone(&taken), report.clone());
            thread::spawn(move || work(&taken, &report))
        };
        let threads = (0..threads.get()).map(start).collect();
        Self { parcels: Some(parcels), threads, parcel: Vec::new(), parcel_bytes: 0, found, count: 0 }
    }

    /// Adds an event's signatures, waiting for the threads when they are behind.
    pub(super) fn add(&mut self, event: &EventRef<'_>) {
        let items = [event.item(), event.assignment()];
        for item in items.iter().flatten() {
            self.count = self.count.saturating_add(1);
            self.parcel_bytes = self.parcel_bytes.saturating_add(item.len());
        }
        self.parcel.push(event.to_owned());
        if self.parcel.len() >= PARCEL_EVENTS || self.parcel_bytes >= PARCEL_BYTES {
            self.hand_over();
        }
    }

    /// What was found so far.
    pub(super) fn found(&self) -> impl Iterator<Item = Fault> {
        self.found.try_iter()
    }

    /// Waits for the rest; all that was found and not taken yet, and how many signatures there were.
    pub(super) fn finish(mut self) -> (Vec<Fault>, u64) {
        self.hand_over();
        self.parcels = None;
        let mut found: Vec<Fault> = self.found.iter().collect();
        for thread in self.threads {
            if thread.join().is_err() {
                found.push(Fault::of_panic());
            }
        }
        (found, self.count)
    }

    fn hand_over(&mut self) {
        self.parcel_bytes = 0;
        if let Some(parcels) = &self.parcels {
            // They take until there is nothing more to come, or are gone, which is reported at the end.
            let _ = parcels.send(mem::take(&mut self.parcel));
        }
    }
}

fn work(parcels: &Mutex<Receiver<Vec<Event>>>, report: &Sender<Fault>) {
    loop {
        let parcel = parcels.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(parcel) = parcel else {
            return;
        };
        for event in &parcel {
            check(event, report);
        }
    }
}

fn check(event: &Event, report: &Sender<Fault>) {
    let (item, assignment) = match &event.body {
        Body::Spawned { item, assignment } => (Some(item), assignment.as_ref()),
        Body::Scheduled { item, assignment, .. } => (Some(item), Some(assignment)),
        Body::Assigned { assignment, .. } => (None, Some(assignment)),
        Body::Fact(_) => (None, None),
    };
    let key = EventKey { process: event.process, nonce: event.nonce };
    for (part, bytes) in [("item", item), ("assignment", assignment)] {
        let Some(bytes) = bytes else {
            continue;
        };
        let verified = Item::split(bytes).map_err(|error| error.to_string()).and_then(verify);
        if let Err(error) = verified {
            // Nobody listens any more only when the walk is over.
            let _ = report.send(fault(key, event.seq, event.imported, part, &error));
        }
    }
}

/// The first event with a signature that is wrong, and which; those of imported histories may be. They are verified on
/// so many threads, if there is enough for more than this one.
pub fn first_wrong_signature(events: &[EventRef<'_>], threads: NonZeroUsize) -> Option<Fault> {
    let share = events.len().div_ceil(threads.get()).max(SHARE_MIN);
    let mut shares = events.chunks(share);
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = shares.map(|share| scope.spawn(|| share.iter().find_map(wrong))).collect();
        let own = own.iter().find_map(wrong);
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|_| Some(Fault::of_panic())));
        // All of them have to be waited for.
        let others: Vec<_> = others.collect();
        own.or_else(|| others.into_iter().flatten().next())
    })
}

fn wrong(event: &EventRef<'_>) -> Option<Fault> {
    if event.imported {
        return None;
    }
    let key = EventKey { process: event.process, nonce: event.nonce };
    [("item", event.item()), ("assignment", event.assignment())].into_iter().find_map(|(part, found)| {
        let error = verify(found?).err()?;
        Some(fault(key, event.seq, false, part, &error))
    })
}

fn verify(item: Item<'_>) -> Result<(), String> {
    item.verify().map_err(|error| error.to_string())
}

fn fault(key: EventKey, seq: Seq, inherited: bool, part: &str, error: &str) -> Fault {
    let place = FaultPlace::Event { key, seq: Some(seq) };
    Fault { place, what: format!("the {part}'s signature is wrong: {error}"), inherited }
}
