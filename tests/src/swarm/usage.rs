//! What a process costs, read from `/proc` (<https://docs.kernel.org/filesystems/proc.html>).

use std::time::Duration;

use serde::Serialize;

/// The memory of a process, KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Resident pages.
    pub rss_kib: u64,
    /// Resident pages, shared ones by share.
    pub pss_kib: u64,
    /// Resident pages that nobody else has.
    pub private_kib: u64,
}

/// CPU time that the process has used since it started, in user and kernel mode.
///
/// # Errors
///
/// Where the process is gone.
pub fn cpu_time(pid: u32) -> std::io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = cpu_ticks(&stat).ok_or(std::io::ErrorKind::InvalidData)?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

/// Fields 14 and 15; counted from the last parenthesis, since a name may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// CPU time of the threads that live now, to the nanosecond
/// (<https://docs.kernel.org/scheduler/sched-stats.html>). For a process that keeps its threads.
///
/// # Errors
///
/// Where the process is gone, or the kernel keeps no such statistics.
pub fn threads_cpu_time(pid: u32) -> std::io::Result<Duration> {
    let mut ns = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = schedstat.split(' ').next().and_then(|field| field.parse::<u64>().ok());
        ns += on_cpu.ok_or(std::io::ErrorKind::InvalidData)?;
    }
    Ok(Duration::from_nanos(ns))
}

/// How many threads the process has.
///
/// # Errors
///
/// Where the process is gone.
pub fn n_threads(pid: u32) -> std::io::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

/// How many files, sockets and the like the process holds open.
///
/// # Errors
///
/// Where the process is gone or is somebody else's.
pub fn n_open(pid: u32) -> std::io::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// The processes that the process started and that live, or have not been waited for.
///
/// # Errors
///
/// Where the process is gone.
pub fn children(pid: u32) -> std::io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the two.
        let list = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}

/// What the process holds in memory now.
///
/// # Errors
///
/// Where the process is gone or is somebody else's.
pub fn memory(pid: u32) -> std::io::Result<Memory> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    };
    Ok(Memory {
        rss_kib: kib("Rss:"),
        pss_kib: kib("Pss:"),
        private_kib: kib("Private_Clean:") + kib("Private_Dirty:"),
    })
}

/// The most that the process ever held, KiB.
///
/// # Errors
///
/// Where the process is gone.
pub fn peak_rss_kib(pid: u32) -> std::io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.and_then(|text| text.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?)
}

/// The middle of some figures, 0 where there are none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(42));
    }

    #[test]
    fn this_very_process_can_be_read() {
        let own = std::process::id();
        assert!(memory(own).unwrap().rss_kib > 0);
        assert!(cpu_time(own).is_ok());
        assert!(n_threads(own).unwrap() > 0 && n_open(own).unwrap() > 0);
    }
}
