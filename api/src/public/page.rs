//! A page of a schedule: which part of a process it is, and its JSON piece by piece.
//!
//! Each piece is one visit to the log that seeks to where the last one ended, so nothing is held open while a slow
//! client reads, and a page far back costs what one at the start costs.

use std::ops::ControlFlow;

use log::{EventRef, Kind, Log, ReadError};
use protocol::{AssignmentTags, Nonce, ProcessId, Timestamp};

use super::by_time::TimeWalk;
use super::large::{DATA_MAX, Unfinished, show};
use super::stream::Pieces;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::recent::LargeForm;
use crate::render::{LargeData, PageBy, Renderer};
use crate::rendering::{PIECE, PIECE_MORE};

/// What a usual message takes; only to have the room before it is needed.
const USUAL_EDGE: usize = 6 << 10;

/// How many times as long as the piece before a piece may be, while there is more and they are short.
const MORE_EACH_TIME: usize = 4;

/// Which part of a schedule was asked for: the start exclusive, the end inclusive. Without a start the process itself
/// comes first, whatever the end.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Span {
    pub(super) by: PageBy,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

/// What is around the edges of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// A page of JSON.
    Page,
    /// Server-sent events: an edge each, with the nonce as its id.
    Events,
    /// Nothing: whoever asks for it writes what is around them.
    Bare,
}

/// A page while it is made.
pub(crate) struct SchedulePage {
    process: ProcessId,
    framing: Framing,
    form: LargeForm,
    by: PageBy,
    /// What is left of the span, or by time of a part of it; none when nothing is.
    rest: Option<(Nonce, Nonce)>,
    /// What comes behind that part.
    times: Option<TimeWalk>,
    /// How many edges may still come.
    left: u64,
    /// How many bytes may still come.
    room: usize,
    /// About how long the next piece is to be.
    piece_bytes: usize,
    /// The timestamp of the last edge, as text, in a page by time.
    last_time: String,
    /// What is left of the last edge.
    unfinished: Option<Unfinished>,
    begun: bool,
    ended: bool,
    /// Whether it ended before its part of the process did.
    cut: bool,
    renderer: Renderer,
}

/// Where a page goes on after one event.
enum Then {
    More,
    NextPiece,
    NextPage,
}

impl SchedulePage {
    /// Finds where in the process the span is.
    pub(super) fn find(
        node: &ApiNode,
        process: ProcessId,
        span: Span,
        limit: u64,
        show_anchor: bool,
    ) -> Result<Self, CallError> {
        let mut times = None;
        let mut rest = match span.by {
            PageBy::Nonce => after(span.from).zip(last_until(span.to)).filter(|(first, last)| first <= last),
            PageBy::Time => times.insert(TimeWalk::new(process, span.from, span.to)).run(node)?,
        };
        // What would leave the process out although no start was given: it comes, alone.
        if span.from.is_none() && rest.is_none() && spawned_at_zero(&*node.parts.log, process)? {
            rest = Some((Nonce::ZERO, Nonce::ZERO));
        }
        Ok(Self {
            left: limit,
            room: node.parts.options.max_read_memory,
            times,
            ..Self::new(Framing::Page, process, span.by, rest, show_anchor)
        })
    }

    /// All that there is behind this nonce, as server-sent events.
    pub(super) fn events(process: ProcessId, after: Option<Nonce>, show_anchor: bool) -> Self {
        let rest = Some((after.map_or(Nonce::ZERO, Nonce::next), Nonce::MAX));
        Self {
            // Mostly a single event is new to who follows a process; if there is more, it comes in longer pieces.
            piece_bytes: USUAL_EDGE,
            ..Self::new(Framing::Events, process, PageBy::Nonce, rest, show_anchor)
        }
    }

    /// From one nonce to another, both included, in this form and with nothing around it but commas between.
    pub(crate) fn bare(node: &ApiNode, process: ProcessId, nonces: (Nonce, Nonce), form: LargeForm) -> Self {
        let rest = Some(nonces).filter(|(first, last)| first <= last);
        Self {
            form,
            room: node.parts.options.max_read_memory,
            ..Self::new(Framing::Bare, process, PageBy::Nonce, rest, false)
        }
    }

