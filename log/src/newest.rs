//! Looking for what is newest, from the end of a log.

use std::ops::ControlFlow;

use crate::contract::Log;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::ids::Seq;

/// How many events are looked at first; then twice as many before these, and so on.
const FIRST_LOOK: u64 = 64;

/// What the newest event says of which `tell` makes something; none when it makes something of none.
///
/// # Errors
/// When the log cannot be read.
pub fn newest<T>(
    log: &dyn Log,
    mut tell: impl FnMut(&EventRef<'_>) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    let mut until = log.tail().last().map_or(0, |last| last.next().get());
    let mut width = FIRST_LOOK;
    while until > 0 {
        let from = until.saturating_sub(width);
        let mut found = None;
        log.scan(Seq::new(from), &mut |event| {
            if event.seq.get() >= until {
                return ControlFlow::Break(());
            }
            found = tell(&event).or(found.take());
            ControlFlow::Continue(())
        })?;
        if found.is_some() {
            return Ok(found);
        }
        (until, width) = (from, width.saturating_mul(2));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::samples::{SampleProcess, fact};
    use crate::suite::{OnMemory, Setup, append};

    #[test]
    fn it_is_found_however_much_comes_after_it() {
        let log = OnMemory::default().log();
        let spawned = |event: &EventRef<'_>| event.assignment().map(|_| event.seq);
        assert_eq!(newest(&log, spawned).unwrap(), None);
        append(&log, vec![SampleProcess::new(1).spawn(), SampleProcess::new(2).spawn()]);
        for facts in [0, 1, FIRST_LOOK - 1, 1, 1, 3 * FIRST_LOOK] {
            if facts > 0 {
                append(&log, (0..facts).map(|_| fact("a")).collect());
            }
            assert_eq!(newest(&log, spawned).unwrap(), Some(Seq::new(1)), "behind {facts} facts more");
        }
        assert_eq!(
            newest(&log, |event| event.item().is_none().then_some(event.seq)).unwrap(),
            log.tail().last()
        );
        assert_eq!(newest(&log, |_| None::<()>).unwrap(), None);
    }
}
