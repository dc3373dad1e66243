//! The law of events: whoever comes back with the cursor that it has gets every change that it
//! wants, once and in order, over whichever protocol; and where that cannot be, it is told so.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::testing::App;
use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;

use super::filter::Words;
use super::story::{SocketReader, SseReader, now};

/// A reader: what it wants, the cursor that it has, and what it was told.
struct Reader {
    types: Option<String>,
    cursor: String,
    told: Vec<Value>,
}

impl Reader {
    fn new(app: &App, types: Option<&str>) -> Self {
        let types = types.map(str::to_owned);
        Self { types, cursor: now(&app.registry), told: Vec::new() }
    }

    fn types(&self) -> String {
        self.types.as_ref().map(|types| format!("&types={types}")).unwrap_or_default()
    }

    async fn poll(&mut self, app: &App, limit: usize) {
        let (cursor, types) = (&self.cursor, self.types());
        let answer = app.get(&format!("/api/v1/events?since={cursor}{types}&limit={limit}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.told.extend(answer.body["events"].as_array().unwrap().iter().cloned());
        self.cursor = answer.body["next"].as_str().unwrap().to_owned();
    }

    /// Reads so many events, and is cut off.
    async fn stream(&mut self, app: &App, n_events: usize) {
        let query = format!("?{}", self.types().trim_start_matches('&'));
        let mut reader = SseReader::open(app, &query, Some(&self.cursor)).await;
        for _ in 0..n_events {
            let Some(event) = reader.ready().await else { break };
            assert_eq!(event.data["type"], event.kind);
            let (epoch, seq) = (event.data["epoch"].as_str().unwrap(), &event.data["seq"]);
            assert_eq!(event.id, format!("{epoch}:{seq}"));
            self.told.push(event.data);
        }
        // Also where it was sent none.
        reader.last_id.clone_into(&mut self.cursor);
    }

    async fn socket(&mut self, app: &App, n_frames: usize) {
        let words = Words { types: self.types.as_deref(), ..Words::default() };
        let mut reader = SocketReader::open(app, Some(&self.cursor), words);
        for _ in 0..=n_frames {
            let Some(frame) = reader.ready().await else { break };
            match frame["type"].as_str().unwrap() {
                "cursor" => frame["next"].as_str().unwrap().clone_into(&mut self.cursor),
                "change" => {
                    let change = &frame["change"];
                    let (epoch, seq) = (change["epoch"].as_str().unwrap(), &change["seq"]);
                    self.cursor = format!("{epoch}:{seq}");
                    self.told.push(change.clone());
                }
                other => panic!("{other} within the ring"),
            }
        }
    }

    fn wants(&self, kind: ChangeKind) -> bool {
        let is_meant = |word: &str| kind.word().starts_with(word.trim_end_matches('*'));
        self.types.as_ref().is_none_or(|types| types.split(',').any(is_meant))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Tell(usize),
    Poll { reader: usize, limit: usize },
    Stream { reader: usize, n_events: usize },
    Socket { reader: usize, n_frames: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (reader, few) = (0..3_usize, 1..6_usize);
    prop_oneof![
        4 => (0..ChangeKind::ALL.len()).prop_map(Step::Tell),
        1 => (reader.clone(), few.clone())
            .prop_map(|(reader, limit)| Step::Poll { reader, limit }),
        1 => (reader.clone(), few.clone())
            .prop_map(|(reader, n_events)| Step::Stream { reader, n_events }),
        1 => (reader, few).prop_map(|(reader, n_frames)| Step::Socket { reader, n_frames }),
    ]
}

async fn hold(steps: Vec<Step>) {
    let app = App::of(Registry::new(Liveness::default()));
    let wanted = [None, Some("service.,gpu.lost"), Some("fleet.*")];
    let mut readers = wanted.map(|types| Reader::new(&app, types));
    let mut happened = Vec::new();
    for step in steps {
        match step {
            Step::Tell(n) => {
                app.registry.tell_any(ChangeKind::ALL[n], Moment::now());
                happened.push(ChangeKind::ALL[n]);
            }
            Step::Poll { reader, limit } => readers[reader].poll(&app, limit).await,
            Step::Stream { reader, n_events } => readers[reader].stream(&app, n_events).await,
            Step::Socket { reader, n_frames } => readers[reader].socket(&app, n_frames).await,
        }
    }
    for reader in &mut readers {
        reader.poll(&app, 1_000).await;
        let expected = happened.iter().enumerate().filter(|(_, kind)| reader.wants(**kind));
        let expected: Vec<_> =
            expected.map(|(n, kind)| (json!(n + 1), json!(kind.word()))).collect();
        let told = reader.told.iter().map(|change| (change["seq"].clone(), change["type"].clone()));
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}

fn on_a_paused_clock(story: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(story);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_change_that_is_wanted_comes_once_and_in_order(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        on_a_paused_clock(hold(steps));
    }
}

#[tokio::test(start_paused = true)]
async fn every_type_comes_over_all_three_and_reads_the_same() {
    let app = App::new();
    let begin = now(&app.registry);
    for kind in ChangeKind::ALL {
        app.registry.tell_any(*kind, Moment::now());
    }
    for (n, kind) in ChangeKind::ALL.iter().enumerate() {
        let alone = || Reader {
            types: Some(kind.word().to_owned()),
            cursor: begin.clone(),
            told: Vec::new(),
        };
        let (mut polled, mut streamed, mut framed) = (alone(), alone(), alone());
        polled.poll(&app, 100).await;
        streamed.stream(&app, 100).await;
        framed.socket(&app, 100).await;
        assert_eq!(polled.told.len(), 1, "{kind}");
        let change = &polled.told[0];
        assert_eq!((&change["type"], &change["seq"]), (&json!(kind.word()), &json!(n + 1)));
        let names = change.as_object().unwrap();
        for name in ["epoch", "at", "host_id", "service_id", "data", "cause"] {
            assert!(names.contains_key(name), "{kind}: {name}");
        }
        assert_eq!(polled.told, streamed.told);
        assert_eq!(polled.told, framed.told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_a_reset_over_all_three() {
    let before = App::new();
    before.registry.tell_any(ChangeKind::GpuLost, Moment::now());
    let cursor = now(&before.registry);
    let after = App::new();
    after.registry.tell_any(ChangeKind::GpuLost, Moment::now());
    after.registry.tell_any(ChangeKind::GpuLost, Moment::now());
    let polled = after.get(&format!("/api/v1/events?since={cursor}")).await;
    assert_eq!((polled.status, &polled.body["type"]), (410, &json!("urn:herdbook:gone")));
    let mut streamed = SseReader::open(&after, "", Some(&cursor)).await;
    let reset = streamed.ready().await.unwrap();
    assert_eq!((reset.kind.as_str(), &reset.id), ("reset", &now(&after.registry)));
    let mut framed = SocketReader::open(&after, Some(&cursor), Words::default());
    assert_eq!(framed.ready().await.unwrap(), reset.data);
}
