//! Memory and disk together say what a naive list of all samples says, whatever happens between.

use std::collections::BTreeMap;

use herdbook_shared::wire::sample::Sample;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::arrive::Opened;
use crate::registry::host::HostStatus;
use crate::registry::mark::Verdict;
use crate::registry::moment::Moment;
use crate::registry::testing::{connect, gpu_sample};

use super::table::Cell;
use super::*;

mod lasting;

/// Steps of 10 s, blocks of 10 min.
fn rules() -> HistoryRules {
    HistoryRules {
        recent: Duration::from_secs(120),
        step: Duration::from_secs(10),
        fine: Duration::from_secs(1_500),
        coarse: Duration::from_hours(24),
        disk_mib: 16,
    }
}

/// A clock that tests push on. It began an hour ago, so that a recorder, which asks the real one,
/// finds nothing too old.
#[derive(Clone, Copy, Debug)]
struct Clock(Moment);

impl Clock {
    fn new() -> Self {
        let Moment { now, at } = Moment::now();
        let ms = (at.unix_ms() - 3_600_000).div_euclid(600_000) * 600_000;
        Self(Moment { now, at: Timestamp::from_unix_ms(ms) })
    }

    fn pass(&mut self, seconds: u64) {
        let Moment { now, at } = self.0;
        let ms = i64::try_from(seconds).unwrap() * 1000;
        self.0 = Moment {
            now: now + Duration::from_secs(seconds),
            at: Timestamp::from_unix_ms(at.unix_ms() + ms),
        };
    }

    fn moment(&self) -> Moment {
        self.0
    }
}

struct World {
    registry: Arc<Registry>,
    clock: Clock,
    opened: Opened,
    history: SampleHistory,
    keeper: Keeper,
    dir: TempDir,
    /// What was sampled: when, ms, and how much of its processors the host used.
    told: Vec<(i64, f64)>,
}

impl World {
    fn new() -> Self {
        let (clock, dir) = (Clock::new(), tempfile::tempdir().unwrap());
        let (registry, opened) = registry(clock);
        let (history, keeper) = SampleHistory::of_dir(dir.path(), &rules());
        Self { registry, clock, opened, history, keeper, dir, told: Vec::new() }
    }

    fn host(&self) -> Arc<HostEntry> {
        self.registry.host(self.opened.host_id.as_str()).unwrap()
    }

    fn now(&self) -> Timestamp {
        self.clock.moment().at
    }

    fn sample(&mut self, cpu_percent: f64) {
        let gpus = vec![gpu_sample("GPU-0")];
        let sample =
            Sample { cpu_percent: Some(cpu_percent), gpus: Some(gpus), ..Sample::default() };
        self.registry.take_sample(&self.opened, sample, self.clock.moment());
        self.told.push((self.now().unix_ms(), cpu_percent));
    }

    fn tick(&mut self) {
        self.keeper.tick(&self.registry, Until::Step, self.clock.moment()).unwrap();
    }

    fn goes_offline(&mut self) {
        let host = self.host();
        let verdict = Verdict::Status(HostStatus::Offline, "no sample".to_owned());
        self.registry.judge(&host, host.live.heard_ms(), &verdict, self.clock.moment());
    }

    /// The collector is killed, and started anew: what was not written is lost.
    fn crash(&mut self) {
        let recent = self.host().live.recent().samples(None);
        if let Some(recent) = recent {
            self.told.retain(|(at, _)| *at < recent.kept_until.unix_ms());
        }
        self.start();
    }

    fn start(&mut self) {
        (self.registry, self.opened) = registry(self.clock);
        (self.history, self.keeper) = SampleHistory::of_dir(self.dir.path(), &rules());
        self.tick();
    }

    fn table(&self, age_s: i64, step_s: Option<u32>) -> SamplesTable {
        let (now, ms) = (self.now(), age_s * 1000);
        // Now belongs to it.
        let to = Timestamp::from_unix_ms(now.unix_ms() + 1);
        let from = Timestamp::from_unix_ms(now.unix_ms() - ms);
        self.history.samples_now(&self.host(), Wanted { from, to, step_s }, now)
    }

