//! What JSON cannot show of an item, fetched from a gateway.

use std::fmt;
use std::io;

use ans104::{Id, base64url};
use gateway::{Endpoints, Gateway, GatewayError, Http, HttpGateway};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use crate::assemble::HiddenParts;
use crate::patience::{BusyPatience, TellWait};

/// No item is longer.
const DATA_MAX: usize = 16 << 20;

/// Whoever knows more of an item than is shown of it.
pub trait PartsElsewhere: fmt::Debug + Send + Sync {
    /// What is known of this one; nothing of one that is not known there.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn parts(&self, id: Id) -> Result<HiddenParts, GatewayError>;
}

/// Gateways, asked by threads that wait for them.
#[derive(Debug)]
pub struct WaitingGateway {
    gateway: HttpGateway,
    runtime: Runtime,
    patience: BusyPatience,
}

/// Why no gateway can be asked.
#[derive(Debug, Error)]
pub enum WaitingGatewayError {
    /// The runtime does not start.
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Client(#[from] GatewayError),
}

impl WaitingGateway {
    /// Asks these through this client.
    ///
    /// # Errors
    /// When there are no resources for it.
    pub fn new(http: Http, endpoints: Endpoints, tell: TellWait) -> Result<Self, WaitingGatewayError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(WaitingGatewayError::Runtime)?;
        Ok(Self { gateway: HttpGateway::new(http, endpoints), runtime, patience: BusyPatience::new(tell) })
    }
}

impl PartsElsewhere for WaitingGateway {
    fn parts(&self, id: Id) -> Result<HiddenParts, GatewayError> {
        let asked = async || {
            let said = self.gateway.transaction(id).await?;
            let anchor = said.and_then(|said| base64url::decode(&said.anchor).ok());
            let data = self.gateway.data(id, DATA_MAX).await?;
            Ok(HiddenParts { anchor, data: data.map(Into::into) })
        };
        self.patience.ask(|| self.runtime.block_on(asked()))
    }
}