    /// Whether it ended before its part of the process did.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// A page of this part of a process, however long.
    fn new(
        framing: Framing,
        process: ProcessId,
        by: PageBy,
        rest: Option<(Nonce, Nonce)>,
        show_anchor: bool,
    ) -> Self {
        Self {
            process,
            framing,
            form: LargeForm::Edge(by),
            by,
            rest,
            times: None,
            left: u64::MAX,
            room: usize::MAX,
            piece_bytes: PIECE,
            last_time: String::new(),
            unfinished: None,
            begun: false,
            ended: false,
            cut: false,
            renderer: Renderer::new(process, show_anchor).leaving_out(DATA_MAX),
        }
    }

    /// Where the rest of the page begins; none when nothing can be left.
    pub(super) fn next_nonce(&self) -> Option<Nonce> {
        self.rest.map(|(first, _)| first)
    }

    /// How much memory the next piece likely takes.
    pub(super) fn likely_bytes(&self) -> usize {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX).saturating_mul(USUAL_EDGE);
        let usual = left.min(self.piece_bytes);
        if self.unfinished.is_none() && usual < PIECE { usual + USUAL_EDGE } else { PIECE + PIECE_MORE }
    }

    /// Adds edges until the piece is long enough.
    fn edges(&mut self, node: &ApiNode, out: &mut Vec<u8>) -> Result<Then, CallError> {
        loop {
            if let Some(left) = self.unfinished.take() {
                self.unfinished = left.append(node, out, self.piece_bytes)?;
                self.end_edge(out);
            }
            if self.unfinished.is_some() || out.len() >= self.piece_bytes && self.has_rest() {
                return Ok(Then::NextPiece);
            }
            let Some((first, last)) = self.next_range(node)? else { return Ok(Then::More) };
            let mut then = Ok(Then::More);
            node.parts.log.range(self.process, false, first..=last, &mut |event| {
                then = self.take(node, &event, out);
                if let Ok(Then::More) = then { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            match then? {
                Then::NextPiece if self.unfinished.is_some() => {}
                Then::More if self.times.as_ref().is_some_and(|times| !times.has_ended()) => self.rest = None,
                then => return Ok(then),
            }
        }
    }

    /// Where to go on.
    fn next_range(&mut self, node: &ApiNode) -> Result<Option<(Nonce, Nonce)>, CallError> {
        if self.rest.is_none()
            && let Some(times) = &mut self.times
        {
            self.rest = times.run(node)?;
        }
        Ok(self.rest)
    }

    /// Whether there may be more.
    fn has_rest(&self) -> bool {
        self.rest.is_some() || self.times.as_ref().is_some_and(|times| !times.has_ended())
    }

    /// Adds one event, or finds that it belongs to the next page.
    fn take(&mut self, node: &ApiNode, event: &EventRef<'_>, out: &mut Vec<u8>) -> Result<Then, ReadError> {
        if self.left == 0 && self.may_end_before(event) {
            return Ok(Then::NextPage);
        }
        let start = out.len();
        self.begin_edge(event.nonce, out);
        let form = self.form;
        let data = show(&mut self.renderer, out, event, form).map_err(|reason| damaged(event, &reason))?;
        let length = out.len() - start + data.as_ref().map_or(0, LargeData::shown_len);
        if length > self.room && self.may_end_before(event) {
            out.truncate(start);
            return Ok(Then::NextPage);
        }
        self.unfinished = data.map(|data| Unfinished::new(node, event, form, data));
        self.end_edge(out);
        self.advance(event, length);
        let is_long = self.unfinished.is_some() || out.len() >= self.piece_bytes && self.has_rest();
        Ok(if is_long { Then::NextPiece } else { Then::More })
    }

    fn begin_edge(&self, nonce: Option<Nonce>, out: &mut Vec<u8>) {
        match (self.framing, nonce) {
            (Framing::Page | Framing::Bare, _) if self.begun => out.push(b','),
            (Framing::Page | Framing::Bare, _) => {}
            (Framing::Events, Some(nonce)) => {
                out.extend_from_slice(format!("id: {nonce}\ndata: ").as_bytes())
            }
            (Framing::Events, None) => out.extend_from_slice(b"data: "),
        }
    }

    /// Ends the last edge if all of it is there. Its JSON has no line of its own: it is one line.
    fn end_edge(&self, out: &mut Vec<u8>) {
        if self.framing == Framing::Events && self.unfinished.is_none() {
            out.extend_from_slice(b"\n\n");
        }
    }

    fn advance(&mut self, event: &EventRef<'_>, length: usize) {
        self.begun = true;
        self.left = self.left.saturating_sub(1);
        self.room = self.room.saturating_sub(length);
        self.rest = match (event.nonce, self.rest) {
            (Some(nonce), Some((_, last))) if nonce < last => Some((nonce.next(), last)),
            _ => None,
        };
        // To look for it costs a tenth of a page.
        if self.by == PageBy::Time {
            self.last_time.clear();
            self.last_time.push_str(time_of(event));
        }
    }

    /// Whether the next page may start with this event. There is one at least on each. By time it must not have the
    /// time of the last one, as can be in imported histories: a page goes on until the time changes, lest that event
    /// be lost.
    fn may_end_before(&self, event: &EventRef<'_>) -> bool {
        self.begun && (self.by == PageBy::Nonce || self.last_time != time_of(event))
    }
}

impl Pieces for SchedulePage {
    fn piece(&mut self, node: &ApiNode) -> Result<Vec<u8>, CallError> {
        let mut out = Vec::with_capacity(self.likely_bytes());
        let is_page = self.framing == Framing::Page;
        if is_page && !self.begun {
            out.extend_from_slice(b"{\"edges\":[");
        }
        let then = self.edges(node, &mut out)?;
        self.piece_bytes = self.piece_bytes.saturating_mul(MORE_EACH_TIME).min(PIECE);
        self.ended = !matches!(then, Then::NextPiece);
        self.cut = matches!(then, Then::NextPage);
        if self.ended && is_page {
            let has_next_page = self.cut;
            out.extend_from_slice(
                format!("],\"page_info\":{{\"has_next_page\":{has_next_page}}}}}").as_bytes(),
            );
        }
        Ok(out)
    }

    fn ended(&self) -> bool {
        self.ended
    }
}

/// The first nonce behind this one.
fn after(nonce: Option<i64>) -> Option<Nonce> {
    let nonce = nonce.and_then(|nonce| u64::try_from(nonce).ok());
    Some(nonce.map_or(Nonce::ZERO, |nonce| Nonce::new(nonce).next()))
}

/// The last nonce up to this one.
fn last_until(nonce: Option<i64>) -> Option<Nonce> {
    nonce.map_or(Some(Nonce::MAX), |nonce| u64::try_from(nonce).ok().map(Nonce::new))
}

/// The first nonce that is later than this time.
pub(super) fn first_after(node: &ApiNode, process: ProcessId, time: i64) -> Result<Option<Nonce>, CallError> {
    match u64::try_from(time) {
        Ok(time) => Ok(node.parts.index.first_after(process, Timestamp::new(time))?),
        Err(_) => Ok(Some(Nonce::ZERO)),
    }
}

/// Whether the process is its own nonce 0.
fn spawned_at_zero(log: &dyn Log, process: ProcessId) -> Result<bool, ReadError> {
    let mut spawned = false;
    log.range(process, false, Nonce::ZERO..=Nonce::ZERO, &mut |event| {
        spawned = event.kind() == Kind::Spawned;
        ControlFlow::Break(())
    })?;
    Ok(spawned)
}

fn time_of<'a>(event: &EventRef<'a>) -> &'a str {
    let text = event.assignment().and_then(|assignment| AssignmentTags::of(&assignment).timestamp_text());
    text.unwrap_or_default()
}

/// An event that has the right checksum and still cannot be shown.
pub(super) fn damaged(event: &EventRef<'_>, reason: &ans104::TagsError) -> ReadError {
    let nonce = event.nonce.map_or("the spawn".into(), |nonce| format!("nonce {nonce}"));
    let place = format!("process {}, {nonce}", event.process);
    ReadError::corrupt(place, format!("the tags are malformed: {reason}"))
}
