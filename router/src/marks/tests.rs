#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

const TERM: Term = Term(2);

fn run(number: u128) -> Option<Uuid> {
    Some(Uuid::from_u128(number))
}

#[test]
fn a_mark_rises_until_an_operator_takes_less() {
    let seen = SeenMark::default();
    assert_eq!(seen.events_in(Term(0)), None);
    let raise = |term, events| seen.raise_in(seen.now(), (Term(term), events));
    raise(2, 9);
    raise(2, 7);
    raise(1, 100);
    assert_eq!((seen.events_in(Term(2)), seen.events_in(Term(1))), (Some(9), None));
    // A successor may have less of what was never acknowledged.
    raise(3, 8);
    assert_eq!(seen.events_in(Term(3)), Some(8));
    let before = seen.now();
    seen.raise(StoreMark { accepted: 1, term: Term(3), events: 5 });
    seen.raise(StoreMark { accepted: 0, term: Term(9), events: 50 });
    assert_eq!(seen.events_in(Term(3)), Some(5));
    // What was told to a question of before that is no more there.
    seen.raise_in(before, (Term(3), 8));
    assert_eq!(seen.events_in(Term(3)), Some(5));
    raise(3, 6);
    assert_eq!(seen.now(), StoreMark { accepted: 1, term: Term(3), events: 6 });
}

#[test]
fn a_log_that_was_set_back_is_another_one_however_it_grows() {
    let seen = SeenMark::default();
    seen.raise_in(StoreMark::NONE, (TERM, 9));
    let check = |events, node| seen.check(seen.now(), (TERM, events), node);
    assert_eq!(check(9, run(1)), Ok(()));
    assert!(check(5, run(2)).unwrap_err().to_string().contains("has 5 events, and 9 were seen"));
    // Others than this router have it schedule.
    assert!(check(12, run(2)).is_err());
    assert_eq!(check(9, run(3)), Ok(()), "it was started on the log that it had");
    assert_eq!(seen.check(seen.now(), (Term(3), 4), run(2)), Ok(()), "another term is another beginning");

    seen.raise(StoreMark { accepted: 1, term: TERM, events: 12 });
    assert_eq!(check(12, run(2)), Ok(()), "an operator has accepted it");
    assert!(check(11, run(2)).is_err());
    seen.raise_in(seen.now(), (Term(3), 2));
    assert_eq!(seen.check(seen.now(), (Term(3), 2), run(2)), Ok(()));
}

#[test]
fn what_was_seen_of_a_store_is_there_for_who_comes_to_have_it() {
    let (marks, store) = (SeenMarks::default(), StoreId(Uuid::from_u128(7)));
    let mark = StoreMark { accepted: 0, term: TERM, events: 9 };
    marks.raise(HashMap::from([(store, mark)]));
    assert_eq!((marks.seen(store), marks.of(store).now()), (Some(mark), mark));
    marks.retain(|_| false);
    assert_eq!((marks.seen(store), marks.of(store).now()), (Some(mark), mark));
    assert_eq!(marks.seen(StoreId(Uuid::from_u128(8))), None);
}

/// A question: how many events the node has more by then, and when its answer is taken in.
fn questions() -> impl Strategy<Value = Vec<(u64, u16)>> {
    prop::collection::vec((0..5_u64, any::<u16>()), 1..30)
}

proptest! {
    /// Whatever the order in which answers come, a log that only grows is not said to be set back; and once it was, no answer of
    /// that run counts that was asked for when more was seen.
    #[test]
    fn answers_that_come_in_another_order_change_nothing(asked in questions(), late in questions(), lost in 1..40_u64) {
        let seen = SeenMark::default();
        let mut events = 1;
        let in_order = |asked: &[(u64, u16)], events: &mut u64, node, is_right: bool| {
            // Each is asked before the next one, and every third one before anything of the others is taken in.
            let mut open = Vec::new();
            for (number, (more, when)) in asked.iter().enumerate() {
                let before = seen.now();
                *events += more;
                open.push((*when, before, *events));
                if number % 3 == 2 {
                    open.sort_unstable_by_key(|(when, ..)| *when);
                    for (_, before, told) in open.drain(..) {
                        let checked = seen.check(before, (TERM, told), node);
                        if is_right {
                            assert_eq!(checked, Ok(()));
                        } else {
                            assert!(checked.is_err(), "{told} of {before:?}");
                        }
                        if checked.is_ok() {
                            seen.raise_in(before, (TERM, told));
                        }
                    }
                }
            }
        };
        in_order(&asked, &mut events, run(1), true);
        let most = seen.now().events;
        prop_assert!(most <= events);
        if most > lost {
            // The first question to it is asked when it has less.
            let mut less = most - lost;
            prop_assert!(seen.check(seen.now(), (TERM, less), run(2)).is_err());
            in_order(&late, &mut less, run(2), false);
            prop_assert_eq!(seen.now().events, most);
        }
    }
}
