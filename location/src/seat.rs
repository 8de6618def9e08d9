//! Where the keeper of a record is found, who may come and go with the right to schedule.

use std::sync::{Arc, PoisonError, RwLock};

use crate::handle::LocationHandle;

/// By what the record is asked about at the moment, if anybody looks after it; clones are the same seat.
#[derive(Clone, Debug, Default)]
pub struct LocationSeat(Arc<RwLock<Option<LocationHandle>>>);

impl LocationSeat {
    /// Who looks after the record now. Who has ended meanwhile does not, whether or not somebody has said so.
    pub fn taken(&self) -> Option<LocationHandle> {
        let seat = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        seat.filter(|handle| !handle.ask.is_closed())
    }

    /// From now on this one does, or nobody.
    pub fn set(&self, handle: Option<LocationHandle>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}
