//! Who is asked for records, and who takes them.

use ans104::Address;
use async_trait::async_trait;
use bytes::Bytes;
use gateway::{LocationKind, LocationRecord, Locations, ToldLocations, UploadError, Uploader};

/// The services that a record needs.
#[async_trait]
pub trait LocationGateways: Send + Sync {
    /// What each gateway tells of this wallet.
    async fn told(&self, wallet: Address) -> Vec<ToldLocations>;

    /// Hands a record over; done when the other side has confirmed it.
    async fn upload(&self, record: Bytes) -> Result<(), UploadError>;
}

/// Gateways, and an upload node where records are published.
#[derive(Clone, Debug)]
pub struct LocationServices {
    /// Who is asked.
    pub gateways: Locations,
    /// Where records go.
    pub uploader: Option<Uploader>,
}

#[async_trait]
impl LocationGateways for LocationServices {
    async fn told(&self, wallet: Address) -> Vec<ToldLocations> {
        self.gateways.told(wallet, LocationKind::SchedulerLocation).await
    }

    async fn upload(&self, record: Bytes) -> Result<(), UploadError> {
        match &self.uploader {
            Some(uploader) => uploader.upload(record).await,
            None => Err(UploadError::Withheld),
        }
    }
}

/// The records that any gateway tells; none when no gateway answers.
pub(crate) fn united(told: &[ToldLocations]) -> Option<Vec<LocationRecord>> {
    let mut records: Vec<LocationRecord> = Vec::new();
    let answers: Vec<_> = told.iter().filter_map(|told| told.records.as_ref().ok()).collect();
    for record in answers.iter().copied().flatten() {
        match records.iter_mut().find(|known| known.id == record.id) {
            Some(known) => known.block = known.block.or(record.block),
            None => records.push(record.clone()),
        }
    }
    (!answers.is_empty()).then_some(records)
}
