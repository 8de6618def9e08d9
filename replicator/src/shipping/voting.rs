//! What a node that is one of several ships besides: what is not released, to those whose copies count.

use std::collections::BTreeSet;

use log::{Members, NodeId, Tail};

use super::{ShipError, ShippedStream, Shipper};
use crate::wire::{Frame, MembersFrame};

/// What a node is among those that keep a log.
pub trait MemberView: Send + Sync {
    /// Whether it leads, or is about to.
    fn is_in_lead(&self) -> bool;

    /// Who they are.
    fn members(&self) -> Option<Members>;
}

impl Shipper {
    /// Whether this node leads, as one of several.
    pub(super) fn is_in_lead(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.is_in_lead())
    }

    /// Those whose copies count.
    pub(super) fn voters(&self) -> BTreeSet<NodeId> {
        let members = self.member.as_ref().and_then(|member| member.members());
        members.map(|members| members.voters).unwrap_or_default()
    }

    /// The end of what may be shipped.
    pub(super) fn end(&self, is_voting: bool) -> Tail {
        if is_voting { self.log.synced() } else { self.log.released() }
    }
}

impl ShippedStream {
    /// Who keeps the log, as a frame; nothing where this node alone does.
    pub(super) fn members(&self) -> Result<Vec<u8>, ShipError> {
        let Some(member) = &self.shipper.member else { return Ok(Vec::new()) };
        let log = &self.shipper.log;
        let term = log.identity().term;
        let owner = log.terms()?.last().map_or(NodeId::UNKNOWN, |last| last.owner);
        let (voters, acks) = member
            .members()
            .map_or((Vec::new(), 0), |members| (members.voters.into_iter().collect(), members.acks));
        let frame = MembersFrame {
            leads: self.is_voting,
            term: term.0,
            owner: owner.0.into_bytes(),
            acks,
            voters: voters.into_iter().map(|node: NodeId| node.0.into_bytes()).collect(),
        };
        Ok(Frame::Members(frame).encode()?)
    }
}
