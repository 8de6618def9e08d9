//! A schedule in the order of time: by timestamp, and entries of one timestamp by nonce. In most histories that is the
//! order of nonces; in some that were imported the clock was set back.

use std::collections::VecDeque;

use protocol::{Nonce, ProcessId, Timestamp};

use crate::error::CallError;
use crate::node::ApiNode;

/// How many entries are looked up at a time.
const AHEAD: usize = 256;

/// A walk along the entries of a process in the order of time.
pub(super) struct TimeWalk {
    process: ProcessId,
    /// Where to look next; none when there is nothing more.
    next: Option<(Timestamp, Nonce)>,
    until: Timestamp,
    ahead: VecDeque<Nonce>,
}

impl TimeWalk {
    /// What is later than the one time, and not later than the other.
    pub(super) fn new(process: ProcessId, from: Option<i64>, to: Option<i64>) -> Self {
        let from = match from.map(u64::try_from) {
            Some(Ok(from)) => from.checked_add(1),
            // There is nothing before 0.
            Some(Err(_)) | None => Some(0),
        };
        let until = to.map_or(Ok(u64::MAX), u64::try_from).ok();
        let next = from.filter(|_| until.is_some()).map(|from| (Timestamp::new(from), Nonce::ZERO));
        Self { process, next, until: Timestamp::new(until.unwrap_or(0)), ahead: VecDeque::new() }
    }

    /// Whether nothing more is known to come.
    pub(super) fn has_ended(&self) -> bool {
        self.next.is_none() && self.ahead.is_empty()
    }

    /// The next entries, as far as their nonces follow one another: the first and the last of them.
    pub(super) fn run(&mut self, node: &ApiNode) -> Result<Option<(Nonce, Nonce)>, CallError> {
        if self.ahead.is_empty() {
            self.look_up(node)?;
        }
        let Some(first) = self.ahead.pop_front() else { return Ok(None) };
        let mut last = first;
        while let Some(next) = self.ahead.pop_front_if(|next| *next == last.next()) {
            last = next;
        }
        Ok(Some((first, last)))
    }

    fn look_up(&mut self, node: &ApiNode) -> Result<(), CallError> {
        let Some((time, nonce)) = self.next.take() else { return Ok(()) };
        let found = node.parts.index.by_time(self.process, time, nonce, AHEAD)?;
        if let Some((time, nonce)) = found.last().filter(|_| found.len() == AHEAD) {
            self.next = Some((*time, nonce.next()));
        }
        let wanted = found.iter().take_while(|(time, _)| *time <= self.until);
        self.ahead.extend(wanted.map(|(_, nonce)| *nonce));
        if self.ahead.len() < found.len() {
            self.next = None;
        }
        Ok(())
    }
}
