//! What a change of the schedulers comes to.

use log::{StoreId, Term};

use crate::list::{ListedScheduler, SchedulerFlags};
use crate::scheduler_url::SchedulerUrl;

use super::{FleetChange, KnownScheduler, SchedulerNumber};

/// The schedulers that are new or other than before; the others stay as they are.
pub(super) fn changed(known: &[KnownScheduler], change: FleetChange) -> Vec<KnownScheduler> {
    let mut number = known.iter().map(|known| known.number.0).max().unwrap_or(0);
    let find = |url: &SchedulerUrl| known.iter().find(|known| known.url == *url);
    let mut listed = |ListedScheduler { url, flags }: ListedScheduler, again: bool| match find(&url) {
        Some(before) => {
            let after = KnownScheduler { flags, is_retired: before.is_retired && !again, ..before.clone() };
            (after != *before).then_some(after)
        }
        None => {
            number += 1;
            Some(KnownScheduler::new(SchedulerNumber(number), url, flags))
        }
    };
    match change {
        FleetChange::Listed(all) => all.into_iter().filter_map(|one| listed(one, false)).collect(),
        FleetChange::Added(one) => listed(one, true).into_iter().collect(),
        FleetChange::Registered { url, .. } if find(&url).is_some_and(KnownScheduler::is_forgotten) => {
            Vec::new()
        }
        FleetChange::Registered { url, admin } => {
            let flags = find(&url).map_or_else(SchedulerFlags::default, |known| known.flags.clone());
            let before = find(&url).cloned();
            let new = before.clone().or_else(|| listed(ListedScheduler { url, flags }, false));
            let after = new.map(|new| KnownScheduler { admin: admin.or(new.admin.clone()), ..new });
            after.filter(|after| before.as_ref() != Some(after)).into_iter().collect()
        }
        FleetChange::Told { scheduler, store, led } => {
            let before = known.iter().find(|known| known.number == scheduler && !known.is_forgotten());
            before.and_then(|before| told(before, store, led)).into_iter().collect()
        }
        FleetChange::Retired(url) => {
            let before = find(&url).filter(|before| !before.is_retired);
            before.map(|before| KnownScheduler { is_retired: true, ..before.clone() }).into_iter().collect()
        }
        FleetChange::Forgotten(url) => {
            let forgotten = |before: &KnownScheduler| {
                let (store, term, admin) = (None, Term(0), None);
                KnownScheduler { is_retired: true, store, term, admin, ..before.clone() }
            };
            let before = find(&url).filter(|before| !before.is_forgotten());
            before.map(forgotten).into_iter().collect()
        }
    }
}

