//! The dial, against sockets of this machine.

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response as Answer};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::enrol::Trust;
use crate::link::End;

async fn listener() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/herd", listener.local_addr().unwrap());
    let url = CollectorUrl::parse_for_tests(&url);
    (listener, Target { url, trust: Trust::Roots })
}

#[tokio::test]
async fn asks_for_the_path_under_the_prefix_and_the_protocol() {
    let (listener, target) = listener().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let check = |request: &Request, mut response: Answer| {
            assert_eq!(request.uri().path(), "/herd/api/v1/agent");
            assert_eq!(request.headers()["sec-websocket-protocol"], "herdbook.v1");
            let protocol = HeaderValue::from_static(wire::SUBPROTOCOL);
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, check).await.unwrap();
        while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
    });
    let socket = TcpDial.dial(&target).await.unwrap();
    let tuned = SockRef::from(socket.get_ref().tcp());
    assert!(tuned.tcp_nodelay().unwrap());
    assert_eq!(tuned.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    assert_eq!(TcpDial.own_end(&socket), Some(IpAddr::from([127, 0, 0, 1])));
    drop(socket);
    server.join_next().await.unwrap().unwrap();
}

/// Dials something that answers with `answer` and then stays.
async fn answered(answer: &'static str) -> DialError {
    let (listener, target) = listener().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    TcpDial.dial(&target).await.unwrap_err()
}

#[tokio::test]
async fn says_what_is_there_instead_of_a_collector() {
    let error = answered("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, DialError::Status { status: 404, retry_after: None }), "{error:?}");
    let error = answered("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, DialError::Status { status: 200, .. }), "{error:?}");
    let error = answered("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert!(matches!(error, DialError::Handshake(_)), "{error:?}");
}

#[tokio::test]
async fn a_collector_without_room_is_asked_again_when_it_says() {
    let answer = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let end = End::Unreachable(answered(answer).await);
    assert_eq!(end.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn an_endless_answer_ends() {
    let (listener, target) = listener().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n").await;
        while stream.write_all(b"a: b\r\n").await.is_ok() {}
    });
    assert!(matches!(TcpDial.dial(&target).await.unwrap_err(), DialError::Handshake(_)));
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let (listener, target) = listener().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = TcpDial.dial(&target).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach {address}"));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_ten_seconds() {
    let (_listener, target) = listener().await;
    let connected = connect(&target.url).await.unwrap();
    drop(connected);
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert!(matches!(
        TcpDial.dial(&target).await,
        Err(DialError::Timeout | DialError::Connect { .. })
    ));
    assert!(start.elapsed() <= DEADLINE + Duration::from_millis(10));
}
