//! The record that says where a scheduler or a router is, looked after for as long as it runs.

use std::sync::Arc;

use ::location::{
    LocationHandle, LocationKeeper, LocationParts, LocationServices, LogPublications, Publications, TellTime,
};
use ans104::Signer;
use gateway::{Endpoints, Http, Locations, Uploader};
use log::Log;
use scheduler::Clock;

use crate::options::LocationOptions;
use crate::part::NodeParts;
use crate::task_part::TaskPart;

/// What it is looked after with.
pub(crate) struct KeepLocation {
    pub(crate) options: LocationOptions,
    /// Whose record it is.
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) publications: Arc<dyn Publications>,
    pub(crate) clock: TellTime,
}

impl KeepLocation {
    /// Of a scheduler that leads in the term of this log.
    pub(crate) fn of_log(
        options: LocationOptions,
        signer: Arc<dyn Signer>,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let publications = Arc::new(LogPublications::new(log));
        let clock = Arc::new(move || clock.reliable_now().map_err(|error| error.to_string()));
        Self { options, signer, publications, clock }
    }
}

/// Starts to look after it; by what its keeper is asked.
pub(crate) fn start(
    parts: &mut NodeParts,
    keep: KeepLocation,
    http: Http,
    endpoints: &Endpoints,
) -> LocationHandle {
    let KeepLocation { options, signer, publications, clock } = keep;
    let LocationOptions { url, upload } = options;
    let publishes = upload.is_some();
    let uploader = upload.map(|url| Uploader::to_node(http.clone(), &url));
    let gateways = Arc::new(LocationServices { gateways: Locations::new(http, endpoints), uploader });
    let (keeper, handle) =
        LocationKeeper::new(LocationParts { url, publishes, signer, publications, gateways, clock });
    // Wherever it is broken off, what was sent is known.
    parts.push(TaskPart { name: "location", task: tokio::spawn(keeper.run()) });
    handle
}
