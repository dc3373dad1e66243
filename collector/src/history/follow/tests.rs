//! What the follower makes of changes, on a clock that is pushed on by hand.

use herdbook_shared::ids::InstanceId;
use herdbook_shared::wire::inventory::{Service, ServiceState};

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::arrive::Opened;
use crate::registry::check::beat::Beat;
use crate::registry::ledger::RING_CHANGES_MIN;
use crate::registry::node::HostEdit;
use crate::registry::service::Source;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;

use super::*;

const DAY: Duration = Duration::from_hours(24);

struct World {
    registry: Registry,
    clock: Clock,
    follower: Follower,
}

impl World {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let follower = Follower::new(&registry.snapshot(clock.moment()), DAY);
        Self { registry, clock, follower }
    }

    fn connect(&self, n: u8) -> Opened {
        let opened = connect(&self.registry, n, self.clock.moment());
        self.registry.take_sample(&opened, sample(), self.clock.moment());
        opened
    }

    fn close(&self, opened: &Opened, reason: CloseReason) {
        let (id, session) = (&opened.host_id, &opened.session.id);
        self.registry.close_session(id, session, reason, self.clock.moment());
    }

    fn serve(&self, opened: &Opened, state: ServiceState) {
        let report = Service { state, ..service("127.0.0.1", 11434, Vec::new()) };
        self.registry.take_inventory(opened, vec![report], self.clock.moment());
    }

    fn follow(&mut self) -> Vec<Entry> {
        let changes = self.registry.changes_since(self.follower.seq, usize::MAX).unwrap();
        self.follower.take(&changes)
    }

    /// Changes of status since, as `from>to cause`.
    fn turns(&mut self) -> Vec<String> {
        in_words(&self.follow())
    }
}

fn in_words(entries: &[Entry]) -> Vec<String> {
    let rows = entries.iter().filter_map(|entry| match entry {
        Entry::Status(_, row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}>{} {} +{}", word(&row.from), word(&row.to), word(&row.cause), row.n_more)
    })
    .collect()
}

#[test]
fn every_change_of_status_is_a_row_with_its_cause_and_nothing_else_is() {
    let mut world = World::new();
    let opened = world.connect(1);
    world.serve(&opened, ServiceState::Idle);
    let edit = HostEdit { notes: Some(Some("a".to_owned())), ..HostEdit::default() };
    let id = opened.host_id.as_str();
    world.registry.patch_host(id, &edit, None, world.clock.moment()).unwrap();
    assert_eq!(world.turns(), [">unknown  +0", "unknown>online  +0", ">healthy  +0"]);
    world.serve(&opened, ServiceState::Busy);
    assert_eq!(world.turns(), [""; 0]);
    world.serve(&opened, ServiceState::Hung);
    let turns = world.turns();
    assert!(turns.contains(&"healthy>unhealthy  +0".to_owned()), "{turns:?}");
    assert!(turns.iter().any(|turn| turn.starts_with("online>degraded ")), "{turns:?}");
    world.close(&opened, CloseReason::Shutdown);
    let said = "degraded>offline the agent said goodbye: shutdown +0";
    assert_eq!(world.turns(), [said, "unhealthy>unknown host offline +0"]);
}

#[test]
fn draining_is_a_status_as_it_is_shown() {
    let mut world = World::new();
    let opened = world.connect(1);
    world.serve(&opened, ServiceState::Idle);
    world.follow();
    for drain in [true, false] {
        let edit = HostEdit { drain: Some(Some(drain)), ..HostEdit::default() };
        world.registry.patch_hosts(
            std::slice::from_ref(&opened.host_id),
            &edit,
            world.clock.moment(),
        );
    }
    let turns =
        ["healthy>draining its host drains +0", "draining>healthy its host no longer drains +0"];
    assert_eq!(world.turns(), turns);
}

#[test]
fn a_session_is_a_row_when_it_opens_and_when_it_ends() {
    let mut world = World::new();
    let opened = world.connect(1);
    opened.session.live.write_latency(7);
    let at = world.clock.moment().at;
    let closed_at = world.clock.pass(5).at;
    world.registry.take_sample(&opened, sample(), world.clock.moment());
    world.close(&opened, CloseReason::Lost);
    let rows: Vec<_> = world
        .follow()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Session(row) => Some(row),
            _ => None,
        })
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].opened_at, rows[0].closed_at), (at, None));
    let ended = &rows[1];
    assert_eq!((&ended.id, ended.closed_at), (&rows[0].id, Some(closed_at)));
    assert_eq!(ended.close_reason.as_deref(), Some("lost"));
    assert_eq!((ended.samples, ended.latency_ms), (Some(2), Some(7)));
    assert_eq!(ended.host_id, opened.host_id.as_str());
    assert_eq!((&*ended.transport, &*ended.agent_version), ("websocket", "0.1.0"));
    assert_eq!(ended.local_address.as_deref(), Some("127.0.0.1"));
}

#[test]
fn who_flaps_gets_so_many_rows_a_minute_and_one_for_the_rest() {
    let mut world = World::new();
    let opened = world.connect(1);
    world.serve(&opened, ServiceState::Idle);
    world.follow();
    // To the start of a minute.
    world.clock.pass(20);
    let n_turns = usize::from(ROWS_A_MINUTE) + 5;
    for n in 0..n_turns {
        let is_down = n % 2 == 0;
        let state = if is_down { ServiceState::Down } else { ServiceState::Idle };
        world.serve(&opened, state);
        world.clock.pass(1);
    }
    assert_eq!(world.turns().len(), usize::from(ROWS_A_MINUTE));
    // The minute is not over: what happened stands in one row that waits.
    let at = world.clock.moment().at;
    assert_eq!(world.follower.release(at), []);
    let next = world.clock.pass(60).at;
    let rest = in_words(&world.follower.release(next));
    assert_eq!(rest, ["healthy>down  +4"]);
    assert_eq!(world.follower.release(next), []);
    // The next minute has rows of its own.
    world.serve(&opened, ServiceState::Idle);
    assert_eq!(world.turns(), ["down>healthy  +0"]);
}

