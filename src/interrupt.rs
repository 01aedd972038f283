//! Ctrl-C: the first asks long work to stop where it can go on later, the second ends the program.

use crate::failure::Failure;
use signal_hook::consts::SIGINT;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Listens from now on. Work that does not [`check`] must not come after this: it would not stop at the first Ctrl-C.
pub(crate) fn listen() -> Result<(), Failure> {
    // In this order: the first registered sees whether there was one before.
    signal_hook::flag::register_conditional_shutdown(SIGINT, Failure::INTERRUPTED.into(), ASKED.clone())
        .and_then(|_| signal_hook::flag::register(SIGINT, ASKED.clone()))
        .map(drop)
        .map_err(|error| Failure::other(format!("cannot listen for Ctrl-C: {error}")))
}

/// Whether somebody has pressed Ctrl-C.
#[cfg(feature = "train")]
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// A failure if somebody has pressed Ctrl-C.
pub(crate) fn check() -> Result<(), Failure> {
    if ASKED.load(Ordering::Relaxed) { Err(Failure::interrupted()) } else { Ok(()) }
}