    /// What a table says of the processors, and what the list of all samples says.
    fn is_as_told(&self, table: &SamplesTable, off_by: f64) -> Result<(), TestCaseError> {
        let of_table: BTreeMap<i64, (u64, f64, f64)> =
            table.rows.iter().map(|row| of(row)).collect();
        let mut of_list: BTreeMap<i64, (u64, f64, f64)> = BTreeMap::new();
        for (at, cpu) in self.told.iter().filter(|(at, _)| *at >= table.from.unix_ms()) {
            let step_ms = table.step_s * 1000;
            let step = of_list.entry(at.div_euclid(step_ms) * step_ms).or_default();
            *step = (step.0 + 1, step.1 + cpu, step.2.max(*cpu));
        }
        let n_of = |steps: &BTreeMap<i64, (u64, f64, f64)>| {
            steps.iter().map(|(at, (n, ..))| (*at, *n)).collect::<Vec<_>>()
        };
        prop_assert_eq!(n_of(&of_table), n_of(&of_list), "each sample once, and gaps are gaps");
        for ((_, (n, sum, peak)), (_, (_, mean, peak_told))) in of_list.iter().zip(&of_table) {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let mean_of_list = sum / *n as f64;
            prop_assert!((mean - mean_of_list).abs() <= off_by, "{} {}", mean, mean_of_list);
            prop_assert!((peak - peak_told).abs() <= off_by, "{} {}", peak, peak_told);
        }
        Ok(())
    }
}

fn registry(clock: Clock) -> (Arc<Registry>, Opened) {
    let registry = Registry::new(Liveness::default()).with_recent(rules().recent);
    let opened = connect(&registry, 1, clock.moment());
    (Arc::new(registry), opened)
}

/// When, how many, and mean and peak of the processors.
fn of(row: &[Cell]) -> (i64, (u64, f64, f64)) {
    match row {
        [Cell::At(at), Cell::Whole(n), Cell::Number(mean), Cell::Number(peak), ..] => {
            (at.unix_ms(), (*n, *mean, *peak))
        }
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug)]
enum Event {
    Sample(f64),
    Ticks,
    Offline,
    Crash,
    Stop,
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        40 => (0..1000_u32).prop_map(|cpu| Event::Sample(f64::from(cpu) / 10.0)),
        12 => Just(Event::Ticks),
        1 => Just(Event::Offline),
        1 => Just(Event::Crash),
        1 => Just(Event::Stop),
    ];
    prop::collection::vec((1..18_u64, event), 20..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn memory_and_disk_say_what_a_naive_list_says(events in events()) {
        let mut world = World::new();
        world.tick();
        let mut since_tick = 0;
        for (seconds, event) in events {
            world.clock.pass(seconds);
            since_tick += seconds;
            match event {
                Event::Sample(cpu) => world.sample(cpu),
                Event::Ticks => (world.tick(), since_tick = 0).0,
                Event::Offline => world.goes_offline(),
                Event::Crash => world.crash(),
                Event::Stop => {
                    let moment = world.clock.moment();
                    world.keeper.tick(&world.registry, Until::Now, moment).unwrap();
                    world.start();
                }
            }
            // What memory no longer holds must have been written.
            if since_tick > 80 {
                world.tick();
                since_tick = 0;
            }
        }
        let fine = world.table(1_000, None);
        prop_assert_eq!(fine.step_s, 10);
        world.is_as_told(&fine, 0.11)?;
        world.is_as_told(&world.table(1_000, Some(45)), 0.11)?;
        world.is_as_told(&world.table(86_000, Some(300)), 0.52)?;
    }
}

#[test]
fn the_last_minutes_are_told_as_they_came_and_a_restart_shows_the_steps_before() {
    let mut world = World::new();
    for second in 0..100 {
        world.clock.pass(1);
        world.sample(f64::from(second));
        world.tick();
    }
    let table = world.table(50, None);
    assert_eq!((table.step_s, table.rows.len(), table.complete), (1, 51, true));
    let (at, (n, mean, peak)) = of(table.rows.last().unwrap());
    assert_eq!((at, n, mean, peak), (world.now().unix_ms(), 1, 99.0, 99.0));
    assert_eq!(world.table(110, None).rows.len(), 100, "nothing was before");

    world.crash();
    world.clock.pass(1);
    world.sample(7.0);
    let table = world.table(100, None);
    assert_eq!(table.step_s, 10, "in memory alone there is one row");
    assert!(table.rows.len() >= 9, "{table:?}");
    world.is_as_told(&table, 0.11).unwrap();
}

#[test]
fn columns_have_names_units_and_reasons() {
    let mut world = World::new();
    world.sample(1.0);
    let table = world.table(100, None);
    assert_eq!(table.columns[..4], ["at", "n_samples", "cpu_percent", "cpu_percent_max"]);
    let gpu = table.columns.iter().position(|name| name == "gpus.GPU-0.utilization_percent");
    assert_eq!(table.rows[0][gpu.unwrap()], Cell::Number(50.0));
    assert!(table.missing.contains_key("gpus.GPU-0.power_watts"), "{:?}", table.missing);
    assert!(!table.missing.contains_key("cpu_percent"));
    assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
    let text = serde_json::to_value(&table).unwrap();
    assert!(text["rows"][0][0].is_string() && text["rows"][0][4].is_null(), "{text}");
}

