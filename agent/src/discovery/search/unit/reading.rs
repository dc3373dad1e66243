//! Reads folders of units beside everything else, under a deadline: a cold disk takes its time, and
//! a home on another machine may never answer. While one look hangs, no second one is begun.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::UnitPlace;
use super::folders::{Folders, Stamp};

/// Far longer than any disk of this host takes.
const DEADLINE: Duration = Duration::from_secs(2);

/// Whose units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The system's, and those that it gives to all users.
    System,
    /// Users' own, in their homes.
    Homes,
}

/// What was read at once.
#[derive(Debug, Default)]
pub(super) struct Read {
    homes: Vec<PathBuf>,
    from: Vec<(PathBuf, Stamp)>,
    places: Vec<UnitPlace>,
}

/// One part's units, as they were last read.
#[derive(Debug)]
pub(super) struct Reading {
    part: Part,
    root: PathBuf,
    mountinfo: PathBuf,
    read: Arc<Read>,
    pub(super) hanging: Option<JoinHandle<Arc<Read>>>,
}

impl Reading {
    pub(super) fn new(part: Part, root: &Path, mountinfo: &Path) -> Self {
        let (root, mountinfo) = (root.to_owned(), mountinfo.to_owned());
        Self { part, root, mountinfo, read: Arc::default(), hanging: None }
    }

    pub(super) fn places(&self) -> &[UnitPlace] {
        &self.read.places
    }

    /// Reads again, if anything has changed, which is told.
    pub(super) async fn refresh(&mut self) -> bool {
        let Self { part, root, mountinfo, .. } = self;
        let (part, root, mountinfo) = (*part, root.clone(), mountinfo.clone());
        self.read_with(move |before| read(part, &root, &mountinfo, before)).await
    }

    async fn read_with(
        &mut self,
        read: impl FnOnce(Arc<Read>) -> Arc<Read> + Send + 'static,
    ) -> bool {
        let before = Arc::clone(&self.read);
        let mut reading = match self.hanging.take() {
            Some(hanging) if !hanging.is_finished() => {
                self.hanging = Some(hanging);
                return false;
            }
            Some(finished) => finished,
            None => tokio::task::spawn_blocking(move || read(before)),
        };
        match timeout(DEADLINE, &mut reading).await {
            Ok(Ok(read)) => {
                let has_changed = !Arc::ptr_eq(&self.read, &read);
                self.read = read;
                has_changed
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "units cannot be read");
                false
            }
            Err(_) => {
                let part = self.part;
                tracing::warn!(?part, "a file system hangs: units are not read before it goes on");
                self.hanging = Some(reading);
                false
            }
        }
    }
}

fn read(part: Part, root: &Path, mountinfo: &Path, before: Arc<Read>) -> Arc<Read> {
    let mut folders = Folders::new(root);
    let homes = match part {
        Part::System => Vec::new(),
        Part::Homes => folders.homes(mountinfo),
    };
    let is_as_before = |(path, stamp): &(PathBuf, Stamp)| Stamp::of(path) == *stamp;
    if !before.from.is_empty() && before.homes == homes && before.from.iter().all(is_as_before) {
        return before;
    }
    let scopes = match part {
        Part::System => folders.scopes(),
        Part::Homes => folders.scopes_of(&homes),
    };
    let places = super::places(&mut folders, &scopes);
    Arc::new(Read { homes, from: folders.into_read_from(), places })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_hangs_keeps_nobody_waiting_and_is_not_asked_twice() {
        let mut reading = Reading::new(Part::Homes, Path::new("/nowhere"), Path::new("/nowhere"));
        let (go_on, hang) = mpsc::channel::<()>();
        let hangs = move |_| {
            let _ = hang.recv();
            Arc::default()
        };
        assert!(!reading.read_with(hangs).await);
        assert!(!reading.read_with(|_| unreachable!()).await);
        drop(go_on);
        let hanging = reading.hanging.as_mut().unwrap();
        // Whoever waits here for it leaves nothing for the next look; so only its end is awaited.
        while !hanging.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(reading.read_with(|_| unreachable!()).await, "what it read in the end is taken");
    }
}
