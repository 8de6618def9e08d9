//! The clients of the services that a node uses, and how many sockets they take.

use gateway::{Endpoints, Http, HttpOptions};

use crate::error::NodeError;

/// Uploads, copies for a cache and questions about what has arrived: at most 16 uploads and 16 copies at a time.
const UPLOADS_MAX: usize = 40;
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

/// How many sockets both together take at most.
pub(crate) fn sockets_max(endpoints: &Endpoints) -> usize {
    // One for heights and data, one for GraphQL, and those of the list.
    let asked = endpoints.heads.len().saturating_add(2);
    // Upload node, cache, GraphQL.
    let sent = if endpoints.upload.is_some() { uploading_options(endpoints).sockets_max(3) } else { 0 };
    asking_options(endpoints).sockets_max(asked).saturating_add(sent)
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
