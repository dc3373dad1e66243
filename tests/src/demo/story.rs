//! What happens to the fleet, and when: an opening in which something of everything is seen within
//! two minutes, then more of it at a calm pace, for ever. All of it follows from a seed.

use super::models::{
    BGE_M3, GEMMA3_4B, GPT_OSS_20B, LLAMA31_8B, PHI4_14B, Published, QWEN3_32B, QWEN25_CODER_7B,
};
use super::roster::Slot;

/// What happens to one host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// A model that was cold is asked for.
    Load,
    /// A model is unloaded by hand.
    Unload,
    /// A GPU gets no air for so long.
    Overheat { for_s: u64 },
    /// A GPU falls off the bus for so long.
    LoseGpu { for_s: u64 },
    /// The agent stands still, its connection open.
    Freeze { for_s: u64 },
    /// The connection is cut.
    Cut { for_s: u64 },
    /// The host goes down on purpose, and is booted again unless it stays down.
    Reboot { for_s: u64 },
    /// A new version of the agent takes over.
    Upgrade,
    /// Its first model server ends, and is started again.
    StopServer { for_s: u64 },
    /// A model is pulled, in this edition, wherever it lies already, or anew.
    Pull { model: &'static Published, edition: u32 },
    /// A model is removed.
    Remove { model: &'static Published },
}

/// What happens to which host, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Happening {
    /// Seconds of the fleet's own time.
    pub(super) at_s: u64,
    /// Its place in the roster.
    pub(super) host: usize,
    pub(super) what: What,
}

/// For ever, as far as anybody looks.
pub(super) const FOR_EVER_S: u64 = 1 << 40;

/// Time between two happenings of a mix of 24 hosts, seconds.
const PACE_S: f64 = 40.0;
/// How many hosts that pace is for.
const PACE_HOSTS: f64 = 24.0;
/// How long it takes until all hosts have a new edition, about, seconds.
const ROLL_OUT_S: u64 = 400;
/// For how long a host is left alone after something happened to it, seconds.
const REST_S: u64 = 60;
/// What is published anew, one after the other.
const PUBLISHED: [&Published; 3] = [QWEN3_32B, LLAMA31_8B, GPT_OSS_20B];
/// What comes and goes.
const EXTRAS: [&Published; 4] = [PHI4_14B, GEMMA3_4B, QWEN25_CODER_7B, BGE_M3];
/// When the opening is over.
const OPENING_S: u64 = 150;

/// See the module's words; an iterator without end.
#[derive(Debug)]
pub(super) struct Story {
    slots: Vec<Slot>,
    random: fastrand::Rng,
    now_s: f64,
    /// What is settled already, the next one last.
    ahead: Vec<Happening>,
    /// Until when each host is not to be touched.
    rests_until_s: Vec<u64>,
    n_published: u32,
    next_publication_s: f64,
}

impl Story {
    pub(super) fn new(slots: &[Slot], seed: u64) -> Self {
        let mut story = Self {
            slots: slots.to_vec(),
            random: fastrand::Rng::with_seed(seed ^ 0x5707),
            now_s: OPENING_S as f64,
            ahead: Vec::new(),
            rests_until_s: vec![0; slots.len()],
            n_published: 0,
            next_publication_s: 35.0,
        };
        story.open();
        story.publish();
        story.sort();
        story
    }

