//! The items that clients of the simulation send, signed once for all seeds.

use std::sync::LazyLock;

use ans104::{Draft, Ed25519Wallet, Id, Item, Tag};
use bytes::Bytes;
use protocol::ProcessId;

/// How many processes there are, and how many messages may be sent to each.
pub(super) const PROCESSES: usize = 3;
const MESSAGES: usize = 24;

pub(super) struct Sent {
    pub(super) process: ProcessId,
    pub(super) spawn: Bytes,
    pub(super) messages: Vec<(Id, Bytes)>,
}

pub(super) static ITEMS: LazyLock<Vec<Sent>> = LazyLock::new(|| (0..PROCESSES).map(sent).collect());

fn sent(number: usize) -> Sent {
    let wallet = Ed25519Wallet::from_seed([number as u8 + 1; 32]);
    let spawn = sign(&wallet, None, &[("Type", "Process"), ("Module", "m"), ("Scheduler", "s")], number);
    let process = id(&spawn);
    let message = |number: usize| {
        // Every third is a push, and every sixth a push of the same content as the one three before it.
        let pushed = number.is_multiple_of(3);
        let twin = if number % 6 == 3 { number - 3 } else { number };
        let pushed_for = number.to_string();
        let mut tags = vec![("Type", "Message")];
        if pushed {
            tags.extend([("From-Process", "other"), ("Pushed-For", pushed_for.as_str())]);
        }
        let bytes = sign(&wallet, Some(process), &tags, twin);
        (id(&bytes), bytes)
    };
    Sent { process: process.into(), spawn, messages: (0..MESSAGES).map(message).collect() }
}

fn sign(wallet: &Ed25519Wallet, target: Option<Id>, tags: &[(&str, &str)], number: usize) -> Bytes {
    let mut tags: Vec<Tag<'_>> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
    tags.push(Tag { name: "Data-Protocol", value: "ao" });
    let target = target.map(|id| *id.as_bytes());
    let data = format!("data {number}");
    let draft = Draft { target: target.as_ref(), anchor: None, tags: &tags, data: data.as_bytes() };
    draft.sign(wallet).expect("Ed25519 signs").into()
}

fn id(bytes: &[u8]) -> Id {
    Item::parse(bytes).expect("what was just written").id()
}
