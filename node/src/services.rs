//! The clients of the services that a node uses, and how many sockets they take.

use gateway::{Endpoints, Http, HttpOptions};
use limits::Placement;

use crate::error::NodeError;

/// Uploads, copies for a cache and questions about what has arrived: at most 16 uploads and 16 copies at a time.
const UPLOADS_MAX: usize = 40;
/// One of addresses, one of processes.
const LISTS_MAX: usize = 2;
/// As many as there are uploads at a time.
const UPLOAD_SOCKETS_KEPT: usize = 16;

/// A client that asks gateways.
pub(crate) fn asking(endpoints: &Endpoints) -> Result<Http, NodeError> {
    Ok(Http::new(asking_options(endpoints))?)
}

/// A client that uploads.
pub(crate) fn uploading(endpoints: &Endpoints) -> Result<Http, NodeError> {
    Ok(Http::new(uploading_options(endpoints))?)
}

/// A client that fetches the lists of an operator, each once at a time and again soon.
pub(crate) fn listing(redirect_hosts: &[String]) -> Result<Http, NodeError> {
    Ok(Http::new(listing_options(redirect_hosts))?)
}

/// How many sockets all of them take at most.
pub(crate) fn sockets_max(endpoints: &Endpoints) -> usize {
    // One for heights and data, one for GraphQL, those of the list, and where a record is published.
    let asked = endpoints.heads.len().saturating_add(3);
    // Upload node, cache, GraphQL.
    let sent = if endpoints.upload.is_some() { uploading_options(endpoints).sockets_max(3) } else { 0 };
    let listed = listing_options(&endpoints.redirect_hosts)
        .sockets_max(LISTS_MAX)
        .saturating_add(Placement::SOCKETS_MAX);
    asking_options(endpoints).sockets_max(asked).saturating_add(sent).saturating_add(listed)
}

/// How many sockets it takes at most to look after a record of where a scheduler is: one for GraphQL, those of the list, and
/// where it is published.
pub(crate) fn location_sockets_max(endpoints: &Endpoints) -> usize {
    asking_options(endpoints).sockets_max(endpoints.heads.len().saturating_add(2))
}

fn listing_options(redirect_hosts: &[String]) -> HttpOptions {
    let redirect_hosts = redirect_hosts.to_vec();
    HttpOptions { redirect_hosts, exchanges_max: LISTS_MAX, idle_sockets_max: 1, ..HttpOptions::default() }
}

fn asking_options(endpoints: &Endpoints) -> HttpOptions {
    HttpOptions { redirect_hosts: endpoints.redirect_hosts.clone(), ..HttpOptions::default() }
}

fn uploading_options(endpoints: &Endpoints) -> HttpOptions {
    HttpOptions {
        exchanges_max: UPLOADS_MAX,
        idle_sockets_max: UPLOAD_SOCKETS_KEPT,
        ..asking_options(endpoints)
    }
}
