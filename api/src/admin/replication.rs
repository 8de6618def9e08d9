//! Shipping the log to nodes that follow this one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use log::{LogDigest, NodeId, Tail, Term};
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object, OpenApi};
use protocol::Code;
use replicator::{LogPlace, SHIPPED_PIECE, ShippedStream, Shipper, StreamRefusal, StreamRequest};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use web::{Flag, HttpError, IsCounted, Lasting, LastingRoom, Lasts, Needed, Parameter, Stopping, expected};

use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::ShipRefusal;

/// How often a stream says how far it is.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// For how long what comes is gathered before it is sent to those whom nobody waits for, and what is released before anybody
/// is told: each frame costs both sides more than an event in it.
const GATHERING: Duration = Duration::from_millis(25);
/// For how long a stream goes on with what is there when the node stops.
const LAST: Duration = Duration::from_secs(1);

/// The calls, and the node that answers them.
pub(crate) struct ReplicationApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl ReplicationApi {
    /// Follow the log
    ///
    /// The answer is a stream of binary frames: who this node is, then all events of the log from a place on, those that
    /// come included, and a heartbeat each second. `quipu standby` asks for it. What was asked with has to be the end of
    /// the asker's own log: where that is another one than the log here, there is no stream.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/replication/v1/stream", method = "get", operation_id = "replication_stream")]
    async fn stream(
        &self,
        /// How many events the asker has.
        from: Needed<u64>,
        /// The term of the asker's log.
        term: Needed<u64>,
        /// The digest of the events that the asker has.
        digest: Needed<Id>,
        /// Which node asks.
        node: Needed<NodeParameter>,
        /// Whether the copy of the asker counts, or is to: then the stream of a leader that has members is of what is on its
        /// disk, released or not.
        voter: Flag,
        lasting: Lasting,
        stopping: Stopping,
    ) -> Result<ShippedLogAnswer, ShipRefusal> {
        let digest = LogDigest::from_bytes(*digest.0.as_bytes());
        let from = LogPlace { events: from.0, digest };
        let request = StreamRequest { from, term: Term(term.0), node: node.0.0, voter: voter.0 };
        let shipper = self.0.parts.shipper.clone();
        let shipper = shipper.ok_or_else(|| HttpError::not_found("this node does not ship its log"))?;
        let room = lasting.begin().await?;
        // Who is to vote does not wait for those who only read.
        let begun = match request.voter {
            true => self.0.read_for_member(move |_| begin(&shipper, &request)).await?,
            false => self.0.read(move |_| begin(&shipper, &request)).await?,
        };
        match begun {
            Begun::Stream(stream, hello) => {
                Ok(ShippedLogAnswer::Stream(shipped(self.0.clone(), stream, hello, room, stopping)))
            }
            Begun::Diverged(form) => Ok(ShippedLogAnswer::Diverged(form)),
        }
    }
}

/// The id of a node.
pub(super) struct NodeParameter(pub(super) NodeId);

impl Parameter for NodeParameter {
    fn schema() -> MetaSchema {
        MetaSchema::new_with_format("string", "uuid")
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| expected("a UUID", text))
    }
}

enum Begun {
    Stream(Box<ShippedStream>, Vec<u8>),
    Diverged(DivergedForm),
}

fn begin(shipper: &Arc<Shipper>, request: &StreamRequest) -> Result<Begun, CallError> {
    let refused = |status: StatusCode, code, refusal: StreamRefusal| {
        Err(HttpError::new(code, refusal.to_string()).with_status(status).into())
    };
    match shipper.stream(request) {
        Ok(stream) => {
            let hello = stream.hello().map_err(HttpError::internal)?;
            Ok(Begun::Stream(Box::new(stream), hello))
        }
        Err(refusal @ StreamRefusal::Diverged { .. }) => Ok(Begun::Diverged(DivergedForm::of(&refusal))),
        Err(refusal @ StreamRefusal::Beyond { .. }) => refused(StatusCode::GONE, Code::NotFound, refusal),
        Err(refusal @ StreamRefusal::Deposed { asked, own, is_news }) => {
            if is_news {
                warn!(
                    asker = %request.node,
                    asked = %asked,
                    own = %own,
                    "a node that wants to follow this one is in a later term: another node may lead by now, or the log here is \
                     an older copy. See `quipu status` of all nodes, and stop this one if another leads; it goes on, since \
                     nothing but the asker's word is known"
                );
            }
            refused(StatusCode::PRECONDITION_FAILED, Code::Unavailable, refusal)
        }
        Err(refusal @ StreamRefusal::Full) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, refusal)
        }
        Err(StreamRefusal::Read(error)) => Err(error.into()),
    }
}

/// The logs differ.
#[derive(Debug, Object)]
#[oai(rename = "Diverged")]
struct DivergedForm {
    /// What differs, for a person to read.
    error: String,
    /// `unavailable`.
    code: String,
    /// How many events were compared.
    events: u64,
    /// Their digest on this node.
    digest: String,
    /// The terms of the log of this node.
    terms: Vec<TermForm>,
}

/// Where a term begins.
#[derive(Debug, Object)]
#[oai(rename = "Term")]
struct TermForm {
    /// The term.
    term: u64,
    /// The sequence number of its first event.
    first: u64,
    /// The node whose term it is.
    owner: String,
}

impl DivergedForm {
    fn of(refusal: &StreamRefusal) -> Self {
        let error = refusal.to_string();
        let code = Code::Unavailable.as_str().to_owned();
        let StreamRefusal::Diverged { asked, own, terms } = refusal else {
            return Self { error, code, events: 0, digest: String::new(), terms: Vec::new() };
        };
        let terms = terms.iter().map(|start| TermForm {
            term: start.term.0,
            first: start.first.get(),
            owner: start.owner.to_string(),
        });
        Self { error, code, events: asked.events, digest: own.to_string(), terms: terms.collect() }
    }
}

