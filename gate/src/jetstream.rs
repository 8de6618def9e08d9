//! A gate in a stream of NATS JetStream.
//!
//! One stream for each store, of one subject, in files, which denies that anything is deleted or purged. A record is one
//! message, and message `n + 1` is record `n`: it is published with the sequence number that must be the last one, so that
//! the server takes each number once. What that engine makes easy to get wrong:
//!
//! - A number does not say who wrote what is before it: with several on their way, those of an old writer get in behind a
//!   new claim. One is on its way at a time.
//! - Message ids, by which servers leave out what comes twice, are not the same in all of them after a while: a follower may
//!   leave out what the leader has taken. None is given; what is there twice is found by its number.
//! - Any server may answer a direct get, also one that is behind. Messages are got from the leader alone.
//! - For a moment a new leader may tell fewer than there are. What seems to be lost is asked for again for a while.
//! - What servers acknowledge they may have written and not synced, unless they are told to sync always; which clients are
//!   not told. So servers that cannot be told are refused, unless a single copy is accepted.

mod address;
mod stream;

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};

use crate::contract::{Durability, GateError};
use crate::numbered::{NumberedGate, NumberedRecords, SEEN_FOR};

pub use address::{JetStreamAddressError, JetStreamGateOptions};
use address::{StreamAddress, connect};
use stream::{StreamSeen, subject};

/// For so long what seems to be lost is asked for again: as long as servers take to agree, and some more.
const MISSING_FOR: Duration = Duration::from_secs(3);
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How often it is looked whether the connection holds.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A gate in JetStream.
pub type JetStreamGate = NumberedGate<StreamRecords>;

/// The records in a stream.
pub struct StreamRecords {
    address: StreamAddress,
    single_copy_accepted: bool,
    answer_within: Duration,
    connected: Mutex<Option<Connected>>,
    /// One connects, and others wait for that.
    connecting: AsyncMutex<()>,
}

/// A connection, and what was seen through it.
#[derive(Clone)]
struct Connected {
    context: Context,
    stream: Stream<()>,
    /// How the stream was found, by which server, and when.
    seen: Option<(Durability, String, Instant)>,
}

impl JetStreamGate {
    /// The gate at this address. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address names no stream, or who asks is told in a way that is not known here.
    pub fn open(options: &JetStreamGateOptions) -> Result<Self, JetStreamAddressError> {
        let JetStreamGateOptions { single_copy_accepted, answer_within, .. } = *options;
        let (address, connected, connecting) = (options.address()?, Mutex::default(), AsyncMutex::default());
        let records = StreamRecords { address, single_copy_accepted, answer_within, connected, connecting };
        Ok(Self::over(records))
    }
}

impl StreamRecords {
    /// The connection, which is made where there is none.
    async fn connected(&self) -> Result<Connected, GateError> {
        let connected = self.known_or_new().await?;
        let client = connected.context.client();
        let holds = async {
            while client.connection_state() != State::Connected {
                sleep(LOOK_EVERY).await;
            }
        };
        self.in_time(holds).await?;
        Ok(connected)
    }

    async fn known_or_new(&self) -> Result<Connected, GateError> {
        let known = || self.known().clone();
        if let Some(connected) = known() {
            return Ok(connected);
        }
        let _turn = self.connecting.lock().await;
        if let Some(connected) = known() {
            return Ok(connected);
        }
        let client = self.in_time(connect(&self.address, self.answer_within)).await?;
        // Each question has a limit here, which comes first.
        let limit = self.answer_within.saturating_mul(2);
        let context = ContextBuilder::new().timeout(limit).build(client.map_err(unconnected)?);
        let stream = context.get_stream_no_info(&self.address.stream).await.map_err(GateError::away)?;
        let connected = Connected { context, stream, seen: None };
        *self.known() = Some(connected.clone());
        Ok(connected)
    }

    fn known(&self) -> MutexGuard<'_, Option<Connected>> {
        // Nothing is done under this lock that could panic half-way.
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the servers, but not for ever: from then on another connection is made, which may lead to another one.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, GateError> {
        let Ok(done) = timeout(self.answer_within, work).await else {
            *self.known() = None;
            return Err(GateError::away(format!("no answer within {} s", self.answer_within.as_secs_f32())));
        };
        Ok(done)
    }

