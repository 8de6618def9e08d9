//! How far something is that a node does, on standard error.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use indicatif::{ProgressBar, ProgressStyle};
use projections::Progress;
use tokio::time::timeout;

use crate::output::{counted, thousands};
use crate::stderr::say;

const TELL_EVERY: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How far it is: a bar on a terminal, else a line every few seconds.
#[derive(Debug)]
pub struct Shown {
    bar: ProgressBar,
    unit: &'static str,
    told: Option<Instant>,
}

impl Shown {
    /// Nothing is shown yet; events will be.
    pub fn new() -> Self {
        Self::counting("events")
    }

    /// Nothing is shown yet of what is counted so.
    pub fn counting(unit: &'static str) -> Self {
        // Without decimals, of which the crate has four.
        let template =
            format!("{{msg}} [{{bar:40}}] {{human_pos}}/{{human_len}} {unit}, {{per_sec:0}}, {{eta}} left");
        let style = ProgressStyle::with_template(&template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        Self { bar: ProgressBar::new(0).with_style(style), unit, told: None }
    }

    /// Shows how far it is.
    pub fn show(&mut self, phase: &str, done: u64, total: u64, took: Duration) {
        if total == 0 && done == 0 {
            // Nobody knows yet how much it is.
            return;
        }
        if std::io::stderr().is_terminal() {
            self.bar.set_length(total.max(done));
            self.bar.set_position(done);
            self.bar.set_message(phase.to_owned());
        } else if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            say(line(phase, (done, total, self.unit), took));
        }
    }

    /// Writes something that stays, without the bar getting in its way.
    pub fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows how far something is that this process does, and ends it early at Ctrl-C.
pub async fn attend(progress: &Progress, shown: &mut Shown, started: Instant) -> Infallible {
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c().fuse());
    loop {
        let now = progress.now();
        shown.show(now.phase, now.done, now.total, started.elapsed());
        if timeout(LOOK_EVERY, &mut interrupted).await.is_ok() {
            progress.cancel();
        }
    }
}

fn line(phase: &str, (done, total, unit): (u64, u64, &str), took: Duration) -> String {
    let rate = done as f64 / took.as_secs_f64().max(0.001);
    let phase = if phase.is_empty() { "starting" } else { phase };
    let so_far = format!("{phase}: {} of {} {unit}", thousands(done), thousands(total));
    if done == 0 {
        return so_far;
    }
    let left = (total.saturating_sub(done) as f64 / rate).round() as u64;
    format!("{so_far}, {} a second, {} left", thousands(rate as u64), counted(left, "second"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_line_tells_rate_and_time_left() {
        let told = line("building", (20_000, 50_000, "events"), Duration::from_secs(2));
        assert_eq!(told, "building: 20,000 of 50,000 events, 10,000 a second, 3 seconds left");
        let told = line("", (0, 0, "MiB"), Duration::ZERO);
        assert_eq!(told, "starting: 0 of 0 MiB");
    }
}
