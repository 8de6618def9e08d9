//! The network's block height, at hand for every assignment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway::{Gateway, HeightFeed, HeightFile, HeightOptions, KnownHeight};
use log::StoreId;
use projections::Progress;
use protocol::Timestamp;
use scheduler::{Clock, SystemClock};
use tokio::time::sleep;
use tracing::warn;

use crate::error::NodeError;
use crate::newest::Newest;
use crate::part::{NodePart, NodeParts};

/// How long a start waits for the gateway's first block height, when none is known from before.
const FIRST_HEIGHT: Duration = Duration::from_secs(2);

/// The name of the file in the data folder that keeps the height over restarts.
const FILE: &str = "height.json";

/// The file in this data folder, of this store.
pub(crate) fn file(data: &Path, store: StoreId) -> HeightFile {
    HeightFile { path: data.join(FILE), store: store.to_string() }
}

/// Asks for the height from here on. It is at least that of the newest assignment, if that can be right.
///
/// # Errors
/// When the start is cancelled meanwhile.
pub(crate) async fn start(
    parts: &mut NodeParts,
    gateway: Arc<dyn Gateway>,
    file: HeightFile,
    newest: Option<Newest>,
    progress: &Progress,
) -> Result<HeightFeed, NodeError> {
    let signed = newest.map(|newest| KnownHeight { height: newest.height, age: age_of(newest.timestamp) });
    let options = HeightOptions { file: Some(file), signed, ..HeightOptions::default() };
    let heights = HeightFeed::start(gateway, options);
    parts.push(Asking(heights.clone()));
    // Mostly the gateway answers at once, and then the first message need not be refused.
    let mut cancelled = progress.cancelled();
    tokio::select! {
        _ = heights.wait_known() => {}
        _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        () = sleep(FIRST_HEIGHT) => warn!(
            "no block height is known yet; reads are answered, scheduling begins when the gateway tells one"
        ),
    }
    progress.go_on()?;
    Ok(heights)
}

/// How long ago that was; no time, where the clock has been set back since.
fn age_of(time: Timestamp) -> Duration {
    Duration::from_millis(SystemClock.now().get().saturating_sub(time.get()))
}

/// Keeps asking. The task behind it ends with the last handle.
struct Asking(HeightFeed);

#[async_trait]
impl NodePart for Asking {
    fn name(&self) -> &'static str {
        "heights"
    }

    async fn ended(&mut self) {
        self.0.ended().await;
    }

    async fn stop(self: Box<Self>) {
        drop(self.0);
    }
}
