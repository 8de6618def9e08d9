//! Takes over what the existing scheduler has stored: every row of a source ends in the log, as it was, or in the report.
//!
//! A [`Source`] hands over rows in the order of the log. Workers make ready what they hold (`prepare.rs`), and one thread
//! gives them their places and appends them (`placing.rs`), as [`import`] ties together. Nothing is kept of an import but
//! the log itself: a row is known again by its place.

mod assemble;
mod back;
mod blob;
mod deep_hashes;
mod elsewhere;
mod envelope;
mod flaw;
mod importing;
mod local_store;
mod patience;
mod placing;
mod postgres;
mod prepare;
mod report;
mod shown_row;
mod source;
mod stores;
mod target;
mod tenants;
mod url;
mod waiting;
#[cfg(test)]
mod tests;

pub use assemble::{AssembleError, HiddenParts, ShownItem, ShownOwner, ShownTag};
pub use back::{BackError, BackRow, BackSummary, BackTarget, BundleFolder, PostgresTables};
pub use blob::{Blob, BlobError, BlobForm};
pub use deep_hashes::{ByteStore, ByteStoreError};
pub use elsewhere::{PartsElsewhere, WaitingGateway, WaitingGatewayError};
pub use envelope::{seal_envelope, unseal_envelope};
pub use flaw::{FlawKind, SourceFlaw};
pub use importing::{ImportError, ImportOptions, ImportProgress, import};
pub use local_store::LocalStoreSource;
pub use patience::{BusyWait, TellWait};
pub use postgres::{PostgresSource, PostgresSourceError};
pub use report::{ImportReport, ImportSummary, LeftOutRow};
pub use shown_row::{ShownPair, ShownRow};
pub use source::{
    ImportScope, RowRange, RowRangeError, Source, SourceError, SourceRow, SourceTotals, SourceVisit,
    StoredRow,
};
pub use stores::ForeignStoreError;
pub use target::{ImportTarget, KnownRows, PlacedIds, SoFar};
pub use tenants::{TenantError, TenantList, TenantsSource};
pub use url::{UrlSource, UrlSourceError};
