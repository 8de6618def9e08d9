//! What is checked each time a log is opened: cheap, and enough to see that the end is where it was.

use std::ops::ControlFlow;

use crate::engine::Engine;
use crate::error::ReadError;
use crate::ids::Seq;
use crate::keys::{EventKey, StoreKey, StoreTable, parse_seq, printable};
use crate::reader::LogReader;

/// How many of the newest sequence numbers are looked at. What is replayed at opening, and could have lost something
/// in between, is fewer events than that, as long as they have 1 KB each.
const CHECKED: u64 = 32_768;

/// A store without an identity must be empty.
pub(crate) fn check_new<E: Engine>(reader: &LogReader<E>) -> Result<(), ReadError> {
    check_empty(reader, &StoreTable::ALL)
}

/// The end of the log and how far it is released, if everything there goes together.
pub(crate) fn check_end<E: Engine>(
    reader: &LogReader<E>,
    held: bool,
) -> Result<(Option<Seq>, Option<Seq>), ReadError> {
    let last = reader.last()?;
    let acknowledged = reader.engine().acknowledged();
    if last < acknowledged {
        let name = |seq: Option<Seq>| seq.map_or("nothing".to_owned(), |seq| format!("number {seq}"));
        let reason = format!(
            "the log ends with {}, but {} was acknowledged: events are lost. Restore the store from a standby or a \
             backup; to go on without what is lost, delete the file `acknowledged` in it",
            name(last),
            name(acknowledged)
        );
        return Err(ReadError::corrupt("the end of the log", reason));
    }
    let Some(last) = last else {
        return check_empty(reader, &[StoreTable::Events, StoreTable::Heads]).map(|()| (None, None));
    };
    check_gaps(reader, last)?;
    let released = reader.released(held, Some(last))?;
    if let Some(released) = released {
        check_newest(reader, released)?;
    }
    Ok((Some(last), released))
}

fn check_empty<E: Engine>(reader: &LogReader<E>, tables: &[StoreTable]) -> Result<(), ReadError> {
    for &table in tables {
        let key = reader.engine().last_key(table).map_err(|error| error.reading(table))?;
        if let Some(key) = key {
            let reason = format!("nothing leads to {}, the store is not complete", printable(&key));
            return Err(ReadError::corrupt(format!("the table of {}", table.name()), reason));
        }
    }
    Ok(())
}

fn check_gaps<E: Engine>(reader: &LogReader<E>, last: Seq) -> Result<(), ReadError> {
    let mut expected = Seq::new(last.get().saturating_sub(CHECKED));
    reader.walk(StoreTable::Order, &StoreKey::order(expected), None, true, |key, _| {
        if parse_seq(key) != Some(expected) {
            return Err(ReadError::corrupt(format!("sequence number {expected}"), "it is missing"));
        }
        expected = expected.next();
        Ok(ControlFlow::Continue(()))
    })
}

/// The newest event that heads know of is there, and is the newest of its process.
fn check_newest<E: Engine>(reader: &LogReader<E>, last: Seq) -> Result<(), ReadError> {
    let mut place = None;
    let mut known = None;
    reader.scan(last, Some(last), &mut |event| {
        place = Some(EventKey { process: event.process, nonce: event.nonce });
        ControlFlow::Break(())
    })?;
    if let Some(place) = place {
        known = reader.head(place.process)?.map(|head| (head.seq, head.last.map(|link| link.nonce)));
    }
    let found = place.map(|place| (last, place.nonce));
    if known != found {
        let place = place.map_or(String::new(), |place| place.to_string());
        let reason =
            format!("the head of its process does not agree with it: {known:?} instead of {found:?}");
        return Err(ReadError::corrupt(format!("the newest event, {place}"), reason));
    }
    Ok(())
}
