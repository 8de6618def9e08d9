//! Something that is done by one at a time, and that others can see is being done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The right to do it.
#[derive(Default)]
pub(super) struct Exclusive(Arc<AtomicBool>);

/// While this is held nobody else does it; also what is dropped half-way lets go of it.
pub(super) struct ExclusiveHold(Arc<AtomicBool>);

impl Exclusive {
    /// Takes it, if nobody has it.
    pub(super) fn take(&self) -> Option<ExclusiveHold> {
        (!self.0.swap(true, Ordering::SeqCst)).then(|| ExclusiveHold(self.0.clone()))
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for ExclusiveHold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
