//! Hosts that work and are never still, for measuring: loads that wander and jump, noise on every
//! meter.

use crate::registry::recent::code;

use super::block::Rows;
use super::rollup::Rollup;

/// How each series of a host moves, and then of a GPU: its level, its noise from sample to sample
/// as a share of the level, and how far a peak is above its mean.
const OF_HOST: [(f64, f64, f64); code::HOST_SERIES] = [
    (35.0, 0.12, 0.4),
    (12.0, 0.08, 0.0),
    (180e9, 0.01, 0.01),
    (2e9, 0.0, 0.0),
    (40e6, 0.5, 0.8),
    (90e6, 0.5, 0.8),
    (900e9, 0.0002, 0.0),
    (0.4, 0.6, 0.9),
    (3.0, 0.3, 1.0),
];
const OF_GPU: [(f64, f64, f64); code::GPU_SERIES] = [
    (70.0, 0.12, 0.3),
    (60e9, 0.004, 0.01),
    (66.0, 0.012, 0.02),
    (480.0, 0.07, 0.15),
    (1755.0, 0.01, 0.0),
];

/// An hour of one-minute rows.
#[must_use]
pub fn hour(seed: u64, n_gpus: usize) -> Rows {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut load = random.f64();
    let mut rows = Rows::new();
    for minute in 0..60 {
        load = if random.u8(..) < 10 { random.f64() } else { load + (random.f64() - 0.5) * 0.1 };
        load = load.clamp(0.02, 1.0);
        rows.insert(minute, row(&mut random, load, n_gpus));
    }
    rows
}

fn row(random: &mut fastrand::Rng, load: f64, n_gpus: usize) -> Rollup {
    let (mut means, mut peaks) = (Vec::new(), Vec::new());
    let moves = OF_HOST.into_iter().chain(std::iter::repeat_n(OF_GPU, n_gpus).flatten());
    for (series, (level, noise, above)) in code::all(n_gpus).zip(moves) {
        // Memory and disks hardly follow the load.
        let follows = if level > 1e9 { 0.98 + 0.02 * load } else { load };
        let mean = level * follows * (1.0 + noise * (random.f64() + random.f64() - 1.0));
        means.push(series.code(mean));
        if series.has_peak {
            peaks.push(series.code(mean * (1.0 + above * random.f64())));
        }
    }
    Rollup { n_samples: 60 - u16::from(random.u8(..) < 20), is_degraded: false, means, peaks }
}
