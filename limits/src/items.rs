//! What is let in of that which is posted, known by the item itself: for which processes, and how long.

use ans104::Item;
use protocol::{ProcessId, Submission};

use crate::list::{FetchedList, ListSeen};
use crate::placement::{Placement, PlacementOptions};
use crate::processes::{ProcessList, ProcessSource};
use crate::refusal::LimitRefusal;
use crate::sizes::SizeLimit;

/// What an operator can set about it.
#[derive(Clone, Debug, Default)]
pub struct ItemOptions {
    /// The processes that messages are taken for; all without it.
    pub processes: Option<ProcessSource>,
    /// How long messages may be; without it, as long as a body.
    pub sizes: Option<SizeLimit>,
    /// The router that says where a process is to be spawned; anywhere without it.
    pub placement: Option<PlacementOptions>,
}

/// What is let in.
#[derive(Debug, Default)]
pub struct ItemLimits {
    /// The processes that messages are taken for.
    pub processes: Option<FetchedList<ProcessList>>,
    /// How long messages may be.
    pub sizes: Option<SizeLimit>,
    /// Where processes are to be spawned.
    pub placement: Option<Placement>,
}

impl ItemLimits {
    /// The list of processes, if there is one.
    pub fn list(&self) -> Option<ListSeen> {
        self.processes.as_ref().map(FetchedList::seen)
    }

    /// Refuses while it is not known what is let in.
    ///
    /// # Errors
    /// When the list of processes was never read.
    pub fn check_known(&self) -> Result<(), LimitRefusal> {
        self.list().map_or(Ok(()), |list| list.check_known())
    }

    /// Refuses an item that is not let in, whoever signed it.
    ///
    /// # Errors
    /// When it is for a process that nothing is taken for, or too long.
    pub fn check(&self, item: &Item<'_>, submission: Submission) -> Result<(), LimitRefusal> {
        self.check_process(submission.process())?;
        match (submission, &self.sizes) {
            (Submission::Message(_), Some(sizes)) => sizes.check(item),
            _ => Ok(()),
        }
    }

    /// Refuses a process that nothing is taken for.
    ///
    /// # Errors
    /// When it is not on the list, or there to be read alone.
    pub fn check_process(&self, process: ProcessId) -> Result<(), LimitRefusal> {
        match &self.processes {
            Some(list) => list.current()?.check(process),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::{Draft, Ed25519Wallet, Id};

    use super::*;

    #[test]
    fn sizes_are_those_of_messages_and_processes_count_for_both() {
        let process: ProcessId = Id::from_bytes([7; 32]).into();
        let item = Draft { data: &[b'x'; 500], ..Draft::default() }.sign(&Ed25519Wallet::from_seed([1; 32]));
        let item = item.unwrap();
        let item = Item::parse(&item).unwrap();
        let (spawn, message) = (Submission::Process(process), Submission::Message(process));
        let open = ItemLimits::default();
        assert_eq!((open.check(&item, spawn), open.check(&item, message)), (Ok(()), Ok(())));

        let sizes = Some(SizeLimit { bytes_max: 100, ..SizeLimit::default() });
        let processes = FetchedList::new("processes", "the list of processes");
        let limits = ItemLimits { processes: Some(processes.clone()), sizes, placement: None };
        for submission in [spawn, message] {
            assert!(matches!(limits.check(&item, submission), Err(LimitRefusal::ListUnknown(_))));
        }
        limits.check_known().unwrap_err();
        processes.take(ProcessList::default());
        limits.check_known().unwrap();
        assert_eq!(limits.check(&item, spawn), Err(LimitRefusal::Process(process)));
        let list = format!("[\"{process}\"]");
        processes.take(ProcessList::parse(list.as_bytes(), None).unwrap());
        assert_eq!(limits.check(&item, spawn), Ok(()));
        let too_long = LimitRefusal::TooLong { bytes: item.len(), bytes_max: 100 };
        assert_eq!(limits.check(&item, message), Err(too_long));
    }
}
