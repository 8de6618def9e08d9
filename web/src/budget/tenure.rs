//! Who may be cut off when memory is needed, and from when on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Budget;
use super::holder::Holder;
use super::share::Share;

/// What is moved by less is not noted anew.
const COARSE: Duration = Duration::from_millis(250);

/// Where somebody is among those that are due: from when on, and a number of its own.
pub(super) type Place = (Instant, u64);

/// Somebody who may be cut off.
#[derive(Debug)]
pub(super) struct Cuttable {
    cut: Arc<Notify>,
    ended: watch::Receiver<()>,
    network: Option<IpAddr>,
}

impl Cuttable {
    /// Tells it to end, and returns what tells when it has.
    pub(super) fn cut(self) -> Ended {
        self.cut.notify_one();
        Ended(self.ended)
    }
}

/// Tells when somebody who was cut off has ended.
pub(super) struct Ended(watch::Receiver<()>);

impl Ended {
    pub(super) async fn ended(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// Something that may be cut off once it is due, for the sake of a share that it holds some of. Dropped, it may not be
/// any more.
#[derive(Debug)]
pub(crate) struct Tenure {
    budget: Budget,
    number: u64,
    /// Since when or from when on it is due, for each share that it holds some of; none while it is not.
    due: Vec<(Share, Option<Instant>)>,
    cut: Arc<Notify>,
    ended: watch::Sender<()>,
    /// The address of the connection that it is on.
    network: Option<IpAddr>,
}

impl Budget {
    /// From this time on whoever holds something of these shares may be cut off, which `cut` tells.
    pub(crate) fn tenure(&self, shares: &[Share], due: Instant, cut: Arc<Notify>) -> Tenure {
        let number = {
            let mut state = self.lock();
            state.number += 1;
            state.number
        };
        let shares = shares.iter().map(|share| (*share, None)).collect();
        let (ended, network) =
            (watch::Sender::default(), Holder::current().and_then(|holder| holder.network()));
        let mut tenure = Tenure { budget: self.clone(), number, due: shares, cut, ended, network };
        tenure.put_off(due);
        tenure
    }

    /// Cuts off whoever has been due for longest among those that hold some of this share, of this address or of any, if
    /// there is anybody.
    pub(super) fn cut_one(&self, share: Share, of: Option<IpAddr>) -> Option<Ended> {
        let mut state = self.lock();
        let all = state.due.get_mut(share);
        let mut due = all.range(..=(Instant::now(), u64::MAX));
        let first = due.find(|(_, cuttable)| of.is_none() || cuttable.network == of).map(|(place, _)| *place);
        let cuttable = first.and_then(|place| all.remove(&place));
        drop(state);
        cuttable.map(Cuttable::cut)
    }
}

#[cfg(test)]
impl Budget {
    /// Whether anybody who holds some of this share may be cut off.
    pub(crate) fn is_due(&self, share: Share) -> bool {
        self.lock().due.get(share).keys().next().is_some_and(|place| place.0 <= Instant::now())
    }
}

impl Tenure {
    /// Puts off when it is due. Who is being cut off stays so.
    pub(crate) fn put_off(&mut self, to: Instant) {
        let mut state = self.budget.lock();
        for (share, due) in &mut self.due {
            let all = state.due.get_mut(*share);
            let cuttable = match *due {
                Some(due) if to < due + COARSE => continue,
                Some(due) => all.remove(&(due, self.number)),
                None => {
                    let (cut, ended) = (self.cut.clone(), self.ended.subscribe());
                    Some(Cuttable { cut, ended, network: self.network })
                }
            };
            if let Some(cuttable) = cuttable {
                all.insert((to, self.number), cuttable);
                *due = Some(to);
            }
        }
    }

    /// It holds some of this share, too.
    pub(crate) fn holds(&mut self, share: Share) {
        if self.due.iter().any(|(held, _)| *held == share) {
            return;
        }
        let due = self.due.iter().find_map(|(_, due)| *due);
        if let Some(due) = due {
            let (cut, ended) = (self.cut.clone(), self.ended.subscribe());
            let cuttable = Cuttable { cut, ended, network: self.network };
            self.budget.lock().due.get_mut(share).insert((due, self.number), cuttable);
        }
        self.due.push((share, due));
    }

    /// It is not due for the sake of this share until it is put off.
    pub(crate) fn rest(&mut self, share: Share) {
        let mut state = self.budget.lock();
        for (_, due) in self.due.iter_mut().filter(|(held, _)| *held == share) {
            // Who is being cut off stays so.
            if due.is_some_and(|due| state.due.get_mut(share).remove(&(due, self.number)).is_some()) {
                *due = None;
            }
        }
    }

    /// It holds nothing of this share any more.
    pub(crate) fn lets_go(&mut self, share: Share) {
        self.rest(share);
        self.due.retain(|(held, _)| *held != share);
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        for (share, due) in &self.due {
            if let Some(due) = due {
                state.due.get_mut(*share).remove(&(*due, self.number));
            }
        }
    }
}