    /// What holds in a fleet in which nothing happens: one of each trouble, from the start.
    pub(super) fn still(slots: &[Slot]) -> Vec<Happening> {
        let at = |n: usize, what| (n < slots.len()).then_some(Happening { at_s: 1, host: n, what });
        let for_s = FOR_EVER_S;
        [
            at(7, What::LoseGpu { for_s }),
            at(2, What::Overheat { for_s }),
            at(11, What::Reboot { for_s }),
            at(8, What::Pull { model: QWEN3_32B, edition: 1 }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn open(&mut self) {
        let opening = [
            (4, 10, What::Load),
            (5, 2, What::Overheat { for_s: 210 }),
            (9, 5, What::Load),
            (12, 3, What::Freeze { for_s: 150 }),
            (20, 7, What::LoseGpu { for_s: 200 }),
            (26, 13, What::Unload),
            (40, 18, What::Pull { model: PHI4_14B, edition: 0 }),
            (48, 17, What::Upgrade),
            (58, 12, What::Load),
            (66, 19, What::Remove { model: QWEN25_CODER_7B }),
            (75, 16, What::StopServer { for_s: 45 }),
            (88, 21, What::Cut { for_s: 25 }),
            (105, 11, What::Reboot { for_s: 70 }),
            (125, 0, What::Load),
        ];
        let n_hosts = self.slots.len();
        for (at_s, host, what) in opening.into_iter().filter(|(_, host, _)| *host < n_hosts) {
            self.rests_until_s[host] = at_s + REST_S + what.lasts_s();
            self.ahead.push(Happening { at_s, host, what });
        }
    }

    /// A model is published anew: one host pulls it, and the others follow one by one.
    fn publish(&mut self) {
        let turn = self.n_published as usize;
        let (model, edition) = (PUBLISHED[turn % 3], 1 + self.n_published / 3);
        let has = self.slots.iter().filter(|slot| slot.has(model));
        let mut hosts: Vec<usize> = has.map(|slot| slot.index).collect();
        self.random.shuffle(&mut hosts);
        // Who tries first what others use later.
        hosts.sort_by_key(|host| self.slots[*host].profile.role != "canary");
        let from_s = self.next_publication_s;
        let step_s = ROLL_OUT_S as f64 / hosts.len().max(1) as f64;
        for (turn, host) in hosts.into_iter().enumerate() {
            let at_s = seconds(from_s + step_s * turn as f64 + if turn > 0 { 45.0 } else { 0.0 });
            self.ahead.push(Happening { at_s, host, what: What::Pull { model, edition } });
        }
        self.n_published += 1;
        self.next_publication_s += ROLL_OUT_S as f64 + 420.0 + self.random.f64() * 300.0;
    }

    /// The next one that is not part of the opening, nor of a roll-out.
    fn draw(&mut self) -> Option<Happening> {
        let pace_s = PACE_S * PACE_HOSTS / self.slots.len().max(1) as f64;
        // As far between as rare things are: seldom long, often short.
        self.now_s += (-(1.0 - self.random.f64()).ln() * pace_s).clamp(pace_s / 8.0, pace_s * 4.0);
        let at_s = seconds(self.now_s);
        let what = self.draw_what();
        let host = self.random.usize(0..self.slots.len().max(1));
        let slot = self.slots.get(host)?;
        let can = match what {
            What::LoseGpu { .. } => slot.has_more_gpus_than(1),
            What::Overheat { .. } => slot.has_more_gpus_than(0),
            _ => true,
        };
        if !can || self.rests_until_s[host] > at_s {
            return None;
        }
        self.rests_until_s[host] = at_s + REST_S + what.lasts_s();
        Some(Happening { at_s, host, what })
    }

    fn draw_what(&mut self) -> What {
        let random = &mut self.random;
        let extra = EXTRAS[random.usize(0..EXTRAS.len())];
        match random.u32(0..100) {
            0..8 => What::Freeze { for_s: random.u64(60..110) },
            8..18 => What::Cut { for_s: random.u64(12..40) },
            18..23 => What::Reboot { for_s: random.u64(60..100) },
            23..31 => What::Upgrade,
            31..41 => What::LoseGpu { for_s: random.u64(120..260) },
            41..54 => What::Overheat { for_s: random.u64(180..280) },
            54..62 => What::StopServer { for_s: random.u64(30..80) },
            62..74 => What::Unload,
            74..88 => What::Pull { model: extra, edition: 0 },
            _ => What::Remove { model: extra },
        }
    }

    fn sort(&mut self) {
        self.ahead.sort_by_key(|one| std::cmp::Reverse((one.at_s, one.host)));
    }
}

impl Iterator for Story {
    type Item = Happening;

    fn next(&mut self) -> Option<Happening> {
        if self.slots.is_empty() {
            return None;
        }
        // Everything up to the next draw has to be known before the first of it is told.
        while self.ahead.last().is_none_or(|next| next.at_s as f64 > self.now_s) {
            let drawn = self.draw();
            self.ahead.extend(drawn);
            while self.next_publication_s <= self.now_s {
                self.publish();
            }
            self.sort();
        }
        self.ahead.pop()
    }
}

impl What {
    fn lasts_s(self) -> u64 {
        match self {
            Self::Overheat { for_s }
            | Self::LoseGpu { for_s }
            | Self::Freeze { for_s }
            | Self::Cut { for_s }
            | Self::Reboot { for_s }
            | Self::StopServer { for_s } => for_s,
            _ => 0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time of the fleet, which begins at 0"
)]
fn seconds(at_s: f64) -> u64 {
    at_s as u64
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use super::super::roster::slots;
    use super::*;

    fn until(end_s: u64, n_hosts: usize, seed: u64) -> Vec<Happening> {
        Story::new(&slots(n_hosts), seed).take_while(|one| one.at_s < end_s).collect()
    }

    #[test]
    fn one_seed_tells_one_story_and_another_seed_another() {
        assert_eq!(until(3_600, 24, 7), until(3_600, 24, 7));
        assert_ne!(until(3_600, 24, 7), until(3_600, 24, 8));
    }

    #[test]
    fn everything_has_happened_within_two_minutes() {
        let opening = until(120, 24, 7);
        let model = QWEN3_32B;
        for what in [
            What::Load,
            What::Unload,
            What::Overheat { for_s: 0 },
            What::LoseGpu { for_s: 0 },
            What::Freeze { for_s: 0 },
            What::Cut { for_s: 0 },
            What::Reboot { for_s: 0 },
            What::Upgrade,
            What::StopServer { for_s: 0 },
            What::Pull { model, edition: 1 },
            What::Remove { model },
        ] {
            let is_so = |one: &Happening| discriminant(&one.what) == discriminant(&what);
            assert!(opening.iter().any(is_so), "{what:?} is missing");
        }
    }

    #[test]
    fn it_goes_on_in_order_at_a_calm_pace() {
        for n_hosts in [1, 24, 300] {
            let day = until(20_000, n_hosts, 7);
            assert!(day.is_sorted_by_key(|one| one.at_s), "{n_hosts}");
            let later = day.iter().filter(|one| one.at_s > 2_000).count();
            // Some of it falls on hosts that rest, and roll-outs come on top.
            let n_expected = 18_000.0 / PACE_S * n_hosts as f64 / PACE_HOSTS;
            let share = later as f64 / n_expected;
            assert!((0.3..2.0).contains(&share), "{n_hosts}: {later} of {n_expected}");
        }
    }

    #[test]
    fn a_host_that_is_away_is_left_alone() {
        for seed in 0..20 {
            let mut away_until = [0; 24];
            for one in until(10_000, 24, seed) {
                let is_rollout = matches!(one.what, What::Pull { edition: 1.., .. });
                assert!(is_rollout || away_until[one.host] <= one.at_s, "{seed}: {one:?}");
                away_until[one.host] = away_until[one.host].max(one.at_s + one.what.lasts_s());
            }
        }
    }

    #[test]
    fn few_hosts_are_away_at_any_time_so_that_no_mass_event_is_told() {
        for seed in 0..20 {
            let all = until(10_000, 24, seed);
            let leaves =
                |one: &&Happening| matches!(one.what, What::Freeze { .. } | What::Reboot { .. });
            let gone: Vec<u64> = all.iter().filter(leaves).map(|one| one.at_s).collect();
            let within =
                |at: u64| gone.iter().filter(|other| (at..at + 60).contains(*other)).count();
            assert!(gone.iter().all(|at| within(*at) <= 3), "{seed}: {gone:?}");
        }
    }

    #[test]
    fn a_drift_begins_with_a_canary_and_ends_once_all_have_followed() {
        let pulls: Vec<Happening> = until(1_000, 24, 7)
            .into_iter()
            .filter(
                |one| matches!(one.what, What::Pull { model, edition: 1 } if model == QWEN3_32B),
            )
            .collect();
        let slots = slots(24);
        assert_eq!(slots[pulls[0].host].profile.role, "canary");
        assert_eq!(pulls.len(), slots.iter().filter(|slot| slot.has(QWEN3_32B)).count());
        assert!(pulls[1].at_s - pulls[0].at_s >= 45);
    }
}
