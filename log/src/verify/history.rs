//! What is kept of a log as a whole: its terms, and its digest.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::digest::LogDigest;
use crate::engine::Engine;
use crate::error::ReadError;
use crate::fact::Fact;
use crate::identity::TermStart;
use crate::ids::Seq;
use crate::reader::LogReader;

/// What does not go with the events up to `limit`, which must be sound in themselves.
///
/// # Errors
/// When it cannot be read.
pub(super) fn check<E: Engine>(
    reader: &LogReader<E>,
    limit: Option<Seq>,
    step: &mut dyn FnMut(),
) -> Result<Vec<String>, ReadError> {
    let mut wrong = Vec::new();
    let terms = reader.terms()?;
    let mut promoted = BTreeSet::new();
    let (mut digest, mut failed) = (LogDigest::EMPTY, None);
    reader.scan(Seq::ZERO, limit, &mut |event| {
        step();
        if let Some(Fact::Promotion(promotion)) = Fact::of(&event) {
            promoted.insert(event.seq);
            let begins = TermStart { term: promotion.term, first: event.seq, owner: promotion.owner };
            if !terms.contains(&begins) {
                wrong.push(format!(
                    "number {} begins term {}, which is not among the terms",
                    begins.first, begins.term
                ));
            }
        }
        digest = digest.with(&event);
        let events = event.seq.next().get();
        match reader.kept_digest(events) {
            Ok(kept) if kept.is_none_or(|kept| kept == digest) => ControlFlow::Continue(()),
            Ok(_) => {
                wrong.push(format!(
                    "the digest that is kept of {events} events is not theirs, which is {digest}"
                ));
                ControlFlow::Break(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    // The first may be from before terms were in the order. Where something is wrong, not all events were looked at.
    let others = terms.iter().skip(if wrong.is_empty() { 1 } else { terms.len() });
    let others = others.filter(|start| Some(start.first) <= limit);
    for start in others.filter(|start| !promoted.contains(&start.first)) {
        wrong.push(format!(
            "term {} is said to begin at number {}, which is no promotion",
            start.term, start.first
        ));
    }
    let rising = terms.iter().zip(terms.iter().skip(1)).all(|(one, next)| one.term < next.term);
    if !rising {
        wrong.push("the terms do not rise".to_owned());
    }
    // A log from before digests were kept has none until it is opened to be written to.
    let stored = reader.stored_digest()?;
    let newest = limit.map_or(0, |limit| limit.next().get());
    if let Some((events, stored)) = stored.filter(|(events, _)| *events == newest)
        && stored != digest
        && wrong.is_empty()
    {
        wrong
            .push(format!("the digest is kept as that of its {events} events, and is not: that is {digest}"));
    }
    Ok(wrong)
}
