//! Lists by time, of a log whose timestamps do not rise from event to event, as imported histories have them.

use std::ops::ControlFlow;
use std::sync::Arc;

use log::{Log, Seq};
use projections::{ListOrder, ListPage, MessageFilter, ProcessFilter, Queries};
use protocol::{ProcessId, Timestamp};
use quipu_tests::Postgres;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::folder;
use crate::rewind::{append, follow, open, options};
use testing::SampleProcess;

const HOUR_MS: u64 = 3_600_000;
/// The first full hour after the time at which the samples spawn.
const FIRST: u64 = (1_700_000_000_000 / HOUR_MS + 1) * HOUR_MS;

/// What a list by time is to be made of.
struct Known {
    sequence: u64,
    process: ProcessId,
    spawned: bool,
    time: Option<i64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_by_time_are_exact_at_the_edges_of_hours() {
    let (folder, postgres) = (folder(), Postgres::start());
    let options = options(&postgres.create_database("times"), 0);
    let edges: Vec<u64> =
        (0..3).flat_map(|hour| [0, 1, HOUR_MS - 1].map(|ms| FIRST + hour * HOUR_MS + ms)).collect();
    let (path, runtime) = (folder.path().to_owned(), Handle::current());
    let (times_of_each, database) = (edges.clone(), options.clone());
    let filled = spawn_blocking(move || {
        let log = open(&path);
        let processes = fill(&log, &times_of_each);
        follow(&database, &log, &runtime).unwrap();
        (log, processes.into_iter().map(|process| process.process).collect::<Vec<_>>())
    });
    let (log, processes) = filled.await.unwrap();

    let known = known(&log);
    let queries = Queries::new(&options, log.identity().store);
    let times = || std::iter::once(None).chain(edges.iter().map(|edge| Some(edge.cast_signed())));
    for (from, to) in times().flat_map(|from| times().map(move |to| (from, to))) {
        for process in [None, Some(processes[1])] {
            let filter =
                MessageFilter { process: process.map(|id| id.to_string()), from, to, ..Default::default() };
            let expected = |known: &&Known| process.is_none_or(|process| process == known.process);
            let found = messages(&queries, &filter).await;
            assert_eq!(found, sequences(known.iter().filter(expected), from, to), "{filter:?}");
        }
        let page = ListPage::new(1000, ListOrder::Ascending, None).unwrap();
        let found =
            queries.processes(&ProcessFilter { from, to, ..Default::default() }, &page).await.unwrap();
        let found: Vec<_> = found.items.iter().map(|entry| entry.sequence).collect();
        assert_eq!(found, sequences(known.iter().filter(|known| known.spawned), from, to), "{from:?} {to:?}");
    }
    // Its appender is waited for.
    spawn_blocking(move || drop(log)).await.unwrap();
}

/// A few processes that come to the same times one after the other, each hours behind the one before it.
fn fill(log: &Arc<dyn Log>, edges: &[u64]) -> Vec<SampleProcess> {
    let mut processes: Vec<_> = (0..3).map(SampleProcess::new).collect();
    append(log, processes.iter_mut().map(SampleProcess::spawn).collect());
    append(log, vec![SampleProcess::new(9).spawn_unassigned()]);
    for step in 0..edges.len() + 2 * LATER {
        for (place, process) in processes.iter_mut().enumerate() {
            let edge = step.checked_sub(place * LATER).and_then(|step| edges.get(step));
            let (Some(edge), Some(last)) = (edge, &mut process.last) else { continue };
            // The next one comes 13 ms after this.
            last.timestamp = Timestamp::new(edge - 13);
            append(log, vec![process.message()]);
        }
    }
    processes
}

/// By how many of the times a process is behind the one before it.
const LATER: usize = 4;

fn known(log: &Arc<dyn Log>) -> Vec<Known> {
    let mut known = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        let time = event.assignment().and_then(|assignment| assignment.tag("Timestamp")?.parse().ok());
        let spawned = event.kind() == log::Kind::Spawned;
        known.push(Known { sequence: event.seq.get(), process: event.process, spawned, time });
        ControlFlow::Continue(())
    })
    .unwrap();
    let times: Vec<_> = known.iter().filter_map(|known| known.time).collect();
    assert!(!times.is_sorted(), "the times rise with the log");
    known
}

fn sequences<'k>(known: impl Iterator<Item = &'k Known>, from: Option<i64>, to: Option<i64>) -> Vec<u64> {
    let meets = |known: &&Known| {
        from.is_none_or(|from| known.time.is_some_and(|time| time >= from))
            && to.is_none_or(|to| known.time.is_some_and(|time| time <= to))
    };
    known.filter(meets).map(|known| known.sequence).collect()
}

/// All of a list, in pages of five and in both orders, which have to agree.
async fn messages(queries: &Queries, filter: &MessageFilter) -> Vec<u64> {
    let mut both = Vec::new();
    for order in [ListOrder::Ascending, ListOrder::Descending] {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = ListPage::new(5, order, cursor.as_deref()).unwrap();
            let list = queries.messages(filter, &page).await.unwrap();
            found.extend(list.items.iter().map(|entry| entry.sequence));
            cursor = list.next;
            if cursor.is_none() {
                break;
            }
        }
        both.push(found);
    }
    both[1].reverse();
    assert_eq!(both[0], both[1], "{filter:?}");
    both.swap_remove(0)
}
