//! The journal over a register and a real folder.

use std::path::PathBuf;

use tokio::task::JoinHandle;

use super::*;
use crate::config::Liveness;
use crate::notify::testing::alert;
use crate::registry::check::beat::Beat;
use crate::registry::service::{Check, Source};
use crate::registry::testing::{Clock, checked_by};

const ID: &str = "0199f3a0-0000-7000-8000-00000000abcd";

struct World {
    registry: Arc<Registry>,
    dir: tempfile::TempDir,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let dir = tempfile::tempdir().unwrap();
        Self { registry, dir, stop: CancellationToken::new() }
    }

    fn start(&self) -> (HeartbeatAlerts, Arc<JournalCounts>, JoinHandle<()>) {
        let alerts = HeartbeatAlerts::of_data_dir(self.dir.path());
        let registry = Arc::clone(&self.registry);
        let journal = Journal::new(registry, self.dir.path(), alerts.clone());
        let counts = journal.counts();
        #[expect(clippy::disallowed_methods, reason = "a test owns its task by its handle")]
        let task = tokio::spawn(journal.run(self.stop.clone()));
        (alerts, counts, task)
    }

    fn raise(&self, id: &str) {
        self.registry.raise_alert(alert(id, "gpu_lost"), Moment::now()).unwrap();
    }

    fn today(&self, log: &str) -> PathBuf {
        let day = Day::of(Timestamp::now());
        self.dir.path().join(FOLDER).join(format!("{log}_{day}.jsonl"))
    }

    fn lines(&self, log: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.today(log)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Lets time pass until this is so; the clock is paused, so that it costs none.
async fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it never was so");
}

#[tokio::test(start_paused = true)]
async fn alerts_are_written_as_they_happen_and_at_the_end() {
    let world = World::new();
    let (_, counts, task) = world.start();
    world.raise("a");
    until(|| counts.n_written() == 1).await;
    world.registry.resolve_alert("a", "it is back", Moment::now());
    world.raise("b");
    world.stop.cancel();
    task.await.unwrap();
    let lines = world.lines("alerts");
    let told: Vec<AlertLine> = lines.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let told: Vec<_> = told.iter().map(|line| (line.r#type, &*line.alert.id)).collect();
    let (raised, resolved) = (AlertLineType::Raised, AlertLineType::Resolved);
    assert_eq!(told, [(raised, "a"), (resolved, "a"), (raised, "b")]);
    assert_eq!((counts.n_written(), counts.n_waiting()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_the_disk_is_full() {
    let world = World::new();
    std::fs::create_dir(world.dir.path().join(FOLDER)).unwrap();
    std::os::unix::fs::symlink("/dev/full", world.today("alerts")).unwrap();
    let (_, counts, task) = world.start();
    for id in ["a", "b", "c"] {
        world.raise(id);
    }
    until(|| counts.n_failed() >= 3).await;
    assert_eq!((counts.n_written(), counts.n_waiting(), counts.n_dropped()), (0, 3, 0));
    std::fs::remove_file(world.today("alerts")).unwrap();
    until(|| counts.n_written() == 3).await;
    assert_eq!(world.lines("alerts").len(), 3);
    world.stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_service_that_beats_is_told_and_survives_a_restart() {
    let world = World::new();
    let clock = Clock::new();
    let form = checked_by("http://10.0.0.7:1", Check::Heartbeat);
    world.registry.list(ID, Source::Own, form, clock.moment());
    let (alerts, counts, task) = world.start();
    let judge = |seconds| {
        let now = clock.moment().now + Duration::from_secs(seconds);
        let moment = Moment { now, at: Timestamp::now() };
        for verdict in world.registry.look_at_services(moment) {
            world.registry.judge_service(&verdict, moment);
        }
    };
    judge(120);
    judge(180);
    until(|| counts.n_written() == 2).await;
    world.registry.beat(ID, Beat::default(), Moment::now()).unwrap();
    until(|| counts.n_written() == 3).await;
    let told = alerts.all();
    let types: Vec<_> = told.iter().map(|alert| alert.alert_type).collect();
    let expected = [
        HeartbeatAlertType::ServiceDown,
        HeartbeatAlertType::ServiceDeregistered,
        HeartbeatAlertType::ServiceRecovered,
    ];
    assert_eq!(types, expected);
    let lines = world.lines("heartbeat_alerts");
    let read: Vec<HeartbeatAlert> =
        lines.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(read, told);
    world.stop.cancel();
    task.await.unwrap();

    let path = world.today("heartbeat_alerts");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("\u{0}\nnot JSON\n{text}{{\"alert_type\":")).unwrap();
    assert_eq!(HeartbeatAlerts::of_data_dir(world.dir.path()).all(), told);
}

#[test]
fn only_the_last_thousand_are_told() {
    let alerts = HeartbeatAlerts::default();
    for n in 0..recent::RECENT_MAX + 5 {
        alerts.push(HeartbeatAlert {
            alert_type: HeartbeatAlertType::ServiceDown,
            service_id: n.to_string(),
            service_name: String::new(),
            missed_beats: 2,
            last_seen: None,
            action: HeartbeatAction::MarkedDown,
            ts: Timestamp::from_unix_ms(0),
        });
    }
    let all = alerts.all();
    assert_eq!((all.len(), &*all[0].service_id), (recent::RECENT_MAX, "5"));
}
