//! The lists that say who and what is let in: fetched for as long as the node runs, from before it serves.

use std::sync::Arc;
use std::time::Duration;

use gateway::{Endpoints, Http};
use limits::{
    AddressSet, ClientLimits, ClientOptions, FetchedList, ItemLimits, ItemOptions, ListContent, ListError,
    ListSource, OwnStore, Placement, ProcessList,
};
use log::Log;

use crate::error::NodeError;
use crate::part::NodeParts;
use crate::services;
use crate::task_part::TaskPart;

/// How long after one time each is fetched again, as the existing scheduler does.
const ADDRESSES_EVERY: Duration = Duration::from_secs(30);
const PROCESSES_EVERY: Duration = Duration::from_secs(10);

/// Lets in the clients that these options say; fetches the list of their addresses, if there is one.
pub(crate) fn clients(
    parts: &mut NodeParts,
    options: &ClientOptions,
    redirect_hosts: &[String],
) -> Result<Arc<ClientLimits>, NodeError> {
    let list = options.addresses.clone().map(|url| {
        let source = ListSource { url, every: ADDRESSES_EVERY };
        let list = FetchedList::new("addresses", "the list of addresses that may send messages");
        let http = services::listing(redirect_hosts)?;
        Ok::<_, NodeError>(start(parts, http, list, source, AddressSet::parse))
    });
    Ok(Arc::new(ClientLimits::new(options, list.transpose()?)))
}

/// Lets in the items that these options say; fetches the list of processes, if there is one.
pub(crate) fn items(
    parts: &mut NodeParts,
    options: ItemOptions,
    endpoints: &Endpoints,
    log: &dyn Log,
) -> Result<Arc<ItemLimits>, NodeError> {
    let placement = options.placement.clone();
    let own = || OwnStore(log.identity().store.to_string());
    let placement = placement.map(|options| Placement::new(options, own())).transpose();
    let placement = placement.map_err(NodeError::RouterClient)?;
    Ok(Arc::new(ItemLimits { placement, ..accepted(parts, options, &endpoints.redirect_hosts)? }))
}

/// Lets in the items that these options say, wherever their processes have been placed; fetches the list of processes, if
/// there is one.
pub(crate) fn accepted(
    parts: &mut NodeParts,
    options: ItemOptions,
    redirect_hosts: &[String],
) -> Result<ItemLimits, NodeError> {
    let ItemOptions { processes, sizes, .. } = options;
    let list = processes.map(|processes| {
        let source = ListSource { url: processes.url, every: PROCESSES_EVERY };
        let list = FetchedList::new("processes", "the list of processes that messages are taken for");
        let own = processes.own;
        let read = move |json: &[u8]| ProcessList::parse(json, own.as_deref());
        Ok::<_, NodeError>(start(parts, services::listing(redirect_hosts)?, list, source, read))
    });
    Ok(ItemLimits { processes: list.transpose()?, sizes, placement: None })
}

fn start<T: ListContent>(
    parts: &mut NodeParts,
    http: Http,
    list: FetchedList<T>,
    source: ListSource,
    read: impl Fn(&[u8]) -> Result<T, ListError> + Send + Sync + 'static,
) -> FetchedList<T> {
    let task = tokio::spawn(list.clone().follow(http, source, read));
    parts.push(TaskPart { name: "lists", task });
    list
}
