//! The items that clients of the simulation send, signed once for all seeds.

use std::sync::{Arc, LazyLock};

use ans104::{Address, Id, Item};
use bytes::Bytes;
use log::DeepHash;
use protocol::ProcessId;

use testing::{SampleUser, id_of};
use tokio::sync::{Semaphore, oneshot};

use crate::classes::Classes;
use crate::content::Content;
use crate::error::ScheduleError;
use crate::order::{Answer, Scheduled};
use crate::sequencer::Sequencer;

/// How many processes there are, and how many messages may be sent to each.
pub(super) const PROCESSES: usize = 3;
const MESSAGES: usize = 16;

pub(super) struct Sent {
    pub(super) process: ProcessId,
    pub(super) spawn: Bytes,
    pub(super) classes: Classes,
    pub(super) messages: Vec<Message>,
}

pub(super) struct Message {
    pub(super) id: Id,
    pub(super) item: Bytes,
    /// What it is known by in its process, if it is pushed.
    pub(super) content: Option<DeepHash>,
}

/// Those who push: the first two are the authorities of all processes but the first, which has none.
pub(super) static PUSHERS: LazyLock<Vec<SampleUser>> =
    LazyLock::new(|| (11..15).map(SampleUser::new).collect());

pub(super) static ITEMS: LazyLock<Vec<Sent>> = LazyLock::new(|| (0..PROCESSES).map(sent).collect());

/// Where a client waits, and what answers it.
pub(super) fn answer(sequencer: &Sequencer) -> (Answer, oneshot::Receiver<Result<Scheduled, ScheduleError>>) {
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("one permit");
    Answer::new(permit, &sequencer.backlog, sequencer.clock.monotonic())
}

fn sent(number: usize) -> Sent {
    let user = SampleUser::new(number as u8 + 1);
    let authorities: Vec<_> =
        PUSHERS[..2].iter().map(|pusher| pusher.signer().address().to_string()).collect();
    let authorities = authorities.iter().map(|address| ("Authority", address.as_str()));
    let tags: Vec<_> = authorities.filter(|_| number > 0).collect();
    let spawn = user.process(&tags, format!("data {number}"));
    let process = id_of(&spawn).into();
    let classes = Classes::of(&Item::split(&spawn).unwrap());
    let message = |number: usize| {
        let item = if number.is_multiple_of(2) {
            // All pushers push the same few contents.
            let (pusher, content) = (number / 2 % PUSHERS.len(), number / 2 / PUSHERS.len());
            let pushed_for = number.to_string();
            let push = [("From-Process", "other"), ("Pushed-For", pushed_for.as_str())];
            PUSHERS[pusher].message(process, &push, format!("content {content}"))
        } else {
            user.message(process, &[], format!("data {number}"))
        };
        let content = number.is_multiple_of(2).then(|| {
            let item = Item::split(&item).unwrap();
            classes.key(&Content::of(&item).signed_by(item.address()))
        });
        Message { id: id_of(&item), item, content }
    };
    let messages = (0..MESSAGES).map(message).collect();
    Sent { process, spawn, classes, messages }
}

/// Who pushes what is assigned.
pub(super) fn pusher(number: usize) -> Address {
    PUSHERS[number % PUSHERS.len()].signer().address()
}
