//! Who waits until something is on the disk: each has a number, and all up to a number are
//! answered together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::WriteError;

type Answer = oneshot::Sender<Result<(), WriteError>>;

/// See the module's words.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept_through: u64,
    waiting: BTreeMap<u64, Vec<Answer>>,
}

impl Waiting {
    /// Waits until everything up to this number is on the disk.
    ///
    /// # Errors
    ///
    /// Where the next attempt to write failed. It is tried again, and nobody need ask for that.
    pub async fn until_kept(&self, number: u64) -> Result<(), WriteError> {
        let answer = {
            let mut inner = self.inner();
            if inner.kept_through >= number {
                return Ok(());
            }
            let (sender, answer) = oneshot::channel();
            inner.waiting.entry(number).or_default().push(sender);
            answer
        };
        answer.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Everything up to this number is on the disk.
    pub fn kept(&self, through: u64) {
        let answered = {
            let mut inner = self.inner();
            inner.kept_through = inner.kept_through.max(through);
            let later = inner.waiting.split_off(&through.saturating_add(1));
            std::mem::replace(&mut inner.waiting, later)
        };
        tell(answered, &Ok(()));
    }

    /// Nothing that is waited for could be written.
    pub fn failed(&self, error: &WriteError) {
        let answered = std::mem::take(&mut self.inner().waiting);
        tell(answered, &Err(error.clone()));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(answered: BTreeMap<u64, Vec<Answer>>, result: &Result<(), WriteError>) {
    for answer in answered.into_values().flatten() {
        // Whoever hung up has no use for it.
        let _ = answer.send(result.clone());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_up_to_a_number_are_answered_and_no_other() {
        let waiting = Waiting::default();
        let (mut first, mut second) =
            (Box::pin(waiting.until_kept(3)), Box::pin(waiting.until_kept(4)));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        waiting.kept(3);
        assert!(first.await.is_ok());
        assert!((&mut second).now_or_never().is_none());
        assert!(waiting.until_kept(2).now_or_never().is_some(), "that is past");
        waiting.failed(&WriteError::DiskFull);
        assert!(matches!(second.await, Err(WriteError::DiskFull)));
        waiting.kept(4);
        assert!(waiting.until_kept(4).await.is_ok());
    }
}
