//! A simulated GPU: it warms up and cools down with what it works, is held back when it is too hot,
//! and may fall off the bus.

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::detail::GpuDetail;
use herdbook_shared::wire::sample::{GpuProcess, GpuSample};

use super::hardware::Card;

/// The air that comes in.
const AIR_CELSIUS: f64 = 27.0;
/// The air that goes round and round where a fan stands still.
const STALE_AIR_CELSIUS: f64 = 96.0;
/// From here on the clocks are held back.
const THROTTLE_CELSIUS: f64 = 87.0;
/// How much of the way to its final temperature a GPU goes in a second.
const WARMING_PER_S: f64 = 0.045;
/// How much of the way to what is asked of it its utilisation goes in a second.
const RISING_PER_S: f64 = 0.55;

/// What a lost GPU does not tell.
const FIELDS: [&str; 9] = [
    "utilization_percent",
    "memory_used_bytes",
    "power_watts",
    "sm_clock_mhz",
    "temperature_celsius",
    "fan_percent",
    "throttle_reasons",
    "processes",
    "detail",
];

/// See the module's words.
#[derive(Clone, Debug)]
pub(super) struct DemoGpu {
    pub(super) id: String,
    card: &'static Card,
    random: fastrand::Rng,
    utilization: f64,
    celsius: f64,
    watts: f64,
    /// Until which second it is as it is.
    hot_until_s: u64,
    lost_until_s: u64,
    now_s: u64,
    n_corrected: u64,
}

impl DemoGpu {
    pub(super) fn new(id: String, card: &'static Card, random: fastrand::Rng) -> Self {
        Self {
            id,
            card,
            random,
            utilization: 0.0,
            celsius: AIR_CELSIUS + 8.0,
            watts: card.idle_watts,
            hot_until_s: 0,
            lost_until_s: 0,
            now_s: 0,
            n_corrected: 0,
        }
    }

    /// Nothing cools it until then.
    pub(super) fn overheat(&mut self, until_s: u64) {
        self.hot_until_s = until_s;
    }

    /// It is not there until then.
    pub(super) fn lose(&mut self, until_s: u64) {
        self.lost_until_s = until_s;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.now_s < self.lost_until_s
    }

    fn is_hot(&self) -> bool {
        self.now_s < self.hot_until_s
    }

    /// One second, in which so much is asked of it, 0 to 1.
    pub(super) fn step(&mut self, now_s: u64, asked: f64) {
        self.now_s = now_s;
        let noise = (self.random.f64() - 0.5) * 0.12 * f64::from(u8::from(asked > 0.0));
        let asked = if self.is_hot() { asked.max(0.9) } else { asked };
        let goal = (asked + noise).clamp(0.0, 1.0);
        self.utilization += (goal - self.utilization) * RISING_PER_S;
        let held_back = if self.is_throttled() { 0.78 } else { 1.0 };
        let Card { limit_watts, idle_watts, celsius_per_watt, .. } = *self.card;
        let drawn = (limit_watts - idle_watts) * self.utilization.powf(0.85) * held_back;
        self.watts = (idle_watts + drawn * (0.94 + self.random.f64() * 0.05)).min(limit_watts);
        let cooled = AIR_CELSIUS + self.watts * celsius_per_watt;
        let goal = if self.is_hot() { STALE_AIR_CELSIUS } else { cooled };
        self.celsius += (goal - self.celsius) * WARMING_PER_S;
        if self.card.is_datacentre && self.random.u32(0..200_000) == 0 {
            self.n_corrected += 1;
        }
    }

    fn is_throttled(&self) -> bool {
        self.celsius >= THROTTLE_CELSIUS
    }

    /// What it tells: it holds what its processes hold, and what the driver itself takes.
    pub(super) fn sample(&self, processes: Vec<GpuProcess>, slow: bool) -> GpuSample {
        if self.is_lost() {
            let lost = |field: &str| (field.to_owned(), MissingReason::Lost);
            let missing = FIELDS.map(lost).into();
            return GpuSample { id: self.id.clone(), missing, ..GpuSample::default() };
        }
        let held: u64 = processes.iter().filter_map(|process| process.memory_bytes).sum();
        let is_datacentre = self.card.is_datacentre;
        let mut missing = Missing::new();
        if slow && is_datacentre {
            missing.insert("fan_percent".to_owned(), MissingReason::NotSupported);
        }
        GpuSample {
            id: self.id.clone(),
            utilization_percent: Some((self.utilization * 100.0).round()),
            memory_used_bytes: Some(self.card.reserved_bytes + held),
            temperature_celsius: slow.then(|| self.celsius.round()),
            power_watts: Some(rounded(self.watts)),
            sm_clock_mhz: Some(self.clock_mhz()),
            fan_percent: (slow && !is_datacentre).then(|| self.fan_percent()),
            throttle_reasons: slow.then(|| self.throttle_reasons()),
            processes: slow.then_some(processes),
            detail: slow.then(|| Box::new(self.detail())),
            missing,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a clock between two that a card has"
    )]
    fn clock_mhz(&self) -> u32 {
        let (full, rest) = self.card.clock_mhz;
        if self.utilization < 0.02 {
            return rest;
        }
        let held_back = if self.is_throttled() { 0.68 } else { 1.0 };
        (f64::from(full) * held_back * (0.96 + 0.04 * self.utilization) / 15.0) as u32 * 15
    }

