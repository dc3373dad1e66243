//! The child's stdout as lines, bounded: a line over the limit is skipped to its end.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::line::{LINE_BYTES, Line};

/// What one line was.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// A line of the child's.
    Line(Line),
    /// Too long, no JSON, or of a kind that this version does not know.
    Garbage,
}

/// Reads lines; cancelling [`Lines::next`] loses nothing.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    overlong: Overlong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlong {
    Not,
    Skipping,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), overlong: Overlong::Not }
    }

    /// The next line; `None` at the end, which an unfinished line does not outlive.
    ///
    /// # Errors
    ///
    /// That of the read.
    pub(super) async fn next(&mut self) -> io::Result<Option<Heard>> {
        loop {
            let chunk = self.from.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            if self.line.len() + piece.len() > LINE_BYTES {
                self.overlong = Overlong::Skipping;
                self.line = Vec::new();
            } else if self.overlong == Overlong::Not {
                self.line.extend_from_slice(piece);
            }
            let n = piece.len() + usize::from(end.is_some());
            self.from.consume(n);
            if end.is_some() {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn finish(&mut self) -> Heard {
        let overlong = std::mem::replace(&mut self.overlong, Overlong::Not);
        let line = serde_json::from_slice(&self.line);
        self.line.clear();
        match (overlong, line) {
            (Overlong::Not, Ok(line)) => Heard::Line(line),
            _ => Heard::Garbage,
        }
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::missing::MissingReason;
    use proptest::prelude::*;

    use super::*;

    async fn heard(text: &[u8]) -> Vec<Heard> {
        let mut lines = Lines::new(text);
        let mut heard = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            heard.push(line);
        }
        heard
    }

    #[tokio::test]
    async fn garbage_is_skipped_and_the_next_line_heard() {
        let start = "{\"type\":\"start\",\"version\":1}\n";
        let long = "x".repeat(3 * LINE_BYTES);
        let text = format!("{start}\nwarning: x\n{{\"type\":\"other\"}}\n{long}\n{start}{{\"un");
        let line = || Heard::Line(Line::Start { version: 1 });
        let garbage = || Heard::Garbage;
        assert_eq!(
            heard(text.as_bytes()).await,
            [line(), garbage(), garbage(), garbage(), garbage(), line()]
        );
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_garbage() {
        assert_eq!(heard(b"\xff\xfe\0\n").await, [Heard::Garbage]);
    }

    fn any_line() -> impl Strategy<Value = Line> {
        let text = || "\\PC{0,40}";
        prop_oneof![
            any::<u32>().prop_map(|version| Line::Start { version }),
            text().prop_map(|message| Line::Again { message }),
            text().prop_map(|message| {
                Line::Unavailable { reason: MissingReason::DriverMismatch, message }
            }),
            prop::collection::vec((text(), any::<u32>()), 0..4).prop_map(|gpus| {
                let gpu = |(name, index)| {
                    let reason = MissingReason::Asleep;
                    super::super::bus::unasked(index, Some(name), reason)
                };
                Line::Inventory { driver: None, gpus: gpus.into_iter().map(gpu).collect() }
            }),
        ]
    }

    /// Reads what comes in these pieces.
    async fn heard_in_pieces(text: &[u8], piece: usize) -> Vec<Heard> {
        let (mut ours, theirs) = tokio::io::duplex(piece);
        let text = text.to_vec();
        let mut writer = tokio::task::JoinSet::new();
        writer.spawn(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut ours, &text).await;
        });
        let mut lines = Lines::new(theirs);
        let mut heard = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            heard.push(line);
        }
        heard
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        /// What is written is heard, however it is cut on its way.
        #[test]
        fn lines_survive_any_cut(lines in prop::collection::vec(any_line(), 0..6), piece in 1_usize..200) {
            let mut text = Vec::new();
            for line in &lines {
                serde_json::to_writer(&mut text, line).unwrap();
                text.push(b'\n');
            }
            let heard = block_on(heard_in_pieces(&text, piece));
            let wanted: Vec<Heard> = lines.into_iter().map(Heard::Line).collect();
            prop_assert_eq!(heard, wanted);
        }

        /// Any bytes are lines or garbage, one for each end of line.
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1_usize..50) {
            let n = bytes.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(block_on(heard_in_pieces(&bytes, piece)).len(), n);
        }
    }
}
