//! The threads of a server: each has a name, and none may be lost.

use crate::server::ServerError;
use std::thread::JoinHandle;

/// Threads by their names.
pub(super) type Threads = Vec<(&'static str, JoinHandle<()>)>;

/// Waits until they have ended.
///
/// # Errors
/// One has failed.
pub(super) fn join(threads: Threads) -> Result<(), ServerError> {
    for (name, thread) in threads {
        thread.join().map_err(|_| ServerError::Thread(name))?;
    }
    Ok(())
}

/// Starts one.
///
/// # Errors
/// The system has none left.
pub(super) fn thread(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ServerError> {
    // A server that has lost one of its threads must not pretend to serve. This needs no log: what is to be said was
    // said where it failed.
    let run = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            std::process::abort();
        }
    };
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|source| ServerError::System { what: "start a thread", source })
}
