//! The items that clients of the simulation send, signed once for all seeds.

use std::sync::{Arc, LazyLock};

use ans104::Id;
use bytes::Bytes;
use protocol::ProcessId;

use testing::{SampleUser, id_of};
use tokio::sync::{Semaphore, oneshot};

use crate::error::ScheduleError;
use crate::order::{Answer, Scheduled};

/// How many processes there are, and how many messages may be sent to each.
pub(super) const PROCESSES: usize = 3;
const MESSAGES: usize = 24;

pub(super) struct Sent {
    pub(super) process: ProcessId,
    pub(super) spawn: Bytes,
    pub(super) messages: Vec<(Id, Bytes)>,
}

pub(super) static ITEMS: LazyLock<Vec<Sent>> = LazyLock::new(|| (0..PROCESSES).map(sent).collect());

/// Where a client waits, and what answers it.
pub(super) fn answer() -> (Answer, oneshot::Receiver<Result<Scheduled, ScheduleError>>) {
    Answer::new(Arc::new(Semaphore::new(1)).try_acquire_owned().expect("one permit"))
}

fn sent(number: usize) -> Sent {
    let user = SampleUser::new(number as u8 + 1);
    let spawn = user.process(&[], format!("data {number}"));
    let process = id_of(&spawn).into();
    let message = |number: usize| {
        // Every third is a push, and every sixth a push of the same content as the one three before it.
        let pushed = number.is_multiple_of(3);
        let twin = if number % 6 == 3 { number - 3 } else { number };
        let pushed_for = number.to_string();
        let push = [("From-Process", "other"), ("Pushed-For", pushed_for.as_str())];
        let bytes = user.message(process, if pushed { &push } else { &[] }, format!("data {twin}"));
        (id_of(&bytes), bytes)
    };
    Sent { process, spawn, messages: (0..MESSAGES).map(message).collect() }
}
