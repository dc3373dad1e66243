//! See `discovery::fuzzing`.

use std::path::Path;

use tokio::time::Instant;

use super::process::{Depth, Processes};
use super::sockets::Sockets;
use super::unit::Units;
use crate::sampling::Roots;

/// Reads who listens, who runs, and what units say, of a host whose files lie under this folder.
pub(in crate::discovery) async fn look(root: &Path) {
    let roots = Roots::under(root);
    let _ = Sockets::new(&roots.proc).look();
    let mut processes = Processes::new(&roots.proc);
    processes.scan(Depth::All).await;
    for seen in processes.oldest_first() {
        let _ = (processes.guise(seen), processes.process(seen));
    }
    let mut units = Units::new(&roots.root, &roots.process().join("mountinfo"));
    units.refresh(Instant::now()).await;
    let _ = units.places();
}
