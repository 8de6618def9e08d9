//! Whom and what an operator lets in, of a node or of what stands in front of several: lists of addresses and of
//! processes that are kept elsewhere, the size of messages, the number of requests of one address, and where a router
//! has placed a process.
//!
//! None of these is on unless it is set. What is set and not known (yet) lets nobody in: a list that was never read is
//! no empty list, but who is refused for it is told to come again.

mod addresses;
mod client_address;
mod clients;
mod items;
mod list;
mod metrics;
mod placement;
mod processes;
mod rate;
mod refusal;
mod sizes;

#[cfg(test)]
mod testing;

pub use addresses::{AddressRange, AddressSet, NoAddress, parse_addresses};
pub use client_address::{ClientAddress, ClientHeaders};
pub use clients::{ClientLimits, ClientOptions};
pub use items::{ItemLimits, ItemOptions};
pub use list::{FetchedList, ListAge, ListContent, ListError, ListNow, ListSeen, ListSource};
pub use metrics::describe;
pub use placement::{OwnStore, Placement, PlacementOptions, STORE_HEADER};
pub use processes::{ProcessList, ProcessSource};
pub use rate::{NoRate, Rate, RateLimiter};
pub use refusal::LimitRefusal;
pub use sizes::SizeLimit;
