//! Who counts: the voters of a log, and what they decide together.

use std::collections::BTreeMap;

use log::{Members, NodeId, Seq, Term};
use thiserror::Error;

/// Why other members are not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MembersError {
    /// The change before it is not released.
    #[error("the members were changed a moment ago, and that is not released yet")]
    Pending,
    /// More than one thing changes.
    #[error("one step at a time: a voter more, a voter fewer, or one acknowledgement more or fewer")]
    Step,
    /// So many acknowledgements can never come.
    #[error("{acks} acknowledgements are more than the other {others} voters can give")]
    Acks {
        /// What was asked for.
        acks: u32,
        /// The voters besides the leader.
        others: usize,
    },
    /// The leader would not count itself.
    #[error("the leader is one of the voters")]
    Leader,
}

/// The memberships in force: that of the newest released fact, and those of all later ones; how many acknowledgements were
/// asked for at most since a person let one node go on alone, if one did; and the one that is on its way to disk, with the
/// term that it was begun in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memberships(Vec<(Seq, Members)>, Option<u32>, Option<(Term, Members)>);

impl Memberships {
    /// Takes note of a fact; they come in their order.
    pub(crate) fn note(&mut self, seq: Seq, members: Members) {
        self.1 = self.1.map(|most| most.max(members.acks));
        self.2 = self.2.take().filter(|(_, begun)| *begun != members);
        self.0.push((seq, members));
    }

    /// This one is on its way to disk.
    pub(crate) fn begin(&mut self, term: Term, members: Members) {
        self.2 = Some((term, members));
    }

    /// Whether one that was begun in this term is not on disk yet.
    pub(crate) fn is_begun(&self, term: Term) -> bool {
        self.2.as_ref().is_some_and(|(begun, _)| *begun == term)
    }

    /// A person has let a node go on alone: those before count no more.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
        self.1 = Some(0);
    }

    /// Whether there are fewer acknowledgements than so many because a person said so, and never were so many since.
    pub(crate) fn is_fewer_by_word(&self, acks: u32) -> bool {
        self.1.is_some_and(|most| most < acks)
    }

    /// Whether a node was a voter in any of them.
    pub(crate) fn had(&self, node: NodeId) -> bool {
        self.0.iter().any(|(_, members)| members.voters.contains(&node))
    }

    /// Whether the newest one is in force alone.
    pub(crate) fn is_settled(&self, released: u64) -> bool {
        self.in_force(released).count() <= 1 && self.0.last().is_none_or(|(seq, _)| seq.get() < released)
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> Option<&Members> {
        self.0.last().map(|(_, members)| members)
    }

    /// Those that count while so many events are released: a decision needs a quorum of each.
    pub(crate) fn in_force(&self, released: u64) -> impl Iterator<Item = &Members> {
        let settled = self.0.iter().rposition(|(seq, _)| seq.get() < released).unwrap_or(0);
        self.0.iter().skip(settled).map(|(_, members)| members)
    }

    /// Whether the newest one may be followed by this one.
    pub(crate) fn check_step(&self, released: u64, to: &Members, leader: NodeId) -> Result<(), MembersError> {
        check(to, leader)?;
        let Some((seq, from)) = self.0.last() else { return Ok(()) };
        if seq.get() >= released {
            return Err(MembersError::Pending);
        }
        let changed = from.voters.symmetric_difference(&to.voters).count();
        let steps =
            changed.saturating_add(usize::try_from(from.acks.abs_diff(to.acks)).unwrap_or(usize::MAX));
        if steps == 1 { Ok(()) } else { Err(MembersError::Step) }
    }
}

fn check(members: &Members, leader: NodeId) -> Result<(), MembersError> {
    if !members.voters.contains(&leader) {
        return Err(MembersError::Leader);
    }
    let others = members.voters.len().saturating_sub(1);
    if acks(members) > others { Err(MembersError::Acks { acks: members.acks, others }) } else { Ok(()) }
}

fn acks(members: &Members) -> usize {
    usize::try_from(members.acks).unwrap_or(usize::MAX)
}

