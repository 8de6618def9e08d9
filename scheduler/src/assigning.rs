//! What must be known of a thing on chain before it is assigned. What this node knows by itself it asks nobody for:
//! that the process has it already, and what a message is that is scheduled here.

use std::ops::ControlFlow;
use std::sync::Arc;

use ans104::Id;
use projections::IndexPlace;
use protocol::{ProcessId, SubmissionError};

use crate::classes::Pushed;
use crate::content::Content;
use crate::error::ScheduleError;
use crate::gateways::{Purpose, in_time};
use crate::look_ups::Client;
use crate::on_chain;
use crate::order::{AssignOrder, Intake};
use crate::scheduler::Shared;
use crate::settlement::{check_depth, settlement_depth};

/// What this node knows of what is to be assigned.
enum Known {
    /// It is a message that is scheduled here; what it is told apart by, when contents are compared.
    Message(Option<Pushed>),
    /// It is a message that gateways may know.
    Elsewhere,
    /// It is a base-layer transaction that must be so deep in the chain.
    BaseLayer { depth: u64 },
}

impl Shared {
    /// Refuses what cannot be assigned; asks gateways for what this node does not know. Whatever is waited for, it has one
    /// deadline.
    pub(crate) async fn check_assign(self: &Arc<Self>, order: &AssignOrder) -> Result<Intake, ScheduleError> {
        in_time(self.checked_assign(order)).await
    }

    async fn checked_assign(self: &Arc<Self>, order: &AssignOrder) -> Result<Intake, ScheduleError> {
        SubmissionError::check_process(order.process)?;
        self.limits.check_process(order.process)?;
        self.check_lane(order.process)?;
        let transaction = order.transaction;
        let gateway = self.gateways.gateway();
        let pushed = match self.look_up(order).await? {
            Known::Message(pushed) => pushed,
            Known::Elsewhere => {
                let asked = on_chain::pushed(gateway, transaction, self.deep_hash_checks);
                self.gateways.ask(Purpose::Assign, asked).await?
            }
            Known::BaseLayer { depth } => {
                self.gateways.ask(Purpose::Assign, check_depth(gateway, transaction, depth)).await?;
                None
            }
        };
        let (shared, process) = (self.clone(), order.process);
        let doubtful = move |_: &Client| shared.doubtful(process);
        let nonce = if self.succession.is_none() { None } else { self.look_ups.look(doubtful).await? };
        if let Some(nonce) = nonce {
            self.check_nonce(process, nonce).await?;
        }
        Ok(Intake::Assign { transaction, exclude: order.exclude.clone(), pushed })
    }

    /// Reads the index and the log, when its turn has come.
    async fn look_up(self: &Arc<Self>, order: &AssignOrder) -> Result<Known, ScheduleError> {
        let (shared, process) = (self.clone(), order.process);
        let (transaction, base_layer) = (order.transaction, order.base_layer);
        let look = move |client: &Client| shared.look_up_blocking(client, process, transaction, base_layer);
        self.look_ups.look(look).await
    }

    fn look_up_blocking(
        &self,
        client: &Client,
        process: ProcessId,
        transaction: Id,
        base_layer: bool,
    ) -> Result<Known, ScheduleError> {
        self.check_here(process)?;
        if !self.is_known(process)? {
            return Err(ScheduleError::UnknownProcess(process));
        }
        // What the index has is on disk. What is in flight is found in the lane.
        if self.sequencer.index.find(process, transaction)?.is_some() {
            return Err(ScheduleError::Duplicate { process, id: transaction });
        }
        if base_layer {
            let depth = settlement_depth(self.sequencer.log.as_ref(), process)?;
            return Ok(Known::BaseLayer { depth });
        }
        Ok(self.own_message(client, transaction)?.unwrap_or(Known::Elsewhere))
    }

    /// The message of this id, if it is scheduled here.
    fn own_message(&self, client: &Client, id: Id) -> Result<Option<Known>, ScheduleError> {
        let mut looked = Ok(None);
        // Its item is in one process. It may have been assigned to any number of others, which come first.
        self.sequencer.index.visit_everywhere(id, &mut |place| {
            looked = client.check_waits().and_then(|()| self.message_at(id, place));
            if matches!(looked, Ok(None)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        looked
    }

    /// The message of this id, if its item is there.
    fn message_at(&self, id: Id, place: IndexPlace) -> Result<Option<Known>, ScheduleError> {
        let IndexPlace { process, nonce: Some(nonce) } = place else { return Ok(None) };
        let mut found = None;
        self.sequencer.log.range(process, false, nonce..=nonce, &mut |event| {
            // Where it was assigned, or where it is an assignment itself, its item is not there.
            if let Some(item) = event.item().filter(|item| item.id() == id) {
                let pushed = || Content::of(&item).signed_by(item.address());
                found = Some(Known::Message(self.deep_hash_checks.then(pushed)));
            }
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}
