//! A part of a schedule by slots, in one of HyperBEAM's forms.

use std::num::{IntErrorKind, ParseIntError};
use std::sync::Arc;

use log::EventKey;
use poem::http::StatusCode;
use poem_openapi::registry::MetaSchema;
use protocol::{Code, Nonce, ProcessId};
use web::{GivenHeader, HttpError, Parameter};

use super::codec::Codec;
use super::forms::SlotsForm;
use super::slot::height;
use crate::attempt::AnswerAttempt;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::public::{Pieces, SchedulePage, answer, head, visit};
use crate::recent::LargeForm;
use crate::render::Rendered;

/// How many slots behind the first one an answer goes at most.
const SPAN_MAX: u64 = 1000;

/// What is asked for: of all that it says, whether the answer is known to be long depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AskedSlots {
    pub(super) from: Option<AskedSlot>,
    pub(super) to: Option<AskedSlot>,
    pub(super) codec: Codec,
}

/// A slot that is asked for, however far beyond all slots it is: there is nothing then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AskedSlot(pub(super) i64);

impl AskedSlot {
    fn of(text: &str) -> Option<Self> {
        let number = text.parse().or_else(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Ok(i64::MAX),
            IntErrorKind::NegOverflow => Ok(i64::MIN),
            _ => Err(error),
        });
        number.ok().map(Self)
    }
}

impl Parameter for AskedSlot {
    fn schema() -> MetaSchema {
        i64::schema()
    }

    fn read(text: &str) -> Result<Self, String> {
        Self::of(text).map_or_else(|| i64::read(text).map(Self), Ok)
    }
}

/// A slot in a header, if it is one: `From` says elsewhere who asks, by an address of mail.
#[derive(Clone, Copy, Debug)]
pub(super) struct SaidSlot(Option<AskedSlot>);

impl SaidSlot {
    /// The slot that a header says.
    pub(super) fn asked(header: GivenHeader<Self>) -> Option<AskedSlot> {
        header.0?.0
    }
}

impl Parameter for SaidSlot {
    fn schema() -> MetaSchema {
        i64::schema()
    }

    fn read(text: &str) -> Result<Self, String> {
        Ok(Self(AskedSlot::of(text.trim())))
    }
}

/// Which slots are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slots {
    first: u64,
    last: u64,
    /// Whether there are more that were asked for.
    cut: bool,
}

impl AskedSlots {
    /// The slots of a process of which this is the newest; none where none of them was asked for.
    fn slots(self, newest: u64) -> Option<Slots> {
        let first = u64::try_from(self.from.map_or(0, |from| from.0)).unwrap_or(0);
        let asked = u64::try_from(self.to.map_or(i64::MAX, |to| to.0)).ok()?.min(newest);
        let last = asked.min(first.saturating_add(SPAN_MAX));
        (first <= last).then_some(Slots { first, last, cut: last < asked })
    }

    /// Refuses slot 0 of a process that has none: whoever asks for it by its number as aos-2 takes what is there for the process.
    fn check_first(self, node: &ApiNode, process: ProcessId) -> Result<(), CallError> {
        let is_wanted = self.codec == Codec::Aos2 && self.from.is_some_and(|from| from.0 <= 0);
        if !is_wanted {
            return Ok(());
        }
        let mut has_no_slot = false;
        visit(node, EventKey { process, nonce: None }, |_| {
            has_no_slot = true;
            Ok(())
        })?;
        if !has_no_slot {
            return Ok(());
        }
        let text = format!(
            "the process {process} was spawned without an assignment, so that slot 0 is not the process, for which readers of \
             aos-2 take it; GET /{process}?process-id={process} shows it, and slots from 1 on are answered here"
        );
        Err(HttpError::new(Code::InvalidParameter, text).with_status(StatusCode::NOT_ACCEPTABLE).into())
    }
}

/// Answers with the slots that are asked for.
pub(super) async fn read(
    node: &Arc<ApiNode>,
    process: ProcessId,
    asked: AskedSlots,
) -> Result<Rendered<SlotsForm>, CallError> {
    let begin = move |node: &Arc<ApiNode>, attempt: &AnswerAttempt<'_>| {
        attempt.asks((process, asked))?;
        let mut page = SlotsPage::find(node, process, asked)?;
        Ok((page.piece(node)?, page))
    };
    let (first, rest) = node.render(begin, SlotsPage::ended).await?;
    Ok(answer(node, first, Box::new(rest)).passing())
}

