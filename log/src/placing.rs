//! What may come next in a log: terms begin with their promotions, nonces have no gaps.

use protocol::{Nonce, ProcessId};

use crate::error::AppendError;
use crate::head::{ChainLink, Head};
use crate::identity::Term;
use crate::request::{CopiedPart, EventPart, Ready};

/// Whether these events begin this term, or are appended in it. A term begins with its promotion, and no other promotion
/// is among what is appended together.
pub(crate) fn check_term(current: Term, given: Term, events: &[Ready]) -> Result<bool, AppendError> {
    let misplaced = |reason| Err(AppendError::Misplaced { process: ProcessId::NODE, reason });
    let mut promotions =
        events.iter().enumerate().filter_map(|(at, event)| Some((at, event.promotion.as_ref()?)));
    match (promotions.next(), promotions.next()) {
        (None, _) if given == current => Ok(false),
        (Some((0, promotion)), None) if given > current && promotion.term == given => Ok(true),
        (Some(_), _) if given >= current => misplaced(
            "a promotion is the first event of the term that it names, and the only one appended with it",
        ),
        _ => Err(AppendError::WrongTerm { current, given }),
    }
}

/// The newest link of the process with this event, if the event can come next.
pub(crate) fn place(event: &Ready, head: Option<Head>) -> Result<Option<ChainLink>, AppendError> {
    let process = event.process;
    let misplaced = |reason| Err(AppendError::Misplaced { process, reason });
    let expected = head.map_or(Nonce::ZERO, |head| head.next_nonce());
    // Elsewhere processes were spawned twice, after their messages, or not at all.
    let in_order = !event.imported;
    match (event.part, head) {
        (EventPart::Unassigned, Some(_)) => misplaced("the process is there already"),
        (EventPart::Beginning(_) | EventPart::Copied(CopiedPart::Beginning, _), Some(_)) if in_order => {
            misplaced("the process is there already")
        }
        (EventPart::Next(_) | EventPart::Copied(CopiedPart::Next, _), None) if in_order => {
            misplaced("there is no such process in this log")
        }
        (EventPart::Unassigned, None) => Ok(None),
        (EventPart::Beginning(link) | EventPart::Next(link), _) => next(event, expected, link),
        (EventPart::Copied(_, says), _) => {
            let before = head.and_then(|head| head.last);
            next(event, expected, says.after(before, process))
        }
        (EventPart::Fact(assignment), head) => {
            let last = head.and_then(|head| head.last);
            Ok(Some(ChainLink::of_fact(assignment, expected, last)))
        }
    }
}

fn next(event: &Ready, expected: Nonce, link: ChainLink) -> Result<Option<ChainLink>, AppendError> {
    let given = link.nonce;
    if given == expected || (event.imported && given > expected) {
        Ok(Some(link))
    } else {
        Err(AppendError::UnexpectedNonce { process: event.process, expected, given })
    }
}