    /// At rest the fans of a desktop's card stand still.
    fn fan_percent(&self) -> f64 {
        if self.is_hot() || self.celsius < 50.0 {
            return 0.0;
        }
        (30.0 + (self.celsius - 50.0) * 1.9).min(100.0).round()
    }

    fn throttle_reasons(&self) -> Vec<String> {
        let is_capped = self.watts > self.card.limit_watts * 0.965;
        let reasons = [("power_cap", is_capped), ("thermal", self.is_throttled())];
        reasons.into_iter().filter(|(_, holds)| *holds).map(|(word, _)| word.to_owned()).collect()
    }

    fn detail(&self) -> GpuDetail {
        let Card { is_datacentre, pcie_generation, memory_clock_mhz, .. } = *self.card;
        let is_idle = self.utilization < 0.02;
        let mut missing = Missing::new();
        if !is_datacentre {
            let fields =
                ["memory_temperature_celsius", "ecc_corrected_errors", "ecc_uncorrected_errors"];
            let unsupported = |field: &str| (field.to_owned(), MissingReason::NotSupported);
            missing.extend(fields.map(unsupported));
        }
        GpuDetail {
            memory_utilization_percent: Some((self.utilization * 62.0).round()),
            memory_clock_mhz: Some(if is_idle && !is_datacentre { 405 } else { memory_clock_mhz }),
            memory_temperature_celsius: is_datacentre.then(|| (self.celsius + 7.0).round()),
            // A desktop's card lowers its link at rest.
            pcie_generation: Some(if is_idle && !is_datacentre { 1 } else { pcie_generation }),
            pcie_width: Some(16),
            pcie_replays: Some(0),
            ecc_corrected_errors: is_datacentre.then_some(self.n_corrected),
            ecc_uncorrected_errors: is_datacentre.then_some(0),
            mig: Vec::new(),
            missing,
        }
    }
}

/// Two decimals, as an agent sends.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::super::hardware::{A100, H200, RTX4090};
    use super::*;

    fn after(seconds: u64, asked: f64, gpu: &mut DemoGpu) -> GpuSample {
        for _ in 0..seconds {
            gpu.step(gpu.now_s + 1, asked);
        }
        gpu.sample(Vec::new(), true)
    }

    fn of(card: &'static Card) -> DemoGpu {
        DemoGpu::new("GPU-1".to_owned(), card, fastrand::Rng::with_seed(7))
    }

    #[test]
    fn work_warms_a_gpu_slowly_and_never_so_far_that_it_is_hot() {
        for card in [&H200, &A100, &RTX4090] {
            let mut gpu = of(card);
            let soon = after(5, 1.0, &mut gpu).temperature_celsius.unwrap();
            let later = after(200, 1.0, &mut gpu).temperature_celsius.unwrap();
            assert!(later - soon > 15.0 && later < 80.0, "{soon} then {later}");
            assert!(gpu.watts <= card.limit_watts);
            let cool = after(200, 0.0, &mut gpu).temperature_celsius.unwrap();
            assert!(cool < 40.0, "{cool}");
        }
    }

    #[test]
    fn without_air_it_gets_hotter_than_the_alert_within_a_minute_and_is_held_back() {
        for card in [&H200, &A100, &RTX4090] {
            let mut gpu = of(card);
            after(60, 0.5, &mut gpu);
            gpu.overheat(gpu.now_s + 180);
            let hot = after(70, 0.5, &mut gpu);
            assert!(hot.temperature_celsius.unwrap() >= 91.0, "{hot:?}");
            assert!(hot.throttle_reasons.unwrap().contains(&"thermal".to_owned()));
            assert!(hot.sm_clock_mhz.unwrap() < card.clock_mhz.0 * 3 / 4);
            let cool = after(200, 0.5, &mut gpu);
            assert!(cool.temperature_celsius.unwrap() < 85.0, "{cool:?}");
        }
    }

    #[test]
    fn a_lost_gpu_tells_nothing_and_why_and_comes_back() {
        let mut gpu = of(&H200);
        after(10, 0.5, &mut gpu);
        gpu.lose(gpu.now_s + 10);
        let lost = gpu.sample(Vec::new(), true);
        assert_eq!(lost.missing.len(), FIELDS.len());
        assert_eq!(
            lost,
            GpuSample {
                id: lost.id.clone(),
                missing: lost.missing.clone(),
                ..GpuSample::default()
            }
        );
        assert!(after(11, 0.5, &mut gpu).utilization_percent.is_some());
    }
}