/// A scheduler after what it tells of its log, if that is new. One that has processes keeps its store: they are in no other.
fn told(before: &KnownScheduler, store: StoreId, led: Option<Term>) -> Option<KnownScheduler> {
    let is_other = before.store.is_some_and(|known| known != store);
    if is_other && before.processes > 0 {
        return None;
    }
    let kept = if is_other { Term(0) } else { before.term };
    let term = led.map_or(kept, |led| led.max(kept));
    let after = KnownScheduler { store: Some(store), term, ..before.clone() };
    (after != *before).then_some(after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::list::SchedulerFlags;

    fn listed(url: &str, no_route: bool) -> ListedScheduler {
        let flags = SchedulerFlags { no_route, ..SchedulerFlags::default() };
        ListedScheduler { url: url.parse().unwrap(), flags }
    }

    #[test]
    fn who_registers_is_added_once_and_keeps_what_an_operator_said() {
        let url: SchedulerUrl = "http://su1:1".parse().unwrap();
        let admin: SchedulerUrl = "http://su1:2".parse().unwrap();
        let registered = || FleetChange::Registered { url: url.clone(), admin: Some(admin.clone()) };
        let known = changed(&[], registered());
        assert_eq!((known.len(), &known[0].url, &known[0].admin), (1, &url, &Some(admin.clone())));
        assert!(changed(&known, registered()).is_empty());
        let mut retired = changed(&known, FleetChange::Added(listed("http://su1:1", true)));
        (retired[0].is_retired, retired[0].store) = (true, Some(StoreId(uuid::Uuid::from_u128(1))));
        assert!(changed(&retired, registered()).is_empty(), "it stays as it was said to be");
        retired[0].admin = None;
        let after = changed(&retired, registered());
        assert!(after[0].is_retired && after[0].flags.no_route && after[0].admin.is_some());
    }

    #[test]
    fn who_is_forgotten_tells_nothing_until_it_is_added_again() {
        let (url, store): (SchedulerUrl, _) =
            ("http://su1:1".parse().unwrap(), StoreId(uuid::Uuid::from_u128(1)));
        let told = || FleetChange::Told { scheduler: SchedulerNumber(1), store, led: Some(Term(9)) };
        let registered =
            || FleetChange::Registered { url: url.clone(), admin: Some("http://su1:2".parse().unwrap()) };
        let known = changed(&[], registered());
        let known = changed(&known, told());
        assert_eq!((known[0].store, known[0].term), (Some(store), Term(9)));
        // To be retired is nothing of that kind.
        let retired = changed(&known, FleetChange::Retired(url.clone()));
        assert!(!retired[0].is_forgotten() && retired[0].term == Term(9));
        let forgotten = changed(&known, FleetChange::Forgotten(url.clone()));
        assert!(forgotten[0].is_forgotten() && forgotten[0].admin.is_none());
        for change in [told(), registered(), FleetChange::Forgotten(url.clone())] {
            assert!(changed(&forgotten, change).is_empty());
        }
        let again = changed(&forgotten, FleetChange::Added(listed("http://su1:1", false)));
        assert_eq!(changed(&again, told())[0].term, Term(9));
    }

    #[test]
    fn terms_only_rise_and_who_has_processes_keeps_its_store() {
        let [one, two] = [1, 2].map(|number| StoreId(uuid::Uuid::from_u128(number)));
        let mut known = changed(&[], FleetChange::Added(listed("http://su1:1", false)));
        let tell = |known: &mut Vec<KnownScheduler>, store, led: Option<u64>| {
            let told = FleetChange::Told { scheduler: SchedulerNumber(1), store, led: led.map(Term) };
            let after = changed(known, told);
            let is_new = !after.is_empty();
            after.into_iter().for_each(|after| known[0] = after);
            is_new
        };
        assert!(tell(&mut known, one, None));
        assert!(!tell(&mut known, one, None));
        assert!(tell(&mut known, one, Some(3)));
        assert!(!tell(&mut known, one, Some(2)));
        assert_eq!((known[0].store, known[0].term), (Some(one), Term(3)));
        assert!(tell(&mut known, two, Some(1)), "nothing was placed there yet");
        assert_eq!((known[0].store, known[0].term), (Some(two), Term(1)));
        known[0].processes = 1;
        assert!(!tell(&mut known, one, Some(9)));
        assert!(
            changed(&known, FleetChange::Told { scheduler: SchedulerNumber(2), store: one, led: None })
                .is_empty()
        );
    }

    #[test]
    fn the_list_adds_and_changes_and_takes_nothing_away() {
        let (one, two) = (listed("http://su1:1", false), listed("http://su2:1", false));
        let mut known = changed(&[], FleetChange::Listed(vec![one.clone(), two.clone()]));
        assert_eq!(known.iter().map(|known| known.number.0).collect::<Vec<_>>(), [1, 2]);
        assert!(changed(&known, FleetChange::Listed(vec![two.clone()])).is_empty());

        let other = changed(&known, FleetChange::Listed(vec![listed("http://su2:1", true)]));
        assert_eq!((other.len(), other[0].number.0, other[0].flags.no_route), (1, 2, true));

        let retired = changed(&known, FleetChange::Retired(two.url.clone()));
        known[1] = retired[0].clone();
        assert!(known[1].is_retired);
        assert!(changed(&known, FleetChange::Retired(two.url.clone())).is_empty());
        assert!(changed(&known, FleetChange::Listed(vec![one, two.clone()])).is_empty(), "it stays retired");
        assert!(!changed(&known, FleetChange::Added(two))[0].is_retired);
        let third = changed(&known, FleetChange::Added(listed("http://su3:1", false)));
        assert_eq!(third[0].number.0, 3);
        assert!(changed(&known, FleetChange::Retired("http://su4:1".parse().unwrap())).is_empty());
    }
}
