//! What a node knows of the gate that remembers its log.

use std::sync::Arc;
use std::time::Duration;

/// How a node finds its gate at a moment.
#[derive(Clone, Debug)]
pub struct GateNow {
    /// What kind of engine it is.
    pub kind: &'static str,
    /// Whether it has a single copy of what it keeps, which whoever runs it has accepted.
    pub is_single_copy: bool,
    /// For how long it has not taken what is written, and why; none while it does.
    pub away: Option<(Duration, String)>,
    /// For how long the oldest message has been waiting for it; none when none does.
    pub waiting: Option<Duration>,
    /// Why nothing is written there any more.
    pub lost: Option<String>,
}

/// Tells how a node finds its gate.
pub type GateSeen = Arc<dyn Fn() -> GateNow + Send + Sync>;
