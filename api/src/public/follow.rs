//! Following a process without asking again and again: a page that waits for what it is to begin with, and a stream of
//! server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use poem::http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use projections::ProcessWatch;
use protocol::{Nonce, ProcessId};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use web::{IsCounted, Lasting, LastingRoom, Lasts, Parameter, Stopping, expected};

use super::entry::head;
use super::page::{SchedulePage, Span, first_after};
use super::stream::{Pieces, make};
use crate::error::CallError;
use crate::metrics::StreamClient;
use crate::moving::check_here;
use crate::node::ApiNode;
use crate::render::PageBy;

/// The longest that a page may be waited for, in seconds: much of what is between a client and a node cuts off what says
/// nothing for a minute.
const WAIT_MAX: u64 = 50;
/// How often a stream says something, for the same reason.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a stream that waits looks whether its process is still here.
const GONE_EVERY: Duration = Duration::from_secs(1);
/// The least time between two looks at a process: one in which much happens is not looked at for each batch and for each
/// who follows it.
const PAUSE: Duration = Duration::from_millis(50);
/// A line that clients ignore.
const COMMENT: &[u8] = b":\n\n";

/// How long to wait for a page that has something in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait(Duration);

impl Parameter for Wait {
    fn schema() -> MetaSchema {
        MetaSchema {
            minimum: Some(0.0),
            maximum: Some(WAIT_MAX as f64),
            ..MetaSchema::new_with_format("integer", "int64")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= WAIT_MAX);
        let what = || format!("a whole number of seconds from 0 to {WAIT_MAX}");
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(|| expected(&what(), text))
    }
}

impl Wait {
    /// Waits until there is something in this part of the process, or the time is up. What can never come is not waited
    /// for.
    pub(super) async fn for_more(
        self,
        node: &Arc<ApiNode>,
        process: ProcessId,
        span: Span,
        lasting: Lasting,
        mut stopping: Stopping,
    ) -> Result<(), CallError> {
        let until = Instant::now() + self.0;
        let mut news = News::of(node, process);
        let lacks = async || node.read(move |node| lacks(node, process, span)).await;
        if self.0.is_zero() || !lacks().await? {
            return Ok(());
        }
        let _room = lasting.begin().await?;
        while lacks().await? {
            tokio::select! {
                () = news.next() => {}
                () = sleep_until(until) => return Ok(()),
                () = stopping.stopped() => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Whether there is nothing in this part of the process yet, but may be.
fn lacks(node: &ApiNode, process: ProcessId, span: Span) -> Result<bool, CallError> {
    let last = head(node, process)?.last;
    let Some(from) = span.from else { return Ok(false) };
    let has_come = match span.by {
        PageBy::Nonce => last.is_some_and(|last| i128::from(last.nonce.get()) > i128::from(from)),
        // What a page by time finds is what the index has.
        PageBy::Time => first_after(node, process, from)?.is_some(),
    };
    Ok(!has_come && span.to.is_none_or(|to| to > from))
}

/// News of a process, not more often than they are to be looked at.
struct News {
    watch: ProcessWatch,
    not_before: Instant,
}

impl News {
    fn of(node: &ApiNode, process: ProcessId) -> Self {
        Self { watch: node.parts.index.watch(process), not_before: Instant::now() }
    }

    /// Waits until there may be more.
    async fn next(&mut self) {
        // In this order nothing is lost when it is given up in between.
        sleep_until(self.not_before).await;
        self.watch.changed().await;
        self.not_before = Instant::now() + PAUSE;
    }
}

/// Events of a process, those that come included.
pub(super) struct FollowedProcess(Body);

/// Follows a process from behind this nonce, until the client hangs up or the node stops. It waits within this room.
pub(super) async fn follow(
    node: &Arc<ApiNode>,
    process: ProcessId,
    after: Option<Nonce>,
    show_anchor: bool,
    room: LastingRoom,
    stopping: Stopping,
) -> Result<FollowedProcess, CallError> {
    node.read(move |node| head(node, process).map(drop)).await?;
    let (node, news) = (node.clone(), News::of(node, process));
    let stage = FollowStage::of(SchedulePage::events(process, after, show_anchor));
    let following = Following {
        node,
        process,
        show_anchor,
        news,
        stopping,
        stage,
        next_beat: Instant::now() + HEARTBEAT,
        _room: room,
        _client: StreamClient::new(),
    };
    // The client knows at once that it is heard.
    let hello = stream::iter([Ok(Bytes::from_static(COMMENT))]);
    let events = stream::try_unfold(following, Following::next).map_err(io::Error::other);
    Ok(FollowedProcess(Body::from_bytes_stream(hello.chain(events))))
}

struct Following {
    node: Arc<ApiNode>,
    process: ProcessId,
    show_anchor: bool,
    news: News,
    stopping: Stopping,
    stage: FollowStage,
    /// When a stream that waits says something.
    next_beat: Instant,
    _room: LastingRoom,
    _client: StreamClient,
}

enum FollowStage {
    /// There may be more in this page.
    Reading(Box<SchedulePage>),
    /// All up to this nonce went out.
    Waiting(Option<Nonce>),
}

impl FollowStage {
    fn of(page: SchedulePage) -> Self {
        Self::Reading(Box::new(page))
    }
}

impl Following {
    /// What goes out next; none when the node stops, or the process has moved.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, CallError> {
        loop {
            let page = match self.stage {
                FollowStage::Reading(_) if self.stopping.has_stopped() => return Ok(None),
                FollowStage::Reading(page) => page,
                // Whoever follows comes again with what it has, and is led to where the process is.
                FollowStage::Waiting(_) if check_here(&self.node, self.process).is_err() => return Ok(None),
                FollowStage::Waiting(after) => tokio::select! {
                    () = self.news.next() => {
                        Box::new(SchedulePage::events(self.process, after, self.show_anchor))
                    }
                    () = sleep_until(self.next_beat) => {
                        self.next_beat = Instant::now() + HEARTBEAT;
                        return Ok(Some((Bytes::from_static(COMMENT), self)));
                    }
                    () = sleep(GONE_EVERY) => continue,
                    () = self.stopping.stopped() => return Ok(None),
                },
            };
            let (bytes, page) =
                self.node.render_on(page.likely_bytes(), move |node| make(node, page)).await?;
            self.stage = match page.next_nonce() {
                Some(next) if page.ended() => FollowStage::Waiting(next.prev()),
                _ => FollowStage::Reading(page),
            };
            if !bytes.is_empty() {
                self.next_beat = Instant::now() + HEARTBEAT;
                return Ok(Some((bytes, self)));
            }
        }
    }
}

impl IntoResponse for FollowedProcess {
    fn into_response(self) -> Response {
        Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .header(header::CACHE_CONTROL, "no-store")
            // nginx would keep events back until it has a bufferful.
            .header("x-accel-buffering", "no")
            .extension(IsCounted)
            .extension(Lasts)
            .body(self.0)
    }
}

impl ApiResponse for FollowedProcess {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema {
            example: Some(json!("id: 7\ndata: {\"node\":{…},\"cursor\":\"7\"}\n\n")),
            ..MetaSchema::new("string")
        }));
        let content = vec![MetaMediaType { content_type: "text/event-stream", schema }];
        let answer =
            MetaResponse { description: "", status: Some(200), status_range: None, content, headers: vec![] };
        MetaResponses { responses: vec![answer] }
    }

    fn register(_: &mut Registry) {}
}