/// An answer while it is made.
struct SlotsPage {
    page: SchedulePage,
    codec: Codec,
    process: ProcessId,
    cut: bool,
    timestamp: u64,
    height: u64,
    begun: bool,
}

impl SlotsPage {
    fn find(node: &ApiNode, process: ProcessId, asked: AskedSlots) -> Result<Self, CallError> {
        let newest = head(node, process)?.last.map(|link| link.nonce.get());
        asked.check_first(node, process)?;
        let slots = newest.and_then(|newest| asked.slots(newest));
        // From the second to the first there is nothing.
        let none = (Nonce::new(1), Nonce::ZERO);
        let nonces = slots.map_or(none, |slots| (Nonce::new(slots.first), Nonce::new(slots.last)));
        let form = match asked.codec {
            Codec::Aos2 => LargeForm::Aos2,
            Codec::Bundle => LargeForm::Bundled,
        };
        Ok(Self {
            page: SchedulePage::bare(node, process, nonces, form),
            codec: asked.codec,
            process,
            cut: slots.is_some_and(|slots| slots.cut),
            timestamp: node.parts.clock.now().get(),
            height: height(node)?,
            begun: false,
        })
    }

    fn beginning(&self) -> &'static [u8] {
        match self.codec {
            Codec::Aos2 => b"{\"edges\":[",
            Codec::Bundle => b"{\"assignments\":{",
        }
    }

    fn end(&self) -> String {
        let Self { process, timestamp, height, .. } = self;
        let more = self.cut || self.page.is_cut();
        match self.codec {
            Codec::Aos2 => format!(
                "],\"page_info\":{{\"block-height\":\"{height}\",\"has_next_page\":{more},\
                 \"process\":\"{process}\",\"timestamp\":\"{timestamp}\"}}}}"
            ),
            Codec::Bundle => format!(
                "}},\"block-height\":{height},\"continues\":{more},\"process\":\"{process}\",\
                 \"timestamp\":{timestamp},\"type\":\"schedule\"}}"
            ),
        }
    }
}

impl Pieces for SlotsPage {
    fn piece(&mut self, node: &ApiNode) -> Result<Vec<u8>, CallError> {
        let mut out = self.page.piece(node)?;
        if !self.begun {
            self.begun = true;
            out.splice(0..0, self.beginning().iter().copied());
        }
        if self.page.ended() {
            out.extend_from_slice(self.end().as_bytes());
        }
        Ok(out)
    }

    fn ended(&self) -> bool {
        self.page.ended()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn both_ends_are_included_and_only_what_there_is_can_be_cut() {
        let slots = |from: Option<i64>, to: Option<i64>, newest| {
            let (from, to) = (from.map(AskedSlot), to.map(AskedSlot));
            let asked = AskedSlots { from, to, codec: Codec::Aos2 };
            asked.slots(newest).map(|slots| (slots.first, slots.last, slots.cut))
        };
        for (from, to, newest, expected) in [
            (None, None, 0, Some((0, 0, false))),
            (Some(0), Some(0), 9, Some((0, 0, false))),
            (Some(0), Some(1), 9, Some((0, 1, false))),
            (Some(3), Some(3), 9, Some((3, 3, false))),
            (Some(-5), Some(2), 9, Some((0, 2, false))),
            (Some(0), Some(-1), 9, None),
            (Some(4), Some(3), 9, None),
            (Some(10), None, 9, None),
            (Some(10), Some(20), 9, None),
            // Past the end, and as long as may be.
            (Some(5), Some(5_000), 9, Some((5, 9, false))),
            (Some(0), Some(1_000), 5_000, Some((0, 1_000, false))),
            (Some(0), Some(1_001), 5_000, Some((0, 1_000, true))),
            (Some(0), Some(5_000), 1_000, Some((0, 1_000, false))),
            (Some(0), None, 1_001, Some((0, 1_000, true))),
            (Some(1), None, 1_001, Some((1, 1_001, false))),
            (Some(i64::MAX), Some(i64::MAX), 9, None),
        ] {
            assert_eq!(slots(from, to, newest), expected, "{from:?} to {to:?} of {newest}");
        }
    }

    #[test]
    fn a_slot_beyond_all_numbers_is_one_that_is_not_there() {
        for (text, slot) in [
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("", None),
            ("x", None),
            ("1.5", None),
        ] {
            assert_eq!(AskedSlot::read(text).ok(), slot.map(AskedSlot), "{text}");
            let said = SaidSlot::asked(GivenHeader(SaidSlot::read(&format!(" {text} ")).ok()));
            assert_eq!(said, slot.map(AskedSlot), "{text}");
        }
    }
}