#[test]
fn the_row_for_the_rest_comes_before_what_happens_next() {
    let mut world = World::new();
    let opened = world.connect(1);
    for _ in 0..=ROWS_A_MINUTE {
        world.serve(&opened, ServiceState::Idle);
        world.serve(&opened, ServiceState::Down);
    }
    world.follow();
    world.clock.pass(61);
    world.serve(&opened, ServiceState::Idle);
    let turns = world.turns();
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(turns[0].ends_with(">down  +21") && turns[1] == "down>healthy  +0", "{turns:?}");
    assert_eq!(world.follower.release_all(), []);
}

#[test]
fn after_a_lag_it_goes_on_from_a_snapshot_and_says_so() {
    let mut world = World::new();
    let (stays, goes) = (world.connect(1), world.connect(2));
    world.serve(&stays, ServiceState::Idle);
    world.follow();
    world.close(&goes, CloseReason::Shutdown);
    let gone = goes.host_id.as_str();
    world.registry.remove_host(gone, None, world.clock.moment()).unwrap();
    world.serve(&stays, ServiceState::Down);
    for n in 0..RING_CHANGES_MIN {
        let notes = Some(Some(n.to_string()));
        let edit = HostEdit { notes, ..HostEdit::default() };
        world.registry.patch_hosts(
            std::slice::from_ref(&stays.host_id),
            &edit,
            world.clock.moment(),
        );
    }
    let seq = world.follower.seq();
    assert!(world.registry.changes_since(seq, 1).is_err(), "it does not lag");
    let entries = world.follower.resume(&world.registry.snapshot(world.clock.moment()));
    let n_missed = world.registry.cursor().1 - seq;
    assert!(
        matches!(&entries[0], Entry::Gap(_, cause) if cause.starts_with(&n_missed.to_string()))
    );
    assert_eq!(entries[1], Entry::Forget(Whose::Host(gone.to_owned())));
    assert_eq!(in_words(&entries), ["healthy>down seen after changes were missed +0"]);
    assert_eq!(entries.len(), 3);
    // And from there as before.
    world.serve(&stays, ServiceState::Idle);
    assert_eq!(world.turns(), ["down>healthy  +0"]);
}

#[test]
fn who_is_removed_is_forgotten_and_of_clones_nothing_is_kept() {
    let mut world = World::new();
    let (first, second) = (InstanceId::random(), InstanceId::random());
    for instance in [first, second] {
        connect_as(&world.registry, 1, instance, world.clock.moment());
    }
    world.follow();
    let clone = connect_as(&world.registry, 1, first, world.clock.moment());
    assert!(clone.host_id.is_clone());
    world.registry.take_sample(&clone, sample(), world.clock.moment());
    world.serve(&clone, ServiceState::Idle);
    world.close(&clone, CloseReason::Lost);
    let id = clone.host_id.as_str();
    world.registry.remove_host(id, None, world.clock.moment()).unwrap();
    assert_eq!(world.follow(), []);

    let opened = world.connect(1);
    world.serve(&opened, ServiceState::Idle);
    world.close(&opened, CloseReason::Lost);
    world.follow();
    let id = opened.host_id.to_string();
    world.registry.remove_host(&id, None, world.clock.moment()).unwrap();
    let gone =
        [Entry::Forget(Whose::Service("gpu-1:11434".to_owned())), Entry::Forget(Whose::Host(id))];
    assert_eq!(world.follow(), gone);
}

#[test]
fn a_service_that_fell_silent_keeps_its_history_while_it_may_come_back() {
    let mut world = World::new();
    let own = declared("bot", "http://10.0.0.9:1");
    let listed = world.registry.upsert_service(Source::Own, own, world.clock.moment()).unwrap();
    let id = listed.entry.id.to_string();
    let beat = |world: &World| {
        world.registry.beat(&id, Beat::default(), world.clock.moment()).unwrap();
    };
    let fall_silent = |world: &mut World| {
        for _ in 0..3 {
            let moment = world.clock.pass(90);
            for verdict in world.registry.look_at_services(moment) {
                world.registry.judge_service(&verdict, moment);
            }
        }
        assert!(world.registry.service(&id).is_none());
    };
    beat(&world);
    world.follow();
    fall_silent(&mut world);
    let silence = world.follow();
    let turns = in_words(&silence);
    assert_eq!(turns.len(), silence.len(), "nothing is forgotten: {silence:?}");
    assert!(turns.last().unwrap().starts_with("down>deregistered "), "{turns:?}");
    beat(&world);
    let turns = world.turns();
    assert!(turns[0].starts_with("deregistered>"), "{turns:?}");

    fall_silent(&mut world);
    world.follow();
    let (before, after) = (world.clock.pass(24 * 3600 - 1).at, world.clock.pass(1).at);
    assert_eq!(world.follower.release(before), []);
    assert_eq!(world.follower.release(after), [Entry::Forget(Whose::Service(id))]);
    assert!(world.follower.departed.is_empty() && world.follower.known.is_empty());
}