/// A stream of the log, or why there is none.
enum ShippedLogAnswer {
    Stream(Body),
    Diverged(DivergedForm),
}

/// The body of a stream, which ends when the node stops. It waits within this room.
fn shipped(
    node: Arc<ApiNode>,
    stream: Box<ShippedStream>,
    hello: Vec<u8>,
    room: LastingRoom,
    stopping: Stopping,
) -> Body {
    let (tail, released) = (stream.tail(), stream.released());
    let (stream, now) = (Some(stream), Instant::now());
    let shipping = Shipping {
        node,
        stream,
        tail,
        released,
        hello,
        next_beat: now,
        next_frame: now,
        next_word: now,
        stopping,
        ends: None,
        _room: room,
    };
    Body::from_bytes_stream(stream::try_unfold(shipping, Shipping::next).map_err(io::Error::other))
}

struct Shipping {
    node: Arc<ApiNode>,
    /// None when it cannot go on.
    stream: Option<Box<ShippedStream>>,
    tail: Tail,
    released: Tail,
    /// What goes out first; empty once it has.
    hello: Vec<u8>,
    next_beat: Instant,
    /// Until then what comes is gathered.
    next_frame: Instant,
    /// Until then what is released is.
    next_word: Instant,
    stopping: Stopping,
    /// When it ends at the latest, once the node stops.
    ends: Option<Instant>,
    _room: LastingRoom,
}

impl Shipping {
    /// What goes out next; none at the end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, CallError> {
        if !self.hello.is_empty() {
            let hello = std::mem::take(&mut self.hello);
            return Ok(Some((hello.into(), self)));
        }
        loop {
            let Some(mut stream) = self.stream.take() else { return Ok(None) };
            if let Some(error) = stream.replaced() {
                info!(%error, "a stream of the log ends");
                return Ok(Some((ShippedStream::error(&error).into(), self)));
            }
            let now = Instant::now();
            let has_stopped = self.stopping.has_stopped();
            if has_stopped {
                // What is there is not kept from who may have to take over.
                if now >= *self.ends.get_or_insert(now + LAST) || !stream.has_more() {
                    return Ok(None);
                }
                self.next_frame = now;
            }
            if now >= self.next_beat && !has_stopped {
                (self.next_beat, self.next_word) = (now + HEARTBEAT, now + GATHERING);
                let beat = stream.heartbeat().map_err(HttpError::internal)?;
                self.stream = Some(stream);
                return Ok(Some((beat.into(), self)));
            }
            let is_gathered = now >= self.next_frame;
            if is_gathered && stream.has_more() {
                self.next_word = now + GATHERING;
                let (frame, stream) = match stream.is_voting() {
                    true => {
                        self.node.render_for_member(2 * SHIPPED_PIECE, |_| Ok(next_frame(stream))).await?
                    }
                    false => self.node.render_on(2 * SHIPPED_PIECE, |_| Ok(next_frame(stream))).await?,
                };
                self.stream = stream;
                if frame.is_empty() {
                    continue;
                }
                let is_awaited = self.stream.as_ref().is_some_and(|stream| stream.is_voting());
                if !is_awaited && frame.len() < SHIPPED_PIECE {
                    self.next_frame = now + GATHERING;
                }
                return Ok(Some((frame, self)));
            }
            let (next, untold) = (stream.next_seq(), stream.untold());
            self.stream = Some(stream);
            let (is_untold, may_tell) = (untold < next, now >= self.next_word);
            let due = [
                (true, self.next_beat),
                (!is_gathered, self.next_frame),
                (is_untold && !may_tell, self.next_word),
            ];
            let due = due.into_iter().filter_map(|(counts, due)| counts.then_some(due)).min();
            tokio::select! {
                is_open = self.released.reached(untold), if is_untold && may_tell => {
                    self.next_beat = Instant::now();
                    if !is_open { return Ok(None) }
                }
                is_open = self.tail.reached(next), if is_gathered => if !is_open { return Ok(None) },
                () = sleep_until(due.unwrap_or(now)) => {}
                () = self.stopping.stopped() => {}
            }
        }
    }
}

/// The next frame of a stream, and the stream if it can go on.
fn next_frame(mut stream: Box<ShippedStream>) -> (Vec<u8>, Option<Box<ShippedStream>>) {
    match stream.events() {
        Ok(frame) => (frame.unwrap_or_default(), Some(stream)),
        Err(error) => {
            // It is logged here, and told to the asker as it is.
            let _ = HttpError::internal(&error);
            (ShippedStream::error(&error), None)
        }
    }
}

impl IntoResponse for ShippedLogAnswer {
    fn into_response(self) -> Response {
        match self {
            Self::Stream(body) => Response::builder()
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CACHE_CONTROL, "no-store")
                .extension(IsCounted)
                .extension(Lasts)
                .body(body),
            Self::Diverged(form) => Json(form).with_status(StatusCode::CONFLICT).into_response(),
        }
    }
}

impl ApiResponse for ShippedLogAnswer {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        let frames = vec![MetaMediaType { content_type: "application/octet-stream", schema }];
        let schema = <Json<DivergedForm> as Payload>::schema_ref();
        let differs = vec![MetaMediaType { content_type: "application/json", schema }];
        let answer = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: vec![],
        };
        let responses = vec![
            answer(200, "", frames),
            answer(409, "The asker's log is another one than the log of this node.", differs),
        ];
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        DivergedForm::register(registry);
    }
}
