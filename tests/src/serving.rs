//! What the collector does for many at once over HTTP: durable registrations, heartbeats, ten
//! thousand of them in flight together, and changes to many followers. Each stands beside the
//! least that could do the same on this machine in the same run.
//!
//! Load and collector share the machine. Where a figure is meant for one core, it is what the
//! collector's own CPU time allows.

mod beats;
mod durable;
mod followers;
mod in_flight;
mod storm;

use std::fmt::Write as _;

/// One figure, the limit that was set for it, and the raw limit of the machine.
#[derive(Clone, Debug)]
pub struct Rate {
    /// What was measured.
    pub what: String,
    /// The figure, in its unit.
    pub value: f64,
    /// Such as `/s`.
    pub unit: &'static str,
    /// What it has to be at least.
    pub at_least: Option<f64>,
}

/// What of it, as the command line calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Durable registrations.
    Registrations,
    /// Heartbeats.
    Beats,
    /// 10,000 heartbeats at once.
    InFlight,
    /// Changes to 200 followers.
    Followers,
}

/// Measures one part, or all.
///
/// # Errors
///
/// Where a connection breaks, or an answer is not what it should be.
pub async fn measure(only: Option<Part>) -> std::io::Result<Vec<Rate>> {
    let is_asked = |part| only.is_none_or(|only| only == part);
    let mut rates = Vec::new();
    if is_asked(Part::Registrations) {
        rates.extend(durable::measure().await?);
    }
    if is_asked(Part::Beats) {
        rates.extend(beats::measure().await?);
    }
    if is_asked(Part::InFlight) {
        rates.extend(in_flight::measure().await?);
    }
    if is_asked(Part::Followers) {
        rates.extend(followers::measure().await?);
    }
    Ok(rates)
}

/// The figures as a table for docs/benchmarks.md.
#[must_use]
pub fn table(rates: &[Rate]) -> String {
    let mut text = "\
| over HTTP | figure | at least |
|---|---|---|
"
    .to_owned();
    let number = |value: f64| {
        if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
    };
    for Rate { what, value, unit, at_least } in rates {
        let limit = at_least.map(|at_least| {
            let word = if *value >= at_least { "held" } else { "**missed**" };
            format!("{}{unit}: {word}", number(at_least))
        });
        let limit = limit.unwrap_or_default();
        let _ = writeln!(text, "| {what} | {}{unit} | {limit} |", number(*value));
    }
    text
}

fn rate(what: impl Into<String>, value: f64, unit: &'static str, at_least: Option<f64>) -> Rate {
    Rate { what: what.into(), value, unit, at_least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_judged_by_what_it_has_to_be_at_least() {
        let table = table(&[rate("x", 50.0, "/s", Some(40.0)), rate("y", 5.0, " %", Some(60.0))]);
        assert!(table.contains("| x | 50.00/s | 40.00/s: held |"), "{table}");
        assert!(table.contains("| y | 5.00 % | 60.00 %: **missed** |"), "{table}");
    }
}
