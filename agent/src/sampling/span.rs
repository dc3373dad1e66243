//! Over how long a share or a rate was measured.

use std::time::Duration;

use tokio::time::Instant;

/// Over less than this, the agent would mostly measure itself.
const SHORTEST: Duration = Duration::from_millis(500);

/// The time between two readings of the same counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// There is nothing to compare with: this is the beginning.
    First,
    /// Too short to tell anything: the beginning stays what it was.
    Short,
    /// Long enough.
    Measured,
}

/// When counters were last taken over.
#[derive(Debug, Default)]
pub(super) struct Since(Option<Instant>);

impl Since {
    /// What a reading now is over; it is a new beginning, unless it is too near to the last.
    pub(super) fn read(&mut self, now: Instant) -> Span {
        let span = match self.0.map(|last| now.saturating_duration_since(last)) {
            None => Span::First,
            Some(elapsed) if elapsed < SHORTEST => return Span::Short,
            Some(_) => Span::Measured,
        };
        self.0 = Some(now);
        span
    }

    /// Whether nothing was taken over for longer than this.
    pub(super) fn is_over(&self, longest: Duration, now: Instant) -> bool {
        self.0.is_some_and(|last| now.saturating_duration_since(last) > longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_too_near_moves_no_beginning() {
        let (mut since, start) = (Since::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(since.read(start), Span::First);
        assert_eq!(since.read(start + ms(300)), Span::Short);
        assert_eq!(since.read(start + ms(499)), Span::Short);
        assert_eq!(since.read(start + ms(500)), Span::Measured);
        assert_eq!(since.read(start + ms(700)), Span::Short);
        assert!(since.is_over(ms(100), start + ms(700)));
        assert!(!since.is_over(ms(200), start + ms(700)));
        assert!(!Since::default().is_over(ms(0), start));
    }
}
