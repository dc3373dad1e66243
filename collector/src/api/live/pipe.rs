//! A socket over two channels, for tests on the paused clock.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ws::Message;
use futures_channel::mpsc;
use futures_util::{Sink, SinkExt, Stream, StreamExt};

/// The collector's end of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    incoming: mpsc::Receiver<Result<Message, &'static str>>,
    outgoing: mpsc::Sender<Message>,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Far {
    pub(crate) to: mpsc::Sender<Result<Message, &'static str>>,
    pub(crate) from: mpsc::Receiver<Message>,
}

/// A pair of ends. What the collector says is not flushed before it is read.
pub(crate) fn pipe() -> (Pipe, Far) {
    let (to, incoming) = mpsc::channel(16);
    let (outgoing, from) = mpsc::channel(0);
    (Pipe { incoming, outgoing }, Far { to, from })
}

impl Stream for Pipe {
    type Item = Result<Message, &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_next_unpin(context)
    }
}

impl Sink<Message> for Pipe {
    type Error = &'static str;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), &'static str>> {
        self.outgoing.poll_ready(context).map_err(|_| "gone")
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), &'static str> {
        self.outgoing.start_send(message).map_err(|_| "gone")
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), &'static str>> {
        self.outgoing.poll_flush_unpin(context).map_err(|_| "gone")
    }

    fn poll_close(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), &'static str>> {
        self.poll_flush(context)
    }
}
