//! Reading back: how quickly pages come, and whether a page deep in a history takes longer.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use protocol::{Nonce, ProcessId};

use crate::client::{ClientError, Range, SchedulerClient};
use crate::failure::Failure;

use super::BenchError;
use super::post::{latencies, micros};
use super::progress::spinner;
use super::report::{DepthReport, Latency, ReadReport};

/// The page that is compared at both ends of a history.
const DEPTH_LIMIT: u32 = 100;
/// How often each is asked for.
const DEPTH_SAMPLES: usize = 51;

/// What to read, and how.
#[derive(Debug)]
pub struct Reading<'a> {
    /// From whom.
    pub scheduler: &'a SchedulerClient,
    /// The processes and the nonce of the newest message of each.
    pub newest: &'a [(ProcessId, u64)],
    /// How many messages a page has.
    pub limit: u32,
    /// How many connections at a time.
    pub connections: usize,
    /// For how long.
    pub duration: Duration,
    /// In which form.
    pub form: ReadBackForm,
}

/// In which form pages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBackForm {
    /// As by all clients but those of HyperBEAM.
    Usual,
    /// As HyperBEAM's codec aos-2.
    Aos2,
}

/// How many entries there are at most in an answer as aos-2.
const AOS2_MAX: u32 = 1001;

/// What the connections found; they take turns on one thread.
struct Tally {
    pages: u64,
    messages: u64,
    bytes: u64,
    latency_us: Histogram<u64>,
}

impl Reading<'_> {
    /// Walks the pages of all processes over and over. Pages are weighed, not parsed.
    ///
    /// # Errors
    /// When the node is not reached or refuses.
    pub async fn run(&self) -> Result<ReadReport, Failure> {
        let progress = spinner(match self.form {
            ReadBackForm::Usual => "reading back",
            ReadBackForm::Aos2 => "reading back as aos-2",
        });
        let latency_us = latencies().map_err(BenchError::from)?;
        let tally = RefCell::new(Tally { pages: 0, messages: 0, bytes: 0, latency_us });
        let start = Instant::now();
        let until = start + self.duration;
        try_join_all((0..self.connections).map(|connection| self.walk(connection, until, &tally))).await?;
        let seconds = start.elapsed().as_secs_f64();
        progress.finish_and_clear();
        let tally = tally.into_inner();
        Ok(ReadReport {
            pages: tally.pages,
            messages: tally.messages,
            bytes: tally.bytes,
            seconds,
            megabytes_per_second: tally.bytes as f64 / 1e6 / seconds,
            messages_per_second: tally.messages as f64 / seconds,
            latency: Latency::of(&tally.latency_us),
        })
    }

    /// One connection's walk; each starts at another process.
    async fn walk(
        &self,
        connection: usize,
        until: Instant,
        tally: &RefCell<Tally>,
    ) -> Result<(), ClientError> {
        for (process, newest) in self.newest.iter().cycle().skip(connection) {
            let mut after = None;
            loop {
                if Instant::now() >= until {
                    return Ok(());
                }
                let start = Instant::now();
                let first = after.map_or(0, |after: Nonce| after.next().get());
                // A page may end before its limit, when it grows too long.
                let full = first.saturating_add(u64::from(self.limit()) - 1).min(*newest);
                let page = match self.form {
                    ReadBackForm::Usual => {
                        let range = Range { after, limit: self.limit(), ..Range::default() };
                        self.scheduler.weigh_page(*process, range).await?
                    }
                    ReadBackForm::Aos2 => self.scheduler.weigh_slots(*process, first, full).await?,
                };
                let last = page.last.map_or(full, Nonce::get).max(first);
                tally.borrow_mut().add(page.bytes, last - first + 1, start.elapsed());
                if last >= *newest {
                    break;
                }
                after = Some(Nonce::new(last));
            }
        }
        Ok(())
    }

    fn limit(&self) -> u32 {
        match self.form {
            ReadBackForm::Usual => self.limit,
            ReadBackForm::Aos2 => self.limit.min(AOS2_MAX),
        }
    }

    /// Compares the first page of the longest history with its last; none when there is no depth to speak of.
    ///
    /// # Errors
    /// When the node is not reached or refuses.
    pub async fn depth(&self) -> Result<Option<DepthReport>, Failure> {
        let longest = self.newest.iter().max_by_key(|(_, newest)| *newest);
        let Some((process, newest)) = longest.filter(|(_, newest)| *newest >= 2 * u64::from(DEPTH_LIMIT))
        else {
            return Ok(None);
        };
        let deep = newest - u64::from(DEPTH_LIMIT);
        Ok(Some(DepthReport {
            limit: DEPTH_LIMIT,
            deep_nonce: deep + 1,
            first_page_ms: self.median_ms(*process, None).await?,
            deep_page_ms: self.median_ms(*process, Some(Nonce::new(deep))).await?,
        }))
    }

    async fn median_ms(&self, process: ProcessId, after: Option<Nonce>) -> Result<f64, Failure> {
        let mut took = latencies().map_err(BenchError::from)?;
        for _ in 0..DEPTH_SAMPLES {
            let start = Instant::now();
            let range = Range { after, limit: DEPTH_LIMIT, ..Range::default() };
            self.scheduler.weigh_page(process, range).await?;
            took.saturating_record(micros(start.elapsed()));
        }
        Ok(Latency::of(&took).p50_ms)
    }
}

impl Tally {
    fn add(&mut self, bytes: u64, messages: u64, took: Duration) {
        self.pages += 1;
        self.messages += messages;
        self.bytes += bytes;
        self.latency_us.saturating_record(micros(took));
    }
}
