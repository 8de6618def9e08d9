//! The thread that takes a stream into the log.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use log::{AppendError, LocalLog, Rocks, Term};
use replicator::wire::{Frame, RawFrame};
use replicator::{
    FollowState, Followed, LogPlace, ReceiveError, SignatureThreads, StreamReceiver, TakeEvents,
    VerifiedAhead,
};
use tokio::sync::{mpsc, oneshot};

use super::connection::StreamEnd;
use super::tell_following;

/// How many frames may wait for the thread.
const WAITING: usize = 2;

/// What the thread is to do.
enum Job {
    /// Say where a stream has to begin, which begins then.
    Begin(oneshot::Sender<Result<(LogPlace, Term), StreamEnd>>),
    /// Take in what came, whose signatures are being verified if there are any.
    Take(Arc<RawFrame>, Option<VerifiedAhead>),
    /// Say when all that came before this was looked at.
    Tell(oneshot::Sender<()>),
}

/// Where the thread is given what came.
pub(super) struct Frames {
    jobs: mpsc::Sender<Job>,
    refused: mpsc::Receiver<StreamEnd>,
    signatures: SignatureThreads,
    pub(super) followed: Followed,
}

/// What the thread works with.
pub(super) struct Taker {
    log: Arc<LocalLog<Rocks>>,
    followed: Followed,
    jobs: mpsc::Receiver<Job>,
    refusals: mpsc::Sender<StreamEnd>,
    /// By whose rules it is taken, where this node is one of several.
    member: Option<Arc<dyn TakeEvents>>,
    receiver: Option<StreamReceiver<Rocks>>,
    stream: Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Begun,
    Greeted,
    /// What comes of it is left aside.
    Refused,
}

impl Frames {
    /// Where the next stream has to begin.
    pub(super) async fn begin(&mut self) -> Result<(LogPlace, Term), StreamEnd> {
        let (answer, place) = oneshot::channel();
        self.jobs.send(Job::Begin(answer)).await.map_err(|_| gone())?;
        let place = place.await.unwrap_or_else(|_| Err(gone()));
        // What was said of the stream before.
        while self.refused.try_recv().is_ok() {}
        place
    }

    /// Hands over what came, when there is room for it.
    pub(super) async fn take(&mut self, frame: RawFrame) -> Result<(), StreamEnd> {
        let frame = Arc::new(frame);
        let verified = self.signatures.begin(&frame);
        let handed = tokio::select! {
            biased;
            refusal = self.refused.recv() => Err(refusal),
            sent = self.jobs.send(Job::Take(frame, verified)) => sent.map_err(|_| None),
        };
        handed.map_err(|refusal| refusal.unwrap_or_else(gone))
    }

    /// What was refused of all that was handed over; none when nothing was.
    pub(super) async fn last_refused(&mut self) -> Option<StreamEnd> {
        let (told, looked_at) = oneshot::channel();
        self.jobs.send(Job::Tell(told)).await.ok()?;
        looked_at.await.ok()?;
        self.refused.try_recv().ok()
    }

    /// Resolves when what was handed over is refused.
    pub(super) async fn refused(&mut self) -> StreamEnd {
        self.refused.recv().await.unwrap_or_else(gone)
    }
}

impl Taker {
    pub(super) fn new(
        log: Arc<LocalLog<Rocks>>,
        followed: Followed,
        member: Option<Arc<dyn TakeEvents>>,
    ) -> io::Result<(Self, Frames)> {
        let (jobs, taken) = mpsc::channel(WAITING);
        let (refusals, refused) = mpsc::channel(WAITING);
        let signatures = SignatureThreads::start(threads())?;
        let frames = Frames { jobs, refused, signatures, followed: followed.clone() };
        let (receiver, stream) = (None, Stream::Refused);
        Ok((Self { log, followed, jobs: taken, refusals, member, receiver, stream }, frames))
    }

