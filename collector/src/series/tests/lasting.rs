//! What the keeper survives: hosts that return late, and clocks that are not right.

use super::*;

impl World {
    /// The wall clock alone goes on.
    fn jump(&mut self, seconds: i64) {
        let Moment { now, at } = self.clock.moment();
        let at = Timestamp::from_unix_ms(at.unix_ms() + seconds * 1000);
        self.clock.0 = Moment { now, at };
    }

    fn count(&self, select: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.dir.path().join(FILE)).unwrap();
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    }

    fn n_aside(&self) -> usize {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| {
                name.contains(".corrupt-") && !name.ends_with("-wal") && !name.ends_with("-shm")
            })
            .count()
    }

    /// The sum of what a table says of this last time.
    fn n_told(&self, age_s: i64) -> u64 {
        self.table(age_s, Some(10)).rows.iter().map(|row| of(row).1.0).sum()
    }
}

#[test]
fn a_host_that_returns_when_its_set_expires_is_kept() {
    for absence_s in [85_500, 86_700, 89_100] {
        let mut world = World::new();
        world.sample(50.0);
        world.goes_offline();
        for _ in 0..200 {
            world.clock.pass(10);
            world.tick();
        }
        world.clock.pass(absence_s - 2_000);
        for _ in 0..900 {
            world.sample(50.0);
            world.clock.pass(5);
            world.tick();
        }
        let n_sets = world.count("SELECT count(*) FROM sets");
        assert_eq!((n_sets, world.n_told(1_000)), (1, 200), "{absence_s}");
        let n_open = world.count("SELECT count(*) FROM open_rows");
        assert!(n_open < 100, "they are packed: {n_open}");
    }
}

#[test]
fn rows_of_a_set_that_is_gone_hold_nothing_up() {
    let mut world = World::new();
    world.sample(50.0);
    world.clock.pass(10);
    world.tick();
    let connection = rusqlite::Connection::open(world.dir.path().join(FILE)).unwrap();
    connection.execute("UPDATE sets SET no = no + 1", []).unwrap();
    for _ in 0..100 {
        world.clock.pass(10);
        world.tick();
    }
    assert_eq!(world.count("SELECT count(*) FROM open_rows"), 0);
}

#[test]
fn what_cannot_be_packed_does_not_hold_up_the_budget() {
    let mut world = World::new();
    for _ in 0..200 {
        world.clock.pass(10);
        world.sample(5.0);
        world.tick();
    }
    assert!(world.keeper.n_blocks().0 > 0);
    let connection = rusqlite::Connection::open(world.dir.path().join(FILE)).unwrap();
    let broken =
        "CREATE TRIGGER broken BEFORE INSERT ON fine BEGIN SELECT raise(ABORT, 'broken'); END";
    connection.execute_batch(broken).unwrap();
    let tick = |world: &mut World| {
        world.clock.pass(10);
        world.keeper.tick(&world.registry, Until::Step, world.clock.moment())
    };
    assert!((0..100).any(|_| tick(&mut world).is_err()), "a block is over");
    assert!(world.count("SELECT count(*) FROM fine") > 0);
    world.keeper.set_budget(1);
    tick(&mut world).unwrap_err();
    assert_eq!(world.count("SELECT count(*) FROM fine"), 0);
}

#[test]
fn a_clock_that_was_ahead_costs_nothing_that_was_sampled_before_or_after() {
    let mut world = World::new();
    for _ in 0..12 {
        world.sample(50.0);
        world.clock.pass(5);
        world.tick();
    }
    // So far ahead that the block of ten minutes seems over, and is packed at once or in part.
    for n_ticks in [1, 2, 5] {
        world.jump(900);
        for _ in 0..n_ticks {
            world.tick();
        }
        world.jump(-900);
        for _ in 0..12 {
            world.sample(50.0);
            world.clock.pass(5);
            world.tick();
        }
        world.is_as_told(&world.table(300, Some(10)), 0.11).unwrap();
    }
    for _ in 0..240 {
        world.clock.pass(5);
        world.tick();
    }
    assert!(world.keeper.n_blocks().0 > 0);
    let n_told = u64::try_from(world.told.len()).unwrap();
    assert_eq!(world.n_told(1_490), n_told, "packed once more, each sample once");
}

