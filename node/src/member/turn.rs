//! Something that is done by one at a time, and that others can see is being done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who may do it next.
#[derive(Default)]
pub(super) struct Turns(Arc<AtomicBool>);

/// While there is one, nobody else does it. It ends with whatever holds it, be that dropped half-way.
pub(super) struct Turn(Arc<AtomicBool>);

impl Turns {
    /// The turn, if nobody has it.
    pub(super) fn take(&self) -> Option<Turn> {
        (!self.0.swap(true, Ordering::SeqCst)).then(|| Turn(self.0.clone()))
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