    /// The same, and no longer than the connection holds: what was asked on it before is answered on no other.
    async fn asked<T>(&self, context: &Context, work: impl Future<Output = T>) -> Result<T, GateError> {
        let client = context.client();
        let connects = || client.statistics().connects.load(Ordering::Relaxed);
        let before = connects();
        let lost = async {
            while connects() == before && client.connection_state() == State::Connected {
                sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            done = self.in_time(work) => done,
            () = lost => Err(GateError::away("the connection was lost")),
        }
    }

    /// The stream as its leader has it; none where there is none.
    async fn seen(&self, context: &Context) -> Result<Option<StreamSeen>, GateError> {
        self.asked(context, StreamSeen::look(context, &self.address.stream)).await?
    }
}

/// Why there is no connection: what is set up wrong does not pass by itself.
fn unconnected(error: ConnectError) -> GateError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            GateError::Unfit(format!("the servers do not let this node in: {error}"))
        }
        ConnectErrorKind::Tls => GateError::Unfit(format!("its certificates cannot be used: {error}")),
        _ => GateError::away(error),
    }
}

#[async_trait]
impl NumberedRecords for StreamRecords {
    fn kind(&self) -> &'static str {
        "jetstream"
    }

    async fn prepare(&self, is_first: bool) -> Result<Option<Durability>, GateError> {
        let connected = self.connected().await?;
        let server = connected.context.client().server_info().server_id;
        match &connected.seen {
            Some((durability, by, at)) if *by == server && at.elapsed() < SEEN_FOR => {
                return Ok(Some(*durability));
            }
            _ => {}
        }
        let seen = match self.seen(&connected.context).await? {
            Some(seen) => seen,
            None if !is_first => return Ok(None),
            None => {
                let made =
                    StreamSeen::make(&connected.context, &self.address.stream, self.single_copy_accepted);
                self.asked(&connected.context, made).await??
            }
        };
        let durability = seen.check(&connected.context.client(), self.single_copy_accepted)?;
        if let Some(connected) = &mut *self.known() {
            connected.seen = Some((durability, server, Instant::now()));
        }
        Ok(Some(durability))
    }

    async fn look(&self, _: u64) -> Result<(u64, Durability), GateError> {
        let connected = self.connected().await?;
        let Some(seen) = self.seen(&connected.context).await? else { return Ok((0, Durability::SingleCopy)) };
        Ok((seen.count()?, seen.durability(&connected.context.client())))
    }

    async fn create(&self, number: u64, record: Bytes) -> Result<bool, GateError> {
        let Connected { context, .. } = self.connected().await?;
        let name = &self.address.stream;
        let message =
            PublishMessage::build().payload(record).expected_last_sequence(number).expected_stream(name);
        let published = async { context.send_publish(subject(name), message).await?.await };
        let published = self.asked(&context, published).await;
        let published = published.map_err(|away| GateError::unknown(away.to_string()))?;
        let error = match published {
            Ok(taken) if number.checked_add(1) == Some(taken.sequence) => return Ok(true),
            Ok(taken) => {
                let reason = format!("it was taken as message {}", taken.sequence);
                return Err(GateError::Damaged { number, reason });
            }
            Err(error) => error,
        };
        match error.kind() {
            PublishErrorKind::WrongLastSequence => Ok(false),
            PublishErrorKind::MaxPayloadExceeded => Err(GateError::Unfit(error.to_string())),
            PublishErrorKind::StreamNotFound => Err(GateError::away("no server leads the stream")),
            // Servers have more than one word for a wrong number.
            PublishErrorKind::Other if matches!(self.bytes(number).await, Ok(Some(_))) => Ok(false),
            _ => Err(GateError::unknown(error)),
        }
    }

    async fn bytes(&self, number: u64) -> Result<Option<Bytes>, GateError> {
        let Some(sequence) = number.checked_add(1) else { return Ok(None) };
        let Connected { context, stream, .. } = self.connected().await?;
        let error = match self.asked(&context, stream.get_raw_message(sequence)).await? {
            Ok(message) => return Ok(Some(message.payload)),
            Err(error) => error,
        };
        match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            _ => Err(GateError::away(error)),
        }
    }

    async fn stays_missing(&self, number: u64) -> Result<bool, GateError> {
        let since = Instant::now();
        while self.bytes(number).await?.is_none() {
            if since.elapsed() >= MISSING_FOR {
                return Ok(true);
            }
            sleep(ASK_AGAIN).await;
        }
        Ok(false)
    }

    async fn close(&self) {
        *self.known() = None;
    }
}