#[test]
fn what_a_clock_far_ahead_calls_too_old_stays() {
    let mut world = World::new();
    for _ in 0..100 {
        world.clock.pass(10);
        world.sample(5.0);
        world.tick();
    }
    let n_blocks = world.keeper.n_blocks();
    assert!(n_blocks.1 > 0, "{n_blocks:?}");
    for _ in 0..2 {
        world.jump(10 * 86_400);
        for _ in 0..100 {
            world.clock.pass(10);
            world.tick();
        }
        world.jump(-10 * 86_400);
        world.tick();
    }
    assert!(world.keeper.n_blocks().1 >= n_blocks.1, "{:?}", world.keeper.n_blocks());
    world.jump(10 * 86_400);
    for _ in 0..500 {
        world.clock.pass(10);
        world.tick();
    }
    assert_eq!(world.keeper.n_blocks(), (0, 0), "one that stays there is believed");
}

#[test]
fn heartbeats_lose_nothing_of_the_step_in_which_the_collector_was_restarted() {
    let mut world = World::new();
    let from = world.now();
    let n_told = |world: &World| {
        let Beats { kept, recent, since } =
            world.history.beats_now(&world.host(), from, world.now());
        let recent = recent.iter().flat_map(|recent| &recent.marks);
        let n_recent = recent.filter(|mark| mark.at >= since).count();
        kept.iter().map(|kept| usize::from(kept.row.n_samples)).sum::<usize>() + n_recent
    };
    for _ in 0..5 {
        world.sample(50.0);
        world.clock.pass(1);
    }
    assert_eq!(n_told(&world), 5);
    world.keeper.tick(&world.registry, Until::Now, world.clock.moment()).unwrap();
    world.start();
    for n in 0..180 {
        world.sample(50.0);
        assert_eq!(n_told(&world), 6 + n);
        world.clock.pass(1);
        world.tick();
        assert_eq!(n_told(&world), 6 + n);
    }
}

#[test]
fn a_block_of_other_gpus_than_its_set_is_packed_over() {
    let mut world = World::new();
    world.sample(50.0);
    world.clock.pass(10);
    world.tick();
    let connection = rusqlite::Connection::open(world.dir.path().join(FILE)).unwrap();
    let key: i64 = connection.query_row("SELECT key FROM open_rows", [], |row| row.get(0)).unwrap();
    let (step, set) = grid::of_key(key);
    let row = rollup::Rollup {
        n_samples: 1,
        is_degraded: false,
        means: vec![0; n_series(0)],
        peaks: vec![0; rollup::n_peaks(0)],
    };
    let block = block::encode(block::Shape::FINE, 0, &[(5, row)].into());
    let key = grid::key(step.div_euclid(grid::STEPS_OF_BLOCK), set);
    connection.execute("INSERT INTO fine VALUES (?1, ?2)", (key, block)).unwrap();
    for _ in 0..100 {
        world.clock.pass(10);
        world.tick();
    }
    assert_eq!((world.n_told(1_400), world.keeper.n_blocks()), (1, (1, 1)));
}

#[test]
fn what_is_no_history_any_more_is_moved_aside() {
    for damage in [
        "DROP TABLE coarse",
        "DROP TABLE sets",
        "DROP TABLE meta",
        "UPDATE sets SET gpus = '[\"GPU'",
        "UPDATE sets SET gpus = x'00'",
    ] {
        let mut world = World::new();
        world.sample(50.0);
        world.clock.pass(10);
        world.tick();
        let connection = rusqlite::Connection::open(world.dir.path().join(FILE)).unwrap();
        connection.execute_batch(damage).unwrap();
        drop(connection);
        world.start();
        world.sample(50.0);
        world.clock.pass(10);
        world.tick();
        assert_eq!((world.n_told(1_000), world.n_aside()), (1, 1), "{damage}");
    }
}
