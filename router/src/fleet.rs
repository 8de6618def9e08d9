//! The schedulers that a router knows, as they are at the moment; and which of them a new process goes to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use ans104::Address;
use log::{StoreId, Term};
use thiserror::Error;

use crate::list::SchedulerFlags;
use crate::marks::SeenMarks;
use crate::member::{FleetMember, StoreLead};
use crate::scheduler_url::SchedulerUrl;
use crate::state::{KnownScheduler, SchedulerNumber};

type Members = BTreeMap<SchedulerNumber, Arc<FleetMember>>;

/// All schedulers. Who reads sees them as they were at a moment.
#[derive(Default)]
pub(crate) struct Fleet {
    members: RwLock<Arc<Members>>,
    /// How much their stores were seen to have.
    pub(crate) marks: SeenMarks,
}

/// Nobody can be given a new process.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoPlace {
    /// There is nobody at all.
    #[error("this router knows of no scheduler; nothing can be spawned")]
    Nobody,
    /// All of them are away, or take nothing.
    #[error("no scheduler takes new processes at the moment; try again")]
    NoneTakes,
    /// The ones of this wallet are away, or take nothing.
    #[error("the scheduler for processes of the wallet {0} takes none at the moment; try again")]
    WalletsOwn(Address),
}

impl Fleet {
    /// All of them at the moment.
    pub(crate) fn members(&self) -> Arc<Members> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The scheduler of this number.
    pub(crate) fn member(&self, number: SchedulerNumber) -> Option<Arc<FleetMember>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// The scheduler that leads the store of this one: the successor of whoever was led once.
    pub(crate) fn lead(&self, home: SchedulerNumber) -> Option<Arc<FleetMember>> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let member = members.get(&home)?;
        members.get(&member.lead.scheduler).cloned()
    }

    /// All schedulers that have the store of this one, itself included.
    pub(crate) fn copies(&self, of: &FleetMember) -> Vec<Arc<FleetMember>> {
        let members = self.members();
        let has_it = |member: &FleetMember| {
            member.number == of.number || (of.store.is_some() && member.store == of.store)
        };
        members.values().filter(|member| has_it(member)).cloned().collect()
    }

    /// Who leads the store of this one in its place, or would if it were retired.
    pub(crate) fn shared_with(&self, member: &FleetMember) -> Option<Arc<FleetMember>> {
        if !member.is_lead() {
            return self.lead(member.number);
        }
        let is_same = |other: &FleetMember| other.number != member.number && other.term == member.term;
        self.copies(member).into_iter().find(|other| is_same(other))
    }

    /// The scheduler at this URL.
    pub(crate) fn at(&self, url: &SchedulerUrl) -> Option<Arc<FleetMember>> {
        self.members().values().find(|member| member.url == *url).cloned()
    }

    /// These are all of them now. How each does stays, and how many processes it has unless they are `counted`.
    pub(crate) fn set(&self, known: Vec<KnownScheduler>, counted: bool) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let set = known.into_iter().map(|known| {
            let (number, processes) = (known.number, known.processes);
            let member = FleetMember::of(known, members.get(&number).map(|member| &**member));
            if counted {
                member.standing.set_processes(processes);
            }
            (number, member)
        });
        *members = Arc::new(led(set.collect(), &self.marks));
        self.marks.retain(|store| members.values().any(|member| member.store == Some(store)));
    }

    /// A scheduler was seen to lead the store that it is known to have, in a term that counts from now on: also where that
    /// cannot be kept, terms only rise.
    pub(crate) fn raise(&self, number: SchedulerNumber, store: StoreId, term: Term) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = |member: &Arc<FleetMember>| member.store == Some(store) && member.term < term;
        if !members.get(&number).is_some_and(is_news) {
            return;
        }
        let mut raised: BTreeMap<SchedulerNumber, FleetMember> =
            members.iter().map(|(number, member)| (*number, FleetMember::clone(member))).collect();
        if let Some(member) = raised.get_mut(&number) {
            member.term = term;
        }
        *members = Arc::new(led(raised, &self.marks));
    }

    /// The scheduler for a new process of this wallet: one that is for the wallet, else the one with the fewest.
    pub(crate) fn choose(&self, owner: &Address) -> Result<Arc<FleetMember>, NoPlace> {
        let members = self.members();
        // What an operator said of one that led a store holds for its successor, as long as it is not retired.
        let is_said = |lead: &FleetMember, what: &dyn Fn(&SchedulerFlags) -> bool| {
            let those = members.values().filter(|other| other.lead.scheduler == lead.number);
            those.filter(|other| !other.is_retired).any(|other| what(&other.flags))
        };
        let fewest = |fits: &dyn Fn(&FleetMember) -> bool| {
            let fitting = members.values().filter(|member| member.takes_processes() && fits(member));
            fitting.min_by_key(|member| (processes_of(&members, member), member.number)).cloned()
        };
        let has_owner = |flags: &SchedulerFlags| flags.wallets.contains(owner);
        if members.values().any(|member| !member.is_retired && has_owner(&member.flags)) {
            return fewest(&|member| is_said(member, &has_owner)).ok_or(NoPlace::WalletsOwn(*owner));
        }
        if members.values().all(|member| member.is_retired) {
            return Err(NoPlace::Nobody);
        }
        let is_apart = |flags: &SchedulerFlags| flags.no_route || flags.wallets_only;
        fewest(&|member| !is_said(member, &is_apart)).ok_or(NoPlace::NoneTakes)
    }

    /// How many processes a scheduler has: none where another one leads its store.
    pub(crate) fn processes(&self, member: &FleetMember) -> u64 {
        processes_of(&self.members(), member)
    }

    /// Whether a scheduler was retired and nothing leads to it any more: how it does is nobody's matter.
    pub(crate) fn is_put_away(&self, member: &FleetMember) -> bool {
        member.is_retired && self.processes(member) == 0
    }

    /// Has it measured how each does, and how many processes it has.
    pub(crate) fn measure(&self) {
        let members = self.members();
        for member in members.values() {
            let (standing, processes) = (&member.standing, processes_of(&members, member));
            let flag = |flag: bool| f64::from(u8::from(flag));
            let is_put_away = member.is_retired && processes == 0;
            standing.metrics.processes.set(processes as f64);
            // Nothing is to be said of one that was put away, and none is to be alarmed by it.
            standing.metrics.reached.set(if is_put_away { f64::NAN } else { flag(standing.is_reached()) });
            standing.metrics.open.set(flag(standing.is_open() && !member.is_retired));
        }
    }

    /// The address of the wallet that signs for them: that of the first that has told one. One that is retired counts where no
    /// other has.
    pub(crate) fn address(&self) -> Option<Address> {
        let members = self.members();
        let told = |is_retired: bool| {
            let mut those = members.values().filter(|member| member.is_retired == is_retired);
            those.find_map(|member| member.standing.address())
        };
        told(false).or_else(|| told(true))
    }

    /// How many of them that are not retired have not told yet which wallet signs for them.
    pub(crate) fn untold(&self) -> usize {
        let members = self.members();
        let counting = members.values().filter(|member| !member.is_retired);
        counting.filter(|member| member.standing.address().is_none()).count()
    }

    /// Whether one of them has told that this wallet signs for it.
    pub(crate) fn signs_with(&self, wallet: Address) -> bool {
        self.members().values().any(|member| member.standing.address() == Some(wallet))
    }
}

