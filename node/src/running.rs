//! A node that runs.

use std::net::SocketAddr;

use projections::Position;
use tracing::info;

use crate::error::NodeError;
use crate::listeners::Addresses;
use crate::part::NodeParts;

/// A node that serves.
pub struct RunningNode {
    parts: NodeParts,
    addresses: Addresses,
}

impl RunningNode {
    /// The node, if all its parts have started; else those that have end again.
    pub(crate) async fn of(
        parts: NodeParts,
        started: Result<Addresses, NodeError>,
    ) -> Result<Self, NodeError> {
        match started {
            Ok(addresses) => Ok(Self { parts, addresses }),
            Err(error) => {
                parts.stop().await;
                Err(error)
            }
        }
    }

    /// Where clients find it.
    pub fn public(&self) -> SocketAddr {
        self.addresses.public
    }

    /// Where its operator finds it.
    pub fn admin(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// How far each part has come that follows the log.
    pub fn positions(&self) -> Vec<Position> {
        self.parts.positions()
    }

    /// Resolves with the name of the first part that ends although nobody has stopped it.
    pub async fn ended(&mut self) -> &'static str {
        self.parts.ended().await
    }

    /// Ends it in order: nothing new is accepted, what was accepted is answered, what follows the log gets what is
    /// left, the log is closed last.
    pub async fn stop(self) {
        info!("stopping: finishing what was accepted");
        self.parts.stop().await;
        info!("stopped");
    }
}