/// How many events k+1 voters have.
pub(crate) fn released(members: &Members, held: &BTreeMap<NodeId, u64>) -> u64 {
    let mut counts: Vec<u64> =
        members.voters.iter().map(|node| held.get(node).copied().unwrap_or(0)).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.get(acks(members)).copied().unwrap_or(0)
}

/// How many promises a term needs: N−k.
pub(crate) fn promises_needed(members: &Members) -> usize {
    members.voters.len().saturating_sub(acks(members)).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use uuid::Uuid;

    use super::*;

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    fn members(voters: u128, acks: u32) -> Members {
        Members { voters: (0..voters).map(node).collect(), acks }
    }

    #[test]
    fn an_event_is_released_when_k_more_have_it() {
        let held: BTreeMap<_, _> = [(node(0), 9), (node(1), 7), (node(2), 3), (node(9), 8)].into();
        for (voters, acks, expected) in
            [(1, 0, 9), (2, 1, 7), (3, 0, 9), (3, 1, 7), (3, 2, 3), (4, 2, 3), (4, 3, 0)]
        {
            assert_eq!(released(&members(voters, acks), &held), expected, "{voters} voters, {acks} acks");
        }
    }

    /// What makes the rules safe: any k+1 and any N−k have one in common.
    #[test]
    fn the_quorums_meet() {
        for voters in 1..9_usize {
            for acks in 0..voters {
                let needed = promises_needed(&members(voters as u128, acks as u32));
                assert!(needed + acks + 1 > voters, "{voters} voters, {acks} acks");
            }
        }
    }

    #[test]
    fn members_change_one_step_at_a_time() {
        let mut in_log = Memberships::default();
        let leader = node(0);
        in_log.note(Seq::new(3), members(2, 1));
        assert_eq!(in_log.check_step(3, &members(3, 1), leader), Err(MembersError::Pending));
        assert_eq!(in_log.check_step(4, &members(3, 1), leader), Ok(()));
        assert_eq!(in_log.check_step(4, &members(2, 0), leader), Ok(()));
        assert_eq!(in_log.check_step(4, &members(2, 1), leader), Err(MembersError::Step));
        assert_eq!(in_log.check_step(4, &members(3, 2), leader), Err(MembersError::Step));
        assert_eq!(
            in_log.check_step(4, &members(1, 1), leader),
            Err(MembersError::Acks { acks: 1, others: 0 })
        );
        assert_eq!(in_log.check_step(4, &members(3, 1), node(7)), Err(MembersError::Leader));
    }

    #[test]
    fn a_persons_word_holds_until_there_are_as_many_as_before() {
        let mut in_log = Memberships::default();
        let mut note = |seq, members: Option<Members>| {
            match members {
                Some(members) => in_log.note(Seq::new(seq), members),
                None => in_log.forget(),
            }
            (0..3).filter(|acks| in_log.is_fewer_by_word(*acks)).collect::<Vec<u32>>()
        };
        assert_eq!(note(0, Some(members(3, 2))), [0_u32; 0]);
        assert_eq!(note(1, None), [1, 2_u32]);
        assert_eq!(note(2, Some(members(1, 0))), [1, 2_u32]);
        assert_eq!(note(3, Some(members(2, 1))), [2_u32], "it goes on while a third one is missing");
        assert_eq!(note(4, Some(members(3, 2))), [0_u32; 0]);
        assert_eq!(note(5, Some(members(2, 1))), [0_u32; 0], "nobody said anything of that");
    }

    #[test]
    fn both_count_until_the_change_is_released() {
        let mut in_log = Memberships::default();
        for (seq, voters) in [(0, 1), (5, 2), (9, 3)] {
            in_log.note(Seq::new(seq), members(voters, 0));
        }
        let counted = |released| in_log.in_force(released).map(|one| one.voters.len()).collect::<Vec<_>>();
        for (released, expected) in
            [(0, vec![1, 2, 3]), (1, vec![1, 2, 3]), (5, vec![1, 2, 3]), (6, vec![2, 3]), (10, vec![3])]
        {
            assert_eq!(counted(released), expected, "{released} released");
        }
        assert_eq!(Memberships::default().in_force(3).count(), 0);
    }
}