/// How many processes a scheduler has: those of its predecessors are with it.
fn processes_of(members: &Members, member: &FleetMember) -> u64 {
    let with_it = members.values().filter(|other| other.lead.scheduler == member.number);
    with_it.map(|other| other.standing.processes()).sum()
}

/// All of them, each with who leads its store and what was seen of that.
fn led(mut members: BTreeMap<SchedulerNumber, FleetMember>, marks: &SeenMarks) -> Members {
    let leads = leads(members.values());
    for member in members.values_mut() {
        let Some(store) = member.store else { continue };
        member.mark = marks.of(store);
        if let Some(lead) = leads.get(&store) {
            member.lead = *lead;
        }
    }
    members.into_iter().map(|(number, member)| (number, Arc::new(member))).collect()
}

/// Who leads each store: whoever was seen to lead in the highest term, whether it is there or not. Nobody who led before it
/// is to be written to, and before anybody was seen to lead it is the one that was known first. Two that led in one term are
/// one node that was found at two URLs, or a copy of it: which one counts an operator says, who retires the other.
fn leads<'a>(members: impl Iterator<Item = &'a FleetMember>) -> HashMap<StoreId, StoreLead> {
    let mut ranks = HashMap::new();
    for member in members {
        let Some(store) = member.store else { continue };
        let rank = (member.term, !member.is_retired, Reverse(member.number));
        let (highest, copies) = ranks.entry(store).or_insert((rank, 0));
        *highest = rank.max(*highest);
        *copies += 1;
    }
    let lead =
        |(store, ((term, _, Reverse(scheduler)), copies))| (store, StoreLead { scheduler, term, copies });
    ranks.into_iter().map(lead).collect()
}

#[cfg(test)]
mod tests;
