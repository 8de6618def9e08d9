//! Whether the tables of a store go with each other, and with what is kept of the log as a whole.

use std::ops::ControlFlow;

use protocol::ProcessId;

use crate::engine::Engine;
use crate::keys::{EventKey, StoreKey, StoreTable, parse_process, parse_seq};

use super::fault::FaultPlace;
use super::{Verification, reason};
use crate::ids::Seq;

impl<E: Engine> Verification<'_, E> {
    /// What there is besides the events, which were looked at.
    pub(super) fn check_tables(&mut self) {
        let ordered = self.check_order();
        if ordered != self.stored || !self.summary.complete {
            self.check_orphans();
        }
        self.check_heads();
        if self.summary.faults == 0 {
            self.check_history();
        }
    }

    /// Looks for every event of the order.
    fn check_orphans(&mut self) {
        let limit = self.limit;
        let reader = self.reader;
        // What cannot be walked here was reported when it was walked first.
        let _ = reader.walk(StoreTable::Order, &StoreKey::order(Seq::ZERO), None, false, |key, place| {
            let Some(seq) = parse_seq(key).filter(|seq| limit.is_some_and(|limit| *seq <= limit)) else {
                return Ok(ControlFlow::Break(()));
            };
            let Some(event) = EventKey::parse(place) else {
                self.own(FaultPlace::Order(seq), "it does not point to an event".to_owned());
                return Ok(ControlFlow::Continue(()));
            };
            let found = match self.reader.with_event(event, |found| found.seq) {
                Ok(Some(found)) if found == seq => None,
                Ok(Some(found)) => Some(format!("the event in its place says it is number {found}")),
                Ok(None) => Some("the event is missing".to_owned()),
                Err(error) => Some(reason(error)),
            };
            if let Some(what) = found {
                self.own(FaultPlace::Event { key: event, seq: Some(seq) }, what);
            }
            Ok(ControlFlow::Continue(()))
        });
    }

    /// Looks for heads of processes that are not there.
    fn check_heads(&mut self) {
        let limit = self.limit;
        let reader = self.reader;
        let mut last_key = Vec::new();
        let walked =
            reader.walk(StoreTable::Heads, &StoreKey::head(ProcessId::NODE), None, false, |key, _| {
                key.clone_into(&mut last_key);
                let Some(process) = parse_process(key) else {
                    let place = FaultPlace::Table { name: StoreTable::Heads.name(), key: key.to_vec() };
                    self.own(place, "it is no process".to_owned());
                    return Ok(ControlFlow::Continue(()));
                };
                // A head that cannot be read was reported with its process, if there is one.
                if let Ok(Some(head)) = self.reader.head(process)
                    && limit.is_some_and(|limit| head.seq <= limit)
                {
                    let nonce = head.last.map(|link| link.nonce);
                    let event = StoreKey::event(EventKey { process, nonce });
                    if let Ok(None) = self.reader.engine().get(StoreTable::Events, event.as_ref()) {
                        self.own(
                            FaultPlace::Head(process),
                            "the event that it points to is missing".to_owned(),
                        );
                    }
                }
                Ok(ControlFlow::Continue(()))
            });
        if let Err(error) = walked {
            self.unreadable(FaultPlace::Table { name: StoreTable::Heads.name(), key: last_key }, &error);
        }
    }
}
