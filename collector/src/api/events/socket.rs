//! The same stream over a WebSocket: `{"type":"change","change":{…}}`, `reset` and `cursor`.

use axum::extract::ws::{Message, close_code};
use futures_util::{Sink, Stream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::api::live::frames;
use crate::api::live::line::{Gone, Line, Said, Until};
use crate::registry::encode;
use crate::registry::view::View;

use super::cursor::Cursor;
use super::follower::Follower;
use super::stream::Begin;
use super::{BATCH, KEEP_ALIVE, Notice};

/// Serves one reader until its connection ends, or from our side.
pub(super) async fn run<S, E>(socket: S, begin: Begin, until: Until)
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    let now = Instant::now();
    let Begin { follower, lost, view } = begin;
    let told = follower.cursor();
    let first = lost.map_or_else(|| Notice::cursor(&told), |why| Notice::reset(&told, why));
    let mut signs = interval_at(now + KEEP_ALIVE, KEEP_ALIVE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reader = Reader { line: Line::new(socket, now), follower, view, told, signs };
    // Why a reader left is its own business.
    if let Some((code, why)) = until.serve(reader.follow(first)).await {
        reader.line.close(code, why).await;
    }
}

struct Reader<S> {
    line: Line<S>,
    follower: Follower,
    view: View,
    /// The cursor that the reader knows.
    told: Cursor,
    signs: Interval,
}

impl<S, E> Reader<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    async fn follow(&mut self, first: Notice) -> Result<(), Gone> {
        self.line.send(encode::json(&first)).await?;
        loop {
            let ping_at = self.line.ping_at();
            // Changes come last: there may always be more of them.
            tokio::select! {
                biased;
                said = self.line.next() => self.receive(said?).await?,
                () = sleep_until(ping_at) => self.line.ping().await?,
                _ = self.signs.tick() => self.send_cursor().await?,
                () = self.follower.changed() => self.send_news().await?,
            }
        }
    }

    /// A reader has nothing to say.
    async fn receive(&mut self, said: Said) -> Result<(), Gone> {
        match said {
            Said::Control => Ok(()),
            Said::Text(_) | Said::Binary => {
                self.line.send(frames::error("nothing is read here")).await
            }
            Said::TooMuch => {
                self.line.send(frames::error("too many messages")).await?;
                self.line.close(close_code::POLICY, "too many messages").await;
                Err(Gone)
            }
        }
    }

    async fn send_news(&mut self) -> Result<(), Gone> {
        let changes = match self.follower.look(BATCH) {
            Ok(changes) => changes,
            Err(why) => {
                self.follower.skip_to_now();
                self.told = self.follower.cursor();
                return self.line.send(encode::json(&Notice::reset(&self.told, why))).await;
            }
        };
        for change in &changes {
            self.line.feed(frames::change(&change.encoded(self.view))).await?;
            self.told = Cursor::new(change.epoch.clone(), change.seq);
        }
        self.line.flush().await?;
        tokio::task::yield_now().await;
        Ok(())
    }

    /// What is not wanted moves the reader's cursor as well, lest the ring leave it behind.
    async fn send_cursor(&mut self) -> Result<(), Gone> {
        let at = self.follower.cursor();
        if at == self.told {
            return Ok(());
        }
        self.told = at;
        self.line.send(encode::json(&Notice::cursor(&self.told))).await
    }
}
