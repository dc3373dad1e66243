//! How fast new agents enrol over TLS, each on the disk before it is welcomed, and how soon all of
//! them are back after the collector went; beside what the machine can do of each part in the same
//! run.
//!
//! The collector is the real one, its agents are of another process: the real agent's dial,
//! greeting and backoff, with small hosts that send a sample every 10 s.

mod collector;
mod crowd;
mod raw;
mod watch;

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::harness::{Program, eventually};
use crate::swarm::usage::{cpu_time, memory};

use collector::Collector;
use crowd::{Crowd, Round};
use watch::Watch;

pub use raw::shake;

/// How long the collector is gone.
const GONE_FOR: Duration = Duration::from_secs(3);
/// So long all of them stay: what lives less is another case, and what was marked shows by then.
const STAY: Duration = Duration::from_secs(20);
/// Whoever is not there by then does not come.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a program may take to start.
const START: Duration = Duration::from_secs(10);

const AT_LEAST_PER_SECOND: f64 = 300.0;
const BACK_WITHIN_S: f64 = 35.0;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many agents.
    pub n_agents: u32,
    /// How many of them enrol at the same time.
    pub n_in_flight: usize,
}

/// One figure, and what it has to be.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The figure, in its unit.
    pub value: f64,
    /// Such as `/s`.
    pub unit: &'static str,
    /// What it has to be.
    pub bound: Option<Bound>,
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// Measures all of it. `shaking` starts the server of bare handshakes on a data directory; its
/// first word is its address.
///
/// # Errors
///
/// Where agents do not come, or an answer is not what it should be.
pub async fn measure(
    plan: Plan,
    shaking: impl Fn(&Path, &Path) -> Program,
) -> io::Result<Vec<Figure>> {
    let mut collector = Collector::start().await?;
    let mut figures = raw_limits(&collector, plan, shaking).await?;
    let line = collector.line(plan.n_agents).await?;
    let (own, pid) = (std::process::id(), collector.pid());
    let (own_used, used) = (cpu_time(own)?, cpu_time(pid)?);
    let begun = Instant::now();
    let mut crowd = Crowd::join(line, plan.n_agents, plan.n_in_flight);
    let enrolled = crowd.complete(PATIENCE).await?;
    let took = enrolled.last_arrival.duration_since(begun).as_secs_f64();
    let n = f64::from(plan.n_agents);
    let us = |used: Duration| 1e6 * used.as_secs_f64() / n;
    let at_least = Some(Bound::AtLeast(AT_LEAST_PER_SECOND));
    figures.push(figure("agents enrolled, each on the disk", n / took, "/s", at_least));
    let cpu = us(cpu_time(pid)?.saturating_sub(used));
    figures.push(figure("… CPU of the collector for one", cpu, " µs", None));
    let cpu = us(cpu_time(own)?.saturating_sub(own_used));
    figures.push(figure("… CPU of the load for one", cpu, " µs", None));
    figures.push(failed(&enrolled));
    sleep(STAY).await;
    let rss_mib = memory(pid)?.rss_kib as f64 / 1024.0;
    figures.push(figure("collector's memory with all of them", rss_mib, " MiB", None));
    figures.extend(restart(&mut collector, &mut crowd, ("SIGTERM", Signal::TERM)).await?);
    figures.extend(restart(&mut collector, &mut crowd, ("SIGKILL", Signal::KILL)).await?);
    Ok(figures)
}

async fn raw_limits(
    collector: &Collector,
    plan: Plan,
    shaking: impl Fn(&Path, &Path) -> Program,
) -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let server = shaking(&collector.data_dir(), dir.path());
    let address = async || server.out().trim().parse().map_err(|_| server.out());
    let address = eventually("the address of the bare server", START, address).await;
    let line = collector.line(1).await?;
    let shaken = raw::handshakes(address, server.pid(), &line, plan.n_in_flight).await?;
    drop(server);
    Ok(vec![
        figure("raw limit: bare TLS handshakes", shaken.per_second, "/s", None),
        figure("… CPU of their server for one", shaken.cpu_us, " µs", None),
        figure("raw limit: 16 KiB on the disk", raw::syncs(dir.path())?, "/s", None),
        figure("raw limit: signatures verified", raw::verifications()?, "/s", None),
    ])
}

