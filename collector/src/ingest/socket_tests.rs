//! Whole connections over a pair of channels, on the paused clock.

use futures_channel::mpsc;
use herdbook_shared::ids::SessionId;
use herdbook_shared::wire::codec::decode_collector;
use herdbook_shared::wire::fixtures::{HELLO, SAMPLE};

use crate::api::live::pipe::{Far, pipe};
use crate::config::Liveness;
use crate::registry::finding::Code;
use crate::registry::host::HostStatus;

use super::*;

const ID: &str = "0199f3a0-0000-7000-8000-0000000000ab";

/// The agent's end.
struct Agent {
    to: mpsc::Sender<Result<Message, &'static str>>,
    from: mpsc::Receiver<Message>,
    registry: Arc<Registry>,
    desk: Desk,
    connection: tokio::task::JoinHandle<()>,
}

impl Agent {
    fn connect(registry: &Arc<Registry>) -> Self {
        Self::connect_to(registry, &Desk::new("c"))
    }

    fn connect_to(registry: &Arc<Registry>, desk: &Desk) -> Self {
        let (socket, Far { to, from }) = pipe();
        let desk = desk.clone();
        let serving = run(
            socket,
            (Ends { remote: [127, 0, 0, 1].into(), local: None }, Door::Open),
            Arc::clone(registry),
            desk.clone(),
            CancellationToken::new(),
        );
        let connection = tokio::task::spawn_local(serving);
        Self { to, from, registry: Arc::clone(registry), desk, connection }
    }

    async fn say(&mut self, text: &str) {
        self.to.send(Ok(Message::Text(text.into()))).await.unwrap();
    }

    /// What the collector says next, pings apart.
    async fn hear(&mut self) -> Option<CollectorMessage> {
        loop {
            match self.from.next().await? {
                Message::Text(text) => return Some(decode_collector(&text).unwrap()),
                Message::Close(_) => return None,
                _ => (),
            }
        }
    }

    async fn greet(&mut self) -> SessionId {
        self.say(HELLO).await;
        match self.hear().await {
            Some(CollectorMessage::Welcome(welcome)) => welcome.session_id,
            other => panic!("no welcome but {other:?}"),
        }
    }

    fn status(&self) -> HostStatus {
        self.registry.host(ID).unwrap().status
    }
}

