//! SIGINT and SIGTERM, which would else end the process with a silent terminal or a token left
//! behind.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// That somebody wants the process to end.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Watches from here on; the signals end nothing by themselves any more.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub fn watch() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
