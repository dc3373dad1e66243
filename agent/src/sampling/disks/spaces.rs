//! How much space is used and free. A file system whose disk dies may not answer, so all are asked
//! aside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::Disk;
use tokio::time::Instant;

use super::layout::Place;
use crate::sampling::aside::Aside;
use crate::sampling::disk::space_on;

/// Asks for space, never twice at a time.
#[derive(Debug)]
pub(super) struct Spaces {
    root: PathBuf,
    aside: Aside<(), Asked>,
}

/// By the places whose space was added up.
type Asked = BTreeMap<Vec<Place>, Space>;

pub(super) type Space = Result<Disk, MissingReason>;

/// What was told, or why nothing was.
#[derive(Debug)]
pub(super) struct Answers(Result<Asked, MissingReason>);

impl Spaces {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, aside: Aside::new(|| ()) }
    }

    pub(super) fn ask(&mut self, wanted: Vec<Vec<Place>>, now: Instant) -> Answers {
        if wanted.is_empty() {
            return Answers(Ok(Asked::new()));
        }
        let root = self.root.clone();
        let ask = move |(): &mut ()| {
            let ask = |places: Vec<Place>| {
                let space = space(&places, &root);
                (places, space)
            };
            wanted.into_iter().map(ask).collect()
        };
        Answers(self.aside.read(now, ask))
    }
}

impl Answers {
    pub(super) fn of(&self, places: &[Place]) -> Space {
        let asked = self.0.as_ref().map_err(|reason| *reason)?;
        asked.get(places).copied().unwrap_or(Err(MissingReason::CannotTell))
    }
}

/// What is used is the sum of all places; what is free, they share.
fn space(places: &[Place], root: &Path) -> Space {
    let ask =
        |place: &Place| space_on(&root.join(place.point.trim_start_matches('/')), place.device);
    let asked: Vec<_> = places.iter().map(ask).collect();
    let first = asked.first().copied().ok_or(MissingReason::CannotTell)?;
    let spaces: Vec<Disk> = asked.into_iter().flatten().collect();
    let free = spaces.iter().map(|space| space.total_bytes - space.used_bytes).max();
    let used = spaces.iter().map(|space| space.used_bytes).sum();
    match free {
        Some(free) => Ok(Disk { used_bytes: used, total_bytes: used + free }),
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sets_share_what_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let place = || Place { point: "/".to_owned(), device: None };
        let one = space(&[place()], folder.path()).unwrap();
        let two = space(&[place(), place()], folder.path()).unwrap();
        let near = |a: u64, b: u64| a.abs_diff(b) < 1 << 30;
        assert!(near(two.used_bytes, 2 * one.used_bytes));
        assert!(near(two.total_bytes - two.used_bytes, one.total_bytes - one.used_bytes));
        assert_eq!(space(&[], folder.path()), Err(MissingReason::CannotTell));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_asked_cannot_be_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut spaces = Spaces::new(folder.path().to_owned());
        let asked = vec![Place { point: "/".to_owned(), device: None }];
        let answers = spaces.ask(vec![asked.clone()], Instant::now());
        assert!(answers.of(&asked).is_ok());
        assert_eq!(answers.of(&[]), Err(MissingReason::CannotTell));
    }
}
