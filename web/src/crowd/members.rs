//! Who is in, who waits, and who is to go first.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{CrowdPlace, LOOK_AGAIN};
use crate::traffic::{AtRest, Traffic};

/// How many are chosen at a time to go next: looking at all takes longer than a client needs to come again.
const CHOSEN: usize = 64;
/// By what part of the most an address may have fewer than that, and still be one with most of them.
const ABOUT: usize = 16;

/// Those that are counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CrowdGroup {
    /// All of this address, of IPv6 of this network.
    Network(IpAddr),
    /// One whose address many are behind: the connection of this number.
    Alone(u64),
}

impl CrowdGroup {
    /// Whom the connection of this number belongs to.
    pub(super) fn of(network: Option<IpAddr>, number: u64) -> Self {
        network.map_or(Self::Alone(number), Self::Network)
    }
}

/// The connections of a listener, and those that wait to be.
pub(super) struct CrowdMembers {
    places: usize,
    taken: usize,
    number: u64,
    groups: HashMap<CrowdGroup, HashMap<u64, Arc<Traffic>>>,
    /// In the order in which they came.
    waiting: VecDeque<Newcomer>,
    chosen: Chosen,
}

struct Newcomer {
    number: u64,
    group: CrowdGroup,
    came: Instant,
    traffic: Arc<Traffic>,
    given: oneshot::Sender<CrowdPlace>,
}

/// Those that are to go next, the first one at the end.
#[derive(Default)]
struct Chosen {
    members: Vec<(CrowdGroup, u64)>,
    /// How many an address has at least with which it is one of those with most of them.
    most: usize,
    /// When all were looked at.
    at: Option<Instant>,
}

/// Who has a place now, and is to be told.
pub(super) struct Next {
    pub(super) group: CrowdGroup,
    pub(super) number: u64,
    pub(super) given: oneshot::Sender<CrowdPlace>,
}

impl CrowdMembers {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            taken: 0,
            number: 0,
            groups: HashMap::new(),
            waiting: VecDeque::new(),
            chosen: Chosen::default(),
        }
    }

    /// Takes one in if there is a place, and has it wait for one else; its number.
    pub(super) fn enter(
        &mut self,
        network: Option<IpAddr>,
        traffic: Arc<Traffic>,
        given: oneshot::Sender<CrowdPlace>,
    ) -> Result<u64, u64> {
        self.number += 1;
        let number = self.number;
        let group = CrowdGroup::of(network, number);
        if self.taken < self.places {
            self.taken += 1;
            self.groups.entry(group).or_default().insert(number, traffic);
            return Ok(number);
        }
        self.waiting.push_back(Newcomer { number, group, came: Instant::now(), traffic, given });
        Err(number)
    }

    /// One leaves: who gets its place, if anybody waits for it.
    pub(super) fn leave(&mut self, group: CrowdGroup, number: u64) -> Option<Next> {
        if let Some(members) = self.groups.get_mut(&group) {
            members.remove(&number);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
        let all = self.waiting.iter().enumerate();
        let next = all.min_by_key(|(_, newcomer)| self.count(newcomer.group)).map(|(place, _)| place);
        let Some(newcomer) = next.and_then(|place| self.waiting.remove(place)) else {
            self.taken -= 1;
            return None;
        };
        let Newcomer { number, group, traffic, given, .. } = newcomer;
        self.groups.entry(group).or_default().insert(number, traffic);
        Some(Next { group, number, given })
    }

    /// One does not wait any more.
    pub(super) fn waits_no_more(&mut self, number: u64) {
        self.waiting.retain(|newcomer| newcomer.number != number);
    }

    /// Since when the first of those that wait does.
    pub(super) fn waits(&self) -> Option<Instant> {
        self.waiting.front().map(|newcomer| newcomer.came)
    }

    /// Those of whom most wait, or most are in where as many do.
    pub(super) fn most_waiting(&self) -> Option<CrowdGroup> {
        let mut counts = HashMap::<CrowdGroup, usize>::new();
        for newcomer in &self.waiting {
            *counts.entry(newcomer.group).or_default() += 1;
        }
        let counts = counts.into_iter().map(|(group, waiting)| ((waiting, self.count(group)), group));
        counts.max().map(|(_, group)| group)
    }

    /// The network with most connections, and how many it has.
    pub(super) fn busiest(&self) -> Option<(IpAddr, usize)> {
        let counts = self.groups.iter().filter_map(|(group, members)| match group {
            CrowdGroup::Network(network) => Some((*network, members.len())),
            CrowdGroup::Alone(_) => None,
        });
        counts.max_by_key(|(_, count)| *count)
    }

    /// Who is to give way first, if anybody may.
    pub(super) fn first_to_go(&mut self) -> Option<Arc<Traffic>> {
        loop {
            let Some((group, number)) = self.chosen.members.pop() else {
                if self.chosen.at.is_some_and(|at| at.elapsed() < LOOK_AGAIN) && self.chosen.most == 0 {
                    // Nobody may, as was just seen.
                    return None;
                }
                self.choose();
                if self.chosen.members.is_empty() {
                    return None;
                }
                continue;
            };
            if self.count(group) < self.chosen.most {
                // Others have more by now.
                self.chosen.members.clear();
                continue;
            }
            let member = self.groups.get(&group).and_then(|members| members.get(&number));
            if let Some(traffic) = member.filter(|traffic| traffic.rest().is_some()) {
                return Some(traffic.clone());
            }
        }
    }

    /// Looks at all for those that are to go next.
    fn choose(&mut self) {
        let mut all = Vec::new();
        for (group, members) in &self.groups {
            for (number, traffic) in members {
                let key = match traffic.rest() {
                    Some(AtRest::Idle(since)) => (Reverse(members.len()), 0, since, *number),
                    Some(AtRest::Waits(since)) => (Reverse(members.len()), 1, since, *number),
                    None => continue,
                };
                all.push((key, (*group, *number)));
            }
        }
        if all.len() > CHOSEN {
            all.select_nth_unstable_by_key(CHOSEN, |(key, _)| *key);
            all.truncate(CHOSEN);
        }
        all.sort_unstable_by_key(|(key, _)| Reverse(*key));
        let most = all.last().map_or(0, |((Reverse(count), ..), _)| count - count / ABOUT);
        let members = all.into_iter().filter(|((Reverse(count), ..), _)| *count >= most);
        let members = members.map(|(_, member)| member).collect();
        self.chosen = Chosen { members, most, at: Some(Instant::now()) };
    }

    fn count(&self, group: CrowdGroup) -> usize {
        self.groups.get(&group).map_or(0, HashMap::len)
    }
}
