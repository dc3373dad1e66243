//! `--once`: one inventory and one sample as JSON, without a collector and without a state
//! directory. The first thing that a new user tries.

use std::io::{self, Write};
use std::time::Duration;

use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::link::HostView as _;
use crate::run::{self, RunError};
use crate::sampling::{Depth, Roots};

/// CPU and network are told over so long.
const MEASURED_OVER: Duration = Duration::from_millis(500);
/// GPUs and model servers have so long to answer.
const LOOK_DEADLINE: Duration = Duration::from_secs(3);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What is printed.
#[derive(Debug, Serialize)]
pub struct Once {
    /// What the host has.
    pub inventory: Inventory,
    /// What moves.
    pub sample: Sample,
}

/// Looks once, for a few seconds at most.
///
/// # Errors
///
/// Where a part of the agent cannot start.
pub async fn once(settings: &Settings) -> Result<Once, RunError> {
    // Waited for are two readings at most; the interval of a slow agent is none of ours.
    let settings = Settings { interval: MEASURED_OVER, ..settings.clone() };
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let roots = Roots::under(&settings.host_root);
    let (mut observer, _) = run::observe(&settings, roots, &mut tasks, &stop)?;
    sleep(MEASURED_OVER).await;
    let looked = async {
        while !observer.has_looked() {
            sleep(LOOK_AGAIN_AFTER).await;
        }
    };
    // Whatever did not answer is told as missing.
    let _ = timeout(LOOK_DEADLINE - MEASURED_OVER, looked).await;
    let sample = observer.sample(Depth::Complete, Instant::now());
    let once = Once { inventory: observer.inventory(), sample };
    stop.cancel();
    // The child ends with its stdin; nobody waits for one that hangs.
    let ended = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(LOOK_AGAIN_AFTER, ended).await;
    Ok(once)
}

/// Prints what was seen. A reader that has gone has read enough.
///
/// # Errors
///
/// Where `out` refuses for another reason.
pub fn print(once: &Once, out: &mut impl Write) -> io::Result<()> {
    let written = serde_json::to_writer_pretty(&mut *out, once)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(out))
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let once = Once { inventory: Inventory::empty(), sample: Sample::default() };
        print(&once, &mut Closed).unwrap();
        let mut out = Vec::new();
        print(&once, &mut out).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(read["inventory"]["gpus"].is_null() && read["sample"]["seq"] == 0);
    }
}
