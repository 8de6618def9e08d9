//! What a change of the schedulers comes to.

use crate::list::ListedScheduler;
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
            let number = SchedulerNumber(number);
            Some(KnownScheduler { number, url, flags, is_retired: false, processes: 0 })
        }
    };
    match change {
        FleetChange::Listed(all) => all.into_iter().filter_map(|one| listed(one, false)).collect(),
        FleetChange::Added(one) => listed(one, true).into_iter().collect(),
        FleetChange::Retired(url) => {
            let before = find(&url).filter(|before| !before.is_retired);
            before.map(|before| KnownScheduler { is_retired: true, ..before.clone() }).into_iter().collect()
        }
    }
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