/// Runs a story on one thread, since the connections are local to it.
async fn story<F: Future<Output = ()>>(tell: impl FnOnce(Arc<Registry>) -> F) {
    let registry = Arc::new(Registry::new(Liveness::default()));
    tokio::task::LocalSet::new().run_until(tell(registry)).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_is_taken_in_and_leaves_with_a_goodbye() {
    story(|registry| async move {
        let mut agent = Agent::connect(&registry);
        let session = agent.greet().await;
        agent.say(SAMPLE).await;
        agent.say(r#"{"type":"goodbye","reason":"shutdown","session_id":"another"}"#).await;
        tokio::task::yield_now().await;
        assert_eq!(agent.status(), HostStatus::Online);
        let goodbye =
            format!(r#"{{"type":"goodbye","reason":"shutdown","session_id":"{session}"}}"#);
        agent.say(&goodbye).await;
        (&mut agent.connection).await.unwrap();
        assert_eq!(agent.status(), HostStatus::Offline);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_says_no_hello_is_told_and_let_go() {
    story(|registry| async move {
        let mut agent = Agent::connect(&registry);
        let Some(CollectorMessage::Refused(refused)) = agent.hear().await else { panic!() };
        assert_eq!(refused.code, RefusalCode::HelloTimeout);
        assert_eq!(agent.hear().await, None);
        assert_eq!(registry.n_hosts(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_ends_after_30_s() {
    story(|registry| async move {
        let mut agent = Agent::connect(&registry);
        agent.greet().await;
        let start = Instant::now();
        while agent.from.next().await.is_some() {}
        assert_eq!(start.elapsed().as_secs(), 30);
        assert!(registry.host(ID).unwrap().session.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_round_trip_is_kept_as_the_latency() {
    story(|registry| async move {
        let mut agent = Agent::connect(&registry);
        agent.greet().await;
        let Some(Message::Ping(payload)) = agent.from.next().await else { panic!("no ping") };
        tokio::time::advance(Duration::from_millis(7)).await;
        agent.to.send(Ok(Message::Pong(payload))).await.unwrap();
        agent.say(SAMPLE).await;
        tokio::task::yield_now().await;
        assert_eq!(registry.host(ID).unwrap().live.latency_ms(), Some(7));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_older_connection_is_told_that_it_was_superseded() {
    story(|registry| async move {
        let mut older = Agent::connect(&registry);
        older.greet().await;
        let mut newer = Agent::connect(&registry);
        let session = newer.greet().await;
        let Some(CollectorMessage::Refused(refused)) = older.hear().await else { panic!() };
        assert_eq!(refused.code, RefusalCode::Superseded);
        assert!(registry.host(ID).unwrap().is_current(&session));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn garbage_is_counted_refused_and_nobody_else_notices() {
    story(|registry| async move {
        let mut good = Agent::connect(&registry);
        good.greet().await;
        let mut bad = Agent::connect(&registry);
        bad.say("garbage").await;
        let Some(CollectorMessage::Refused(refused)) = bad.hear().await else { panic!() };
        assert_eq!(refused.code, RefusalCode::BadFrame);
        assert!(bad.desk.dropped.all().contains(&("bad_frame", 1)));
        let mut large = Agent::connect(&registry);
        large.to.send(Err("Space limit exceeded: Message too long")).await.unwrap();
        let Some(CollectorMessage::Refused(refused)) = large.hear().await else { panic!() };
        assert_eq!(refused.code, RefusalCode::TooLarge);
        good.say(SAMPLE).await;
        tokio::task::yield_now().await;
        assert_eq!(good.status(), HostStatus::Online);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_midway_closes_its_session() {
    story(|registry| async move {
        let mut agent = Agent::connect(&registry);
        agent.greet().await;
        agent.connection.abort();
        assert!((&mut agent.connection).await.unwrap_err().is_cancelled());
        assert!(registry.host(ID).unwrap().session.is_none());
        let changes = registry.changes_since(0, usize::MAX).unwrap();
        assert_eq!(changes.last().unwrap().cause.as_deref(), Some("lost"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_not_followed_by_a_loss() {
    story(|registry| async move {
        let mut agent = Agent::connect(&registry);
        let session = agent.greet().await;
        let goodbye =
            format!(r#"{{"type":"goodbye","reason":"shutdown","session_id":"{session}"}}"#);
        agent.say(&goodbye).await;
        (&mut agent.connection).await.unwrap();
        let kinds = registry.kinds_since(0);
        assert_eq!(kinds.iter().filter(|kind| **kind == "session.closed").count(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_limits_again_and_again_is_kept_out_for_a_while() {
    const BAD: &str = r#"{"type":"sample","seq":"one"}"#;
    story(|registry| async move {
        let desk = Desk::new("c");
        let refused = |message| match message {
            Some(CollectorMessage::Refused(refused)) => refused,
            other => panic!("no refusal but {other:?}"),
        };
        let finding = || {
            let host = registry.host(ID).unwrap();
            let finding = host.findings.iter().find(|f| f.code == Code::BreaksLimits).cloned();
            finding.map(|finding| finding.message).unwrap_or_default()
        };
        for n in 1..=3 {
            let mut agent = Agent::connect_to(&registry, &desk);
            agent.greet().await;
            assert_eq!(finding(), "");
            agent.say(BAD).await;
            tokio::task::yield_now().await;
            assert!(finding().contains("a frame of its agent"), "{}", finding());
            while !agent.connection.is_finished() {
                // It is let go between two of them.
                let _ = agent.to.send(Ok(Message::Text(BAD.into()))).await;
                tokio::task::yield_now().await;
            }
            let refused = refused(agent.hear().await);
            assert_eq!(refused.code, RefusalCode::TooManyErrors);
            assert_eq!(refused.retry_after_ms == Some(600_000), n == 3, "{refused:?}");
        }
        assert!(finding().contains("kept out for 10 min"), "{}", finding());
        let mut agent = Agent::connect_to(&registry, &desk);
        agent.say(HELLO).await;
        assert_eq!(refused(agent.hear().await).code, RefusalCode::Quarantined);
        tokio::time::advance(Duration::from_secs(601)).await;
        let mut agent = Agent::connect_to(&registry, &desk);
        agent.greet().await;
        assert_eq!(finding(), "");
    })
    .await;
}
