//! How a connection begins: its first byte tells whether it speaks TLS, and whoever speaks the
//! wrong one is told, or not served.

use std::time::Duration;

use herdbook_shared::wire::enrol::{ChannelSecret, EXPORTER_LABEL};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Channel;
use super::socket::Counted;
use super::walls::TurnedAway;
use crate::limits::{FIRST_BYTE_WITHIN, HANDSHAKE_WITHIN, HEAD_BYTES};

/// The first byte of every TLS handshake.
const HANDSHAKE: u8 = 0x16;
/// How long it may take to tell a peer that it speaks the wrong protocol.
const TELL_WITHIN: Duration = Duration::from_secs(1);
/// What one is told that speaks HTTP where TLS is spoken.
const USE_TLS: &str = "this port speaks TLS: write https:// in place of http://\n";

/// A connection over which requests may come.
pub(super) enum Opened {
    Bare(Counted, Channel),
    Tls(Box<TlsStream<Counted>>, Channel),
}

/// Begins a connection; `None`: it is over.
pub(super) async fn open(stream: Counted, tls: Option<&TlsAcceptor>) -> Option<Opened> {
    if stream.is_control() {
        return Some(Opened::Bare(stream, Channel::Control));
    }
    let Ok(first) = timeout(FIRST_BYTE_WITHIN, stream.first_byte()).await else {
        stream.seat().turn_away(TurnedAway::Silent);
        return None;
    };
    match (first.ok()?, tls) {
        (HANDSHAKE, Some(tls)) => shake_hands(stream, tls).await,
        (HANDSHAKE, None) => None,
        (_, None) => Some(Opened::Bare(stream, Channel::Plain)),
        (first, Some(_)) => {
            // Only what may be a method of HTTP is understood as such.
            if first.is_ascii_uppercase() {
                drop(timeout(TELL_WITHIN, tell_to_use_tls(stream)).await);
            }
            None
        }
    }
}

async fn shake_hands(stream: Counted, tls: &TlsAcceptor) -> Option<Opened> {
    // The stream is gone where it fails.
    let (standing, leave) = (stream.seat().standing(), stream.seat().leave().cloned());
    let shaken = timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await;
    let Ok(Ok(stream)) = shaken else {
        // Who had to go is counted already.
        if leave.is_none_or(|leave| !leave.is_cancelled()) {
            standing.turn_away(TurnedAway::Handshake);
        }
        return None;
    };
    let secret = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
    let channel = Channel::Tls(ChannelSecret(secret.ok()?));
    Some(Opened::Tls(Box::new(stream), channel))
}

/// Reads what was asked before it answers, and waits for the end: closing over unread bytes would
/// take the answer along.
async fn tell_to_use_tls(mut stream: Counted) -> std::io::Result<()> {
    let mut asked = vec![0; HEAD_BYTES];
    if stream.read(&mut asked).await? == 0 {
        return Ok(());
    }
    let n_bytes = USE_TLS.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: \
         {n_bytes}\r\nconnection: close\r\n\r\n{USE_TLS}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut n_left = HEAD_BYTES;
    while n_left > 0 {
        match stream.read(&mut asked).await? {
            0 => break,
            n_bytes => n_left = n_left.saturating_sub(n_bytes),
        }
    }
    Ok(())
}
