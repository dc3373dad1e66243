//! What the registry costs in this very process: how long look-ups and the sweep take among many
//! entries, and what a service takes in memory, each beside the least that could do the same.
//!
//! Nothing here judges the registry: that is whoever reads the table.

pub mod counting;

mod fill;

mod exposing;
mod graphing;
mod lookups;
mod memory;
mod picking;
mod sweeping;

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum as _;
use tokio::time::Instant;

use crate::swarm::usage::median;

/// One figure, beside the limit that was set for it and the raw limit of the machine.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The figure, in its unit.
    pub value: f64,
    /// ns, ms, bytes.
    pub unit: &'static str,
    /// The least that could do the same, in the same unit.
    pub raw: Option<f64>,
    /// What it may be at most.
    pub at_most: Option<f64>,
}

/// What of it, as the command line calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Look-ups by model, id and other names.
    Lookups,
    /// Picks and leases.
    Pick,
    /// The graph of the fleet.
    Graph,
    /// What a service takes in memory.
    Memory,
    /// The sweep.
    Sweep,
    /// All series for Prometheus.
    Metrics,
}

/// Measures one part.
#[must_use]
pub fn measure_part(part: Part) -> Vec<Figure> {
    match part {
        Part::Lookups => [1_000, 100_000].into_iter().flat_map(lookups::measure).collect(),
        Part::Pick => picking::measure(),
        Part::Graph => graphing::measure(10_000),
        Part::Memory => memory::measure(),
        Part::Sweep => sweeping::measure(100_000),
        Part::Metrics => exposing::measure(10_000),
    }
}

/// Measures all of it.
#[must_use]
pub fn measure() -> Vec<Figure> {
    Part::value_variants().iter().flat_map(|part| measure_part(*part)).collect()
}

/// The figures as a table for docs/benchmarks.md.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let mut text = "\
| in process, medians | figure | raw limit | ratio | at most |
|---|---|---|---|---|
"
    .to_owned();
    for Figure { what, value, unit, raw, at_most } in figures {
        let number = |value: f64| {
            if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
        };
        let told = |number: Option<String>| number.unwrap_or_default();
        let ratio = raw.filter(|raw| *raw > 0.0).map(|raw| format!("{:.1}", value / raw));
        let limit = at_most.map(|at_most| {
            let word = if *value <= at_most { "held" } else { "**missed**" };
            format!("{} {unit}: {word}", number(at_most))
        });
        let _ = writeln!(
            text,
            "| {what} | {} {unit} | {} | {} | {} |",
            number(*value),
            told(raw.map(|raw| format!("{} {unit}", number(raw)))),
            told(ratio),
            told(limit),
        );
    }
    text
}

/// How long one call takes, nanoseconds: the median over rounds of so many calls, each with the
/// next of `inputs`.
fn ns_a_call<I>(inputs: &[I], rounds: usize, mut call: impl FnMut(&I)) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        inputs.iter().for_each(&mut call);
        ns(begun.elapsed()) / inputs.len() as f64
    };
    median((0..rounds).map(round).collect())
}

fn ns(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_told_beside_its_raw_limit_and_judged() {
        let figure =
            |value, raw, at_most| Figure { what: "x".to_owned(), value, unit: "ns", raw, at_most };
        let table =
            table(&[figure(50.0, Some(25.0), Some(1000.0)), figure(2000.0, None, Some(1000.0))]);
        assert!(table.contains("| x | 50.00 ns | 25.00 ns | 2.0 | 1000 ns: held |"), "{table}");
        assert!(table.contains("| x | 2000 ns |  |  | 1000 ns: **missed** |"), "{table}");
    }
}