#[test]
fn who_goes_offline_frees_its_memory_and_keeps_its_history() {
    let mut world = World::new();
    for _ in 0..15 {
        world.clock.pass(1);
        world.sample(3.0);
    }
    world.goes_offline();
    assert!(world.host().live.recent().samples(None).is_some(), "not before it is kept");
    world.tick();
    assert!(world.host().live.recent().samples(None).is_none());
    let table = world.table(60, None);
    world.is_as_told(&table, 0.11).unwrap();
    assert_eq!(table.rows.iter().map(|row| of(row).1.0).sum::<u64>(), 15);
}

#[test]
fn a_full_disk_is_waited_out() {
    let mut world = World::new();
    world.tick();
    for second in 0..60 {
        world.clock.pass(1);
        world.sample(f64::from(second));
    }
    world.keeper.fill_disk();
    let error = world.keeper.tick(&world.registry, Until::Step, world.clock.moment()).unwrap_err();
    assert!(error.is_disk_full(), "{error:?}");
    world.clock.pass(10);
    world.tick();
    let table = world.table(100, Some(10));
    world.is_as_told(&table, 0.11).unwrap();
}

#[test]
fn a_file_that_readers_found_damaged_begins_anew() {
    let mut world = World::new();
    for _ in 0..60 {
        world.clock.pass(1);
        world.sample(5.0);
    }
    world.tick();
    world.keeper.suspect();
    world.clock.pass(10);
    world.sample(5.0);
    world.clock.pass(10);
    world.tick();
    let names = std::fs::read_dir(world.dir.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    let is_aside = |name: &std::ffi::OsString| name.to_string_lossy().contains(".corrupt-");
    assert!(names.iter().any(is_aside), "{names:?}");
    // An old connection would still see the file that was moved.
    let table = world.table(1_000, None);
    assert!(table.complete);
    let n_samples = table.rows.iter().map(|row| of(row).1.0).sum::<u64>();
    assert_eq!(n_samples, 2, "those that were in no file yet: {table:?}");
}

#[test]
fn without_a_file_memory_is_told_and_that_it_is_not_all() {
    let mut world = World::new();
    std::fs::create_dir(world.dir.path().join(FILE)).unwrap();
    assert!(world.keeper.tick(&world.registry, Until::Step, world.clock.moment()).is_err());
    world.sample(5.0);
    let table = world.table(1_000, None);
    assert_eq!((table.complete, table.rows.len()), (false, 1));
    let table = world.table(100, None);
    assert_eq!((table.complete, table.step_s), (false, 1), "nor whether something was before");
    assert!(world.table(1, None).complete, "memory has all of it");
}

#[test]
fn the_oldest_goes_where_there_is_no_room_and_when_it_is_too_old() {
    let mut world = World::new();
    for _ in 0..400 {
        world.clock.pass(10);
        world.sample(5.0);
        world.tick();
    }
    let n_before = world.keeper.n_blocks();
    assert!(n_before.0 < 5, "fine blocks of 1,500 s: {n_before:?}");
    assert!(n_before.1 >= 5, "coarse blocks of 4,000 s: {n_before:?}");
    world.keeper.set_budget(1);
    world.clock.pass(10);
    world.tick();
    assert_eq!(world.keeper.n_blocks(), (0, 0), "all of it is too much for one byte");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_removed_takes_its_history_with_it() {
    let mut world = World::new();
    for _ in 0..360 {
        world.clock.pass(10);
        world.sample(5.0);
        world.tick();
    }
    assert!(world.table(1_000, None).rows.len() >= 100);
    let host = world.host();
    let (sender, state) = tokio::sync::watch::channel(HistoryState::Ok);
    let (_, keeper) = SampleHistory::of_dir(world.dir.path(), &rules());
    let keeper = std::mem::replace(&mut world.keeper, keeper);
    let recorder = Recorder::new(Arc::clone(&world.registry), keeper, sender);
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(recorder.run(stop.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.registry.forget_host(1, world.clock.moment());
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.cancel();
    tasks.join_all().await;
    assert_eq!(*state.borrow(), HistoryState::Ok);
    let kept = world.history.beats_now(&host, Timestamp::from_unix_ms(0), world.now()).kept;
    assert_eq!(kept.len(), 0);
    world.tick();
    assert_eq!(world.keeper.n_blocks(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_last_samples_are_written_at_the_end() {
    let mut world = World::new();
    world.clock.pass(3_600);
    world.sample(5.0);
    let (sender, _state) = tokio::sync::watch::channel(HistoryState::Ok);
    let (_, keeper) = SampleHistory::of_dir(world.dir.path(), &rules());
    let keeper = std::mem::replace(&mut world.keeper, keeper);
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    Recorder::new(Arc::clone(&world.registry), keeper, sender).run(stop).await;
    world.start();
    assert_eq!(world.table(100, None).rows.len(), 1);
}
