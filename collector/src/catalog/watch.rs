//! Notices that a folder of a catalog changed. Folders are watched, not files, so that an editor
//! that renames, a link that is swapped and a folder that comes back are all seen alike: something
//! happened, and the whole catalog is read again.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::catalogs::{Catalogs, NotLoaded, Trigger};
use super::folder::{DEPTH_MAX, Is, Root};

/// Nothing happened for this long: whoever wrote is done.
const QUIET: Duration = Duration::from_millis(500);
/// Whoever never is done is not waited for any longer.
const QUIET_AT_LAST: Duration = Duration::from_secs(5);
/// How often a folder is looked at: whether it is there, and still the same one.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a folder that cannot be watched is read.
const READ_EVERY: Duration = Duration::from_secs(30);
/// Most folders that are watched for one catalog.
const WATCHED_MAX: usize = 2_048;

/// What is watched for one catalog.
#[derive(Debug)]
struct Watch {
    /// Dropped, it ends. `None`: it cannot be watched.
    _watcher: Option<RecommendedWatcher>,
    /// Which folders these are.
    identities: Vec<Identity>,
    /// When to read it, whatever was noticed.
    read_at: Option<Instant>,
}

/// A folder as the file system tells it apart; `None`: there is none.
type Identity = Option<(u64, u64)>;

/// Follows the folders of all catalogs until `stop`.
pub async fn run(catalogs: Arc<Catalogs>, stop: CancellationToken) {
    let mut following = JoinSet::new();
    for named in catalogs.all() {
        following.spawn(follow(Arc::clone(&catalogs), named.name.clone()));
    }
    let ended = stop.run_until_cancelled(following.join_next()).await;
    if let Some(Some(Err(error))) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn follow(catalogs: Arc<Catalogs>, name: String) {
    let Some(named) = catalogs.get(&name) else { return };
    let folders: Vec<PathBuf> = named.held.folders().iter().map(|f| f.path.clone()).collect();
    let folders: Arc<[PathBuf]> = folders.into();
    loop {
        let happened = Arc::new(Notify::new());
        // Watched before it is read, so that nothing happens in between.
        let watch = {
            let (folders, happened) = (Arc::clone(&folders), Arc::clone(&happened));
            catalogs.beside(move || Watch::begin(&folders, happened)).await
        };
        let Ok(watch) = watch else {
            sleep(READ_EVERY).await;
            continue;
        };
        let loaded = catalogs.reload(&name, Trigger::Noticed).await;
        if let Err(error @ (NotLoaded::Busy | NotLoaded::Broken)) = loaded {
            tracing::warn!(catalog = name, %error, "a change was noticed and not read");
        }
        until_changed(&catalogs, &folders, &watch, &happened).await;
        until_quiet(&happened).await;
    }
}

/// Waits until something happened, a folder is another one, or it is time to read it anyway.
async fn until_changed(
    catalogs: &Catalogs,
    folders: &Arc<[PathBuf]>,
    watch: &Watch,
    happened: &Notify,
) {
    loop {
        tokio::select! {
            () = happened.notified() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        if watch.read_at.is_some_and(|at| at <= Instant::now()) {
            return;
        }
        let folders = Arc::clone(folders);
        let now = catalogs.beside(move || identities(&folders)).await;
        if now.is_ok_and(|now| now != watch.identities) {
            return;
        }
    }
}

/// Waits until nothing happens any more, but not for ever.
async fn until_quiet(happened: &Notify) {
    let at_last = Instant::now() + QUIET_AT_LAST;
    loop {
        let until = at_last.min(Instant::now() + QUIET);
        if timeout_at(until, happened.notified()).await.is_err() {
            return;
        }
    }
}

impl Watch {
    fn begin(folders: &[PathBuf], happened: Arc<Notify>) -> Self {
        let identities = identities(folders);
        let watcher = watch(folders, happened);
        let read_at = match &watcher {
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(
                    %error, every_s = READ_EVERY.as_secs(),
                    "the folders of a catalog cannot be watched, and are read again and again"
                );
                Some(Instant::now() + READ_EVERY)
            }
        };
        Self { _watcher: watcher.ok(), identities, read_at }
    }
}

fn identities(folders: &[PathBuf]) -> Vec<Identity> {
    let identity = |path: &PathBuf| path.metadata().ok().map(|m| (m.dev(), m.ino()));
    folders.iter().map(identity).collect()
}

fn watch(folders: &[PathBuf], happened: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let tell = move |event: notify::Result<Event>| {
        if event.as_ref().map_or(true, is_news) {
            happened.notify_one();
        }
    };
    let config = Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(tell, config)?;
    let mut watched = Vec::new();
    for folder in folders {
        // What is not there is looked for, and what is wrong is told by whoever loads it.
        if let Ok(Some(root)) = Root::open(folder) {
            below(&root, root.path(), 0, &mut watched);
        }
    }
    for folder in watched {
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            // It went away meanwhile, which the folder around it tells.
            Err(error) if !folder.is_dir() => tracing::debug!(%error, "a folder is gone again"),
            other => other?,
        }
    }
    Ok(watcher)
}

/// A folder and those in it.
fn below(root: &Root, folder: &Path, depth: usize, watched: &mut Vec<PathBuf>) {
    if depth > DEPTH_MAX || watched.len() >= WATCHED_MAX {
        return;
    }
    watched.push(folder.to_owned());
    for found in root.list(folder, |_| true).unwrap_or_default() {
        if found.is == Is::Folder {
            below(root, &found.path, depth + 1, watched);
        }
    }
}

/// Whether what is loaded may be another since. Reading, as the collector does, is no news; nor is
/// what editors keep beside a file, whose name begins with one dot.
fn is_news(event: &Event) -> bool {
    let is_read = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    };
    let is_hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('.') && !name.starts_with("..")
    };
    !is_read && (event.paths.is_empty() || !event.paths.iter().all(is_hidden))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
