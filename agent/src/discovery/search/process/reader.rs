//! Reads what processes say of themselves: command lines and, of an Ollama, its environment.
//!
//! The kernel takes these out of the process's own memory. Where a driver hangs while it maps
//! memory, whoever reads them hangs as well, so they are read beside everything else, under a
//! deadline; and nothing more is read while one hangs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::files;

/// Far longer than any process's words take that does not hang.
const DEADLINE: Duration = Duration::from_secs(2);
/// What is read and not yet taken.
const QUEUE: usize = 64;

/// What a process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) command_line: Vec<String>,
    pub(super) ollama_host: Option<String>,
}

/// Reads for as long as nothing hangs.
#[derive(Debug)]
pub(super) struct Reader {
    proc_root: PathBuf,
    hanging: Option<JoinHandle<()>>,
}

impl Reader {
    pub(super) fn new(proc_root: &Path) -> Self {
        Self { proc_root: proc_root.to_owned(), hanging: None }
    }

    /// The words of these processes, as far as they can be read now.
    pub(super) async fn read(&mut self, pids: Vec<u32>) -> Vec<(u32, Words)> {
        let is_hanging = self.hanging.as_ref().is_some_and(|reading| !reading.is_finished());
        if pids.is_empty() || is_hanging {
            return Vec::new();
        }
        let proc_root = self.proc_root.clone();
        self.start(pids, move |pid| words(&proc_root.join(pid.to_string()))).await
    }

    async fn start(
        &mut self,
        pids: Vec<u32>,
        words_of: impl Fn(u32) -> Words + Send + 'static,
    ) -> Vec<(u32, Words)> {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let reading = tokio::task::spawn_blocking(move || {
            for pid in pids {
                if sender.blocking_send((pid, words_of(pid))).is_err() {
                    return;
                }
            }
        });
        let mut all = Vec::new();
        loop {
            match timeout(DEADLINE, receiver.recv()).await {
                Ok(Some(words)) => all.push(words),
                Ok(None) => return all,
                Err(_) => {
                    tracing::warn!(
                        "a process hangs, and so does who reads its command line: \
                         new processes are not recognised before it goes on"
                    );
                    self.hanging = Some(reading);
                    return all;
                }
            }
        }
    }
}

fn words(folder: &Path) -> Words {
    let command_line = files::command_line(folder);
    let is_ollama = command_line.iter().any(|word| word.contains("ollama"));
    let ollama_host = is_ollama.then(|| files::environment(folder, "OLLAMA_HOST")).flatten();
    Words { command_line, ollama_host }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use super::*;

    #[tokio::test]
    async fn who_hangs_keeps_nobody_waiting_and_no_second_one_is_sent_after_it() {
        let mut reader = Reader::new(Path::new("/nowhere"));
        let (go_on, hang) = std_mpsc::channel::<()>();
        let read = reader.start(vec![1, 2, 3], move |pid| {
            if pid == 2 {
                let _ = hang.recv();
            }
            Words::default()
        });
        assert_eq!(read.await, [(1, Words::default())]);
        assert_eq!(reader.read(vec![4]).await, []);
        drop(go_on);
        let hanging = reader.hanging.as_mut().unwrap();
        tokio::time::timeout(Duration::from_secs(10), hanging).await.unwrap().unwrap();
        assert_eq!(reader.read(vec![4]).await, [(4, Words::default())]);
    }
}
