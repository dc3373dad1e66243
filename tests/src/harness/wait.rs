//! Waiting. The only place in the stories where time passes: a condition is looked at again and
//! again until it holds or its deadline is over. No story sleeps to let something happen.

use std::time::Duration;

use tokio::time::Instant;

/// How long between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Waits until `look` finds what is waited for, and returns it. An `Err` is what it saw instead.
///
/// # Panics
///
/// When `within` is over, naming what was waited for and what was seen last.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        let waited = started.elapsed();
        assert!(waited < within, "waited {waited:.1?} for: {what}\n  last seen: {seen}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Watches that `look` finds nothing wrong for as long as `span`. An `Err` is what is wrong.
///
/// # Panics
///
/// As soon as `look` finds something wrong.
pub async fn throughout(
    what: &str,
    span: Duration,
    mut look: impl AsyncFnMut() -> Result<(), String>,
) {
    let started = Instant::now();
    while started.elapsed() < span {
        if let Err(seen) = look().await {
            let watched = started.elapsed();
            panic!("after {watched:.1?} it was no longer so that: {what}\n  seen: {seen}");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_returned() {
        let mut n_looks = 0;
        let found = eventually("the third look", Duration::from_secs(1), async || {
            n_looks += 1;
            if n_looks < 3 { Err(format!("look {n_looks}")) } else { Ok(n_looks) }
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "last seen: an empty field")]
    async fn what_never_comes_is_named_with_what_was_seen() {
        let look = async || Err::<(), _>("an empty field".to_owned());
        eventually("a horse", Duration::from_secs(1), look).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "no longer so that: the gate is shut")]
    async fn what_stops_holding_is_noticed() {
        let mut n_looks = 0;
        let look = async || {
            n_looks += 1;
            if n_looks < 5 { Ok(()) } else { Err("open".to_owned()) }
        };
        throughout("the gate is shut", Duration::from_secs(1), look).await;
    }
}
