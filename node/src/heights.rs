//! The network's block height, at hand for every assignment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway::{Gateway, HeightFeed, HeightOptions};
use tokio::time::timeout;
use tracing::warn;

use crate::part::{NodePart, NodeParts};

/// How long a start waits for the gateway's first block height, when none is known from before.
const FIRST_HEIGHT: Duration = Duration::from_secs(2);

/// The name of the file in the data folder that keeps the height over restarts.
const FILE: &str = "height.json";

/// Asks for the height from here on. It is at least `known`, which the newest assignment has.
pub(crate) async fn start(
    parts: &mut NodeParts,
    gateway: Arc<dyn Gateway>,
    data: &Path,
    known: Option<u64>,
) -> HeightFeed {
    let options = HeightOptions { file: Some(data.join(FILE)), ..HeightOptions::default() };
    let heights = HeightFeed::start(gateway, options);
    parts.push(Asking(heights.clone()));
    if let Some(height) = known {
        heights.seed(height);
    }
    // Mostly the gateway answers at once, and then the first message need not be refused.
    if timeout(FIRST_HEIGHT, heights.wait_known()).await.is_err() {
        warn!(
            "no block height is known yet; reads are answered, scheduling begins when the gateway tells one"
        );
    }
    heights
}

/// Keeps asking. The task behind it ends with the last handle.
struct Asking(HeightFeed);

#[async_trait]
impl NodePart for Asking {
    fn name(&self) -> &'static str {
        "heights"
    }

    async fn stop(self: Box<Self>) {
        drop(self.0);
    }
}
