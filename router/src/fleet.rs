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

    /// Has it counted how many processes each has.
    pub(crate) fn count_processes(&self) {
        let members = self.members();
        for member in members.values() {
            member.standing.metrics.processes.set(processes_of(&members, member) as f64);
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::member::Look;

    const OWNER: Address = Address::from_bytes([1; 32]);
    const OTHER: Address = Address::from_bytes([2; 32]);

    fn known(number: u32, processes: u64, flags: SchedulerFlags) -> KnownScheduler {
        let url = format!("http://su{number}:1").parse().unwrap();
        KnownScheduler { processes, ..KnownScheduler::new(SchedulerNumber(number), url, flags) }
    }

    fn flags(no_route: bool, wallets: &[Address], wallets_only: bool) -> SchedulerFlags {
        SchedulerFlags { no_route, wallets: wallets.iter().copied().collect::<BTreeSet<_>>(), wallets_only }
    }

    /// All of them take messages.
    fn open(fleet: &Fleet) {
        fleet.members().values().for_each(|member| _ = member.standing.look(Look::Open));
    }

    fn fleet() -> Fleet {
        let fleet = Fleet::default();
        let known = vec![
            known(1, 9, SchedulerFlags::default()),
            known(2, 5, SchedulerFlags::default()),
            known(3, 0, flags(true, &[], false)),
            known(4, 7, flags(true, &[OWNER], true)),
        ];
        fleet.set(known, true);
        open(&fleet);
        fleet
    }

    fn chosen(fleet: &Fleet, owner: Address) -> Result<u32, NoPlace> {
        fleet.choose(&owner).map(|member| member.number.0)
    }

    fn lose(fleet: &Fleet, number: u32) {
        let member = fleet.member(SchedulerNumber(number)).unwrap();
        for _ in 0..3 {
            member.standing.look(Look::Away("gone".to_owned()));
        }
    }

    #[test]
    fn the_wallet_comes_first_and_then_the_fewest() {
        let fleet = fleet();
        assert_eq!(chosen(&fleet, OWNER), Ok(4));
        assert_eq!(chosen(&fleet, OTHER), Ok(2));
        (0..5).for_each(|_| fleet.member(SchedulerNumber(2)).unwrap().standing.add_process());
        assert_eq!(chosen(&fleet, OTHER), Ok(1));
    }

    #[test]
    fn who_was_not_asked_yet_gets_nothing() {
        let fleet = fleet();
        fleet.set(
            [(1, 9), (5, 0)].map(|(number, has)| known(number, has, SchedulerFlags::default())).into(),
            false,
        );
        assert_eq!(chosen(&fleet, OTHER), Ok(1));
        open(&fleet);
        assert_eq!(chosen(&fleet, OTHER), Ok(5));
    }

    #[test]
    fn who_is_away_full_or_retired_gets_nothing() {
        let fleet = fleet();
        fleet.member(SchedulerNumber(2)).unwrap().standing.look(Look::Refusing("full".to_owned()));
        assert_eq!(chosen(&fleet, OTHER), Ok(1));
        lose(&fleet, 1);
        assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::NoneTakes), "nobody else is for it");
        lose(&fleet, 4);
        assert_eq!(chosen(&fleet, OWNER), Err(NoPlace::WalletsOwn(OWNER)));
        let mut retired = known(1, 9, SchedulerFlags::default());
        retired.is_retired = true;
        fleet.set(vec![retired], false);
        assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::Nobody));
        assert_eq!(chosen(&Fleet::default(), OTHER), Err(NoPlace::Nobody));
    }

    #[test]
    fn the_wallet_is_that_of_who_is_not_retired() {
        let fleet = fleet();
        assert_eq!(fleet.address(), None);
        fleet.member(SchedulerNumber(1)).unwrap().standing.set_address(OTHER);
        assert_eq!(fleet.address(), Some(OTHER));
        let mut retired = known(1, 9, SchedulerFlags::default());
        retired.is_retired = true;
        fleet.set(vec![retired, known(2, 5, SchedulerFlags::default())], true);
        assert_eq!(fleet.address(), Some(OTHER), "no other has told one");
        fleet.member(SchedulerNumber(2)).unwrap().standing.set_address(OWNER);
        assert_eq!(fleet.address(), Some(OWNER));
    }

    #[test]
    fn a_store_is_led_by_the_highest_term_whether_that_is_there_or_not() {
        let with = |number, processes, store: u128, term| {
            let store = Some(StoreId(uuid::Uuid::from_u128(store)));
            KnownScheduler { store, term: Term(term), ..known(number, processes, SchedulerFlags::default()) }
        };
        let fleet = Fleet::default();
        let lead = |number| fleet.lead(SchedulerNumber(number)).unwrap().number.0;
        // A standby has not led.
        fleet.set(vec![with(1, 3, 7, 1), with(2, 0, 7, 0), with(3, 2, 8, 0)], true);
        open(&fleet);
        assert_eq!([1, 2, 3].map(lead), [1, 1, 3]);
        assert_eq!(chosen(&fleet, OTHER), Ok(3));
        // It took over, with the processes.
        fleet.set(vec![with(1, 3, 7, 1), with(2, 0, 7, 2), with(3, 2, 8, 0)], true);
        assert_eq!([1, 2, 3].map(lead), [2, 2, 3]);
        assert_eq!(chosen(&fleet, OTHER), Ok(3));
        assert_eq!(fleet.copies(&fleet.member(SchedulerNumber(1)).unwrap()).len(), 2);
        lose(&fleet, 3);
        assert_eq!(chosen(&fleet, OTHER), Ok(2));
        lose(&fleet, 2);
        assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::NoneTakes), "the one that led before takes nothing");
        assert_eq!(lead(1), 2);
    }

    #[test]
    fn a_node_that_is_found_elsewhere_leads_there_once_its_old_url_is_retired() {
        let fleet = Fleet::default();
        let lead = |number| fleet.lead(SchedulerNumber(number)).unwrap().number.0;
        let with = |number, term, is_retired| KnownScheduler {
            store: Some(StoreId(uuid::Uuid::from_u128(7))),
            term: Term(term),
            is_retired,
            ..known(number, 0, SchedulerFlags::default())
        };
        fleet.set(vec![with(1, 3, false), with(2, 3, false), with(3, 2, false)], true);
        assert_eq!([1, 2, 3].map(lead), [1; 3]);
        fleet.set(vec![with(1, 3, true), with(2, 3, false), with(3, 2, false)], true);
        assert_eq!([1, 2, 3].map(lead), [2; 3]);
        assert_eq!(fleet.member(SchedulerNumber(2)).unwrap().lead.copies, 3);
        // Who led before does not lead by that.
        fleet.set(vec![with(1, 3, true), with(2, 3, true), with(3, 2, false)], true);
        assert_eq!([1, 2, 3].map(lead), [1; 3]);
    }

    #[test]
    fn processes_are_with_who_leads_their_store() {
        let fleet = Fleet::default();
        let with = |number, term, processes| KnownScheduler {
            store: Some(StoreId(uuid::Uuid::from_u128(7))),
            term: Term(term),
            ..known(number, processes, SchedulerFlags::default())
        };
        fleet.set(vec![with(1, 1, 800), with(2, 2, 9), known(3, 5, SchedulerFlags::default())], true);
        let processes =
            || [1, 2, 3].map(|number| fleet.processes(&fleet.member(SchedulerNumber(number)).unwrap()));
        assert_eq!(processes(), [0, 809, 5]);
        fleet.raise(SchedulerNumber(1), StoreId(uuid::Uuid::from_u128(7)), Term(3));
        assert_eq!(processes(), [809, 0, 5]);
    }

    #[test]
    fn what_was_said_of_a_leader_holds_for_its_successor() {
        let with = |number, term, flags| KnownScheduler {
            store: Some(StoreId(uuid::Uuid::from_u128(7))),
            term: Term(term),
            ..known(number, 0, flags)
        };
        let fleet = Fleet::default();
        let own = || flags(true, &[OWNER], true);
        fleet.set(vec![with(1, 1, own()), with(2, 2, SchedulerFlags::default())], true);
        open(&fleet);
        assert_eq!(chosen(&fleet, OWNER), Ok(2));
        assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::NoneTakes));
        // Whoever was switched off for good has nothing more to say.
        let retired = KnownScheduler { is_retired: true, ..with(1, 1, own()) };
        fleet.set(vec![retired, with(2, 2, SchedulerFlags::default())], true);
        assert_eq!([OWNER, OTHER].map(|owner| chosen(&fleet, owner)), [Ok(2), Ok(2)]);
    }

    #[test]
    fn a_term_that_was_seen_counts_though_nothing_is_kept() {
        let fleet = Fleet::default();
        let store = StoreId(uuid::Uuid::from_u128(7));
        let with = |number, term| KnownScheduler {
            store: Some(store),
            term: Term(term),
            ..known(number, 0, SchedulerFlags::default())
        };
        fleet.set(vec![with(1, 1), with(2, 0)], true);
        fleet.raise(SchedulerNumber(2), StoreId(uuid::Uuid::from_u128(8)), Term(5));
        fleet.raise(SchedulerNumber(3), store, Term(5));
        assert_eq!(fleet.lead(SchedulerNumber(1)).unwrap().number.0, 1);
        fleet.raise(SchedulerNumber(2), store, Term(2));
        // What is on disk is older.
        fleet.set(vec![with(1, 1), with(2, 0)], true);
        let lead = fleet.lead(SchedulerNumber(1)).unwrap();
        assert_eq!((lead.number.0, lead.lead.term, lead.lead.copies), (2, Term(2), 2));
        // One that was forgotten, and is there again, leads nothing by that.
        let forgotten = KnownScheduler { store: None, is_retired: true, ..with(2, 0) };
        fleet.set(vec![with(1, 1), forgotten], true);
        fleet.set(vec![with(1, 1), with(2, 0)], true);
        assert_eq!(fleet.lead(SchedulerNumber(2)).unwrap().number.0, 1);
    }

    #[test]
    fn how_one_does_outlives_a_change() {
        let fleet = fleet();
        lose(&fleet, 2);
        fleet.set(vec![known(2, 3, flags(true, &[], false))], false);
        let member = fleet.member(SchedulerNumber(2)).unwrap();
        assert!(!member.standing.is_reached() && member.flags.no_route);
        assert_eq!(member.standing.processes(), 5);
    }
}