/// Ends the collector, starts it anew a little later, and waits until all of its agents are back.
async fn restart(
    collector: &mut Collector,
    crowd: &mut Crowd,
    (word, signal): (&str, Signal),
) -> io::Result<Vec<Figure>> {
    crowd.next_round();
    let gone = Instant::now();
    collector.end(signal).await;
    sleep(GONE_FOR).await;
    let starting = Instant::now();
    collector.restart().await;
    let started = Instant::now();
    let mut watch = Watch::of(collector).await?;
    let back = tokio::select! {
        error = watch.follow() => return Err(error),
        back = all_stay(crowd) => back?,
    };
    let n_marked = watch.n_marked().await? as f64;
    let stats = collector.ask("/api/v1/stats").await?;
    let n_online = stats["hosts"]["online"].as_f64().unwrap_or_default();
    let last = back.last_arrival;
    let within = Some(Bound::AtMost(BACK_WITHIN_S));
    let s = |span: Duration| span.as_secs_f64();
    Ok(vec![
        figure(format!("{word}: all are back after it went"), s(last - gone), " s", within),
        figure("… after it was started anew", s(last - starting), " s", None),
        figure("… its start", s(started - starting), " s", None),
        figure("… marked stale or offline since", n_marked, "", Some(Bound::AtMost(0.0))),
        figure("… online 20 s later", n_online, "", None),
        failed(&back),
    ])
}

fn failed(round: &Round) -> Figure {
    let last = round.failure.as_ref().map_or_else(String::new, |why| format!("; the last: {why}"));
    figure(format!("… dials that came to nothing{last}"), round.n_failed as f64, "", None)
}

async fn all_stay(crowd: &mut Crowd) -> io::Result<Round> {
    let back = crowd.complete(PATIENCE).await?;
    sleep(STAY).await;
    Ok(back)
}

/// The figures as a table for docs/benchmarks.md.
#[must_use]
pub fn table(plan: Plan, figures: &[Figure]) -> String {
    let Plan { n_agents, n_in_flight } = plan;
    let mut text = format!(
        "| {n_agents} agents over TLS, {n_in_flight} at once | figure | bound |\n|---|---|---|\n"
    );
    for Figure { what, value, unit, bound } in figures {
        let verdict = bound.map(|bound| bound.verdict(*value, unit)).unwrap_or_default();
        let _ = writeln!(text, "| {what} | {}{unit} | {verdict} |", number(*value));
    }
    text
}

impl Bound {
    fn verdict(self, value: f64, unit: &str) -> String {
        let (bound, words, is_held) = match self {
            Self::AtLeast(bound) => (bound, "at least", value >= bound),
            Self::AtMost(bound) => (bound, "at most", value <= bound),
        };
        let word = if is_held { "held" } else { "**missed**" };
        format!("{words} {}{unit}: {word}", number(bound))
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn figure(what: impl Into<String>, value: f64, unit: &'static str, bound: Option<Bound>) -> Figure {
    Figure { what: what.into(), value, unit, bound }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_bound() {
        let plan = Plan { n_agents: 1000, n_in_flight: 200 };
        let figures = [
            figure("x", 299.5, "/s", Some(Bound::AtLeast(300.0))),
            figure("y", 0.0, "", Some(Bound::AtMost(0.0))),
            figure("z", 7.25, " s", None),
        ];
        let table = table(plan, &figures);
        assert!(table.contains("| x | 300/s | at least 300/s: **missed** |"), "{table}");
        assert!(table.contains("| y | 0 | at most 0: held |"), "{table}");
        assert!(table.contains("| z | 7.2 s |  |"), "{table}");
    }
}