    /// Works until nobody asks for more.
    pub(super) fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            match job {
                Job::Begin(answer) => {
                    let place = self.begin().map_err(StreamEnd::from);
                    // Whoever asked may be gone.
                    let _ = answer.send(place);
                }
                Job::Tell(told) => {
                    let _ = told.send(());
                }
                Job::Take(..) if self.stream == Stream::Refused => {}
                Job::Take(frame, verified) => {
                    if let Err(refusal) = self.take(&frame, verified) {
                        self.stream = Stream::Refused;
                        // There is one for each stream, and room for it.
                        let _ = self.refusals.try_send(refusal);
                    }
                }
            }
        }
        if let Some(receiver) = &mut self.receiver {
            // What is not on disk comes again.
            let _ = receiver.settle();
        }
    }

    fn begin(&mut self) -> Result<(LogPlace, Term), ReceiveError> {
        let fresh = match self.receiver.take() {
            Some(mut receiver) => {
                let settled = receiver.settle();
                // After a refusal nobody knows what of it was handed to the log, and a member may have led meanwhile.
                if self.stream == Stream::Refused || self.member.is_some() {
                    self.anew()?
                } else {
                    settled?;
                    receiver
                }
            }
            None => self.anew()?,
        };
        self.stream = Stream::Begun;
        Ok(self.receiver.insert(fresh).end())
    }

    fn anew(&self) -> Result<StreamReceiver<Rocks>, ReceiveError> {
        match &self.member {
            // Who leads by now has the right to write: it is not taken here.
            Some(member) => StreamReceiver::of_member(self.log.clone(), threads(), Some(member.clone())),
            None => StreamReceiver::new(self.log.clone(), threads()),
        }
    }

    fn take(&mut self, frame: &RawFrame, verified: Option<VerifiedAhead>) -> Result<(), StreamEnd> {
        let Some(receiver) = &mut self.receiver else { return Ok(()) };
        let frame = frame.open().map_err(ReceiveError::from)?;
        match (frame, self.stream) {
            (Frame::Hello(hello), Stream::Begun) => {
                let hello = receiver.hello(&hello)?;
                let (place, _) = receiver.end();
                self.stream = Stream::Greeted;
                self.followed.greeted(hello.clone());
                if self.followed.set(FollowState::Following) {
                    tell_following(&hello, &self.followed.from(), place);
                }
            }
            (Frame::Events(sent), Stream::Greeted) => {
                let (released, before) = (sent.released, receiver.end().0.events);
                let own = receiver.events(&sent, verified)?;
                let bytes = sent.events.iter().map(|event| event.len() as u64).sum();
                self.followed.took(own.saturating_sub(before), own, released);
                self.followed.came(bytes);
            }
            (Frame::Heartbeat(beat), Stream::Greeted) => {
                receiver.beat(beat.place, beat.released)?;
                self.followed.heard(&beat, receiver.end().0.events);
            }
            (Frame::Behind(bytes), Stream::Greeted) => self.followed.told_behind(bytes),
            (Frame::Error(text), _) => {
                return Err(StreamEnd::Ended(format!("the leader says: {text}")));
            }
            (Frame::Members(members), Stream::Greeted) => receiver.members(&members),
            (Frame::Unknown(_), _) => {}
            _ => {
                let reason = "the leader does not say who it is, or says it again".to_owned();
                return Err(StreamEnd::Lost(reason));
            }
        }
        Ok(())
    }
}

impl From<ReceiveError> for StreamEnd {
    fn from(error: ReceiveError) -> Self {
        match &error {
            ReceiveError::Append(AppendError::Failed(_)) | ReceiveError::Failed(_) => {
                Self::Failed(error.to_string())
            }
            ReceiveError::Diverged { .. } => Self::Differs(error.to_string()),
            _ if error.is_passing() => Self::Lost(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

fn gone() -> StreamEnd {
    StreamEnd::Refused("the thread that follows has ended".to_owned())
}

/// On how many signatures are verified.
pub(crate) fn threads() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
