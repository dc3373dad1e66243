//! What each block device has read and written, from `/proc/diskstats`
//! (<https://docs.kernel.org/admin-guide/iostats.html>), and rates between two readings.

use std::collections::BTreeMap;
use std::time::Duration;

use herdbook_shared::limits;

use crate::sampling::cpu::hundredths;

/// A sector of this file is so long, whatever the device's own are.
const SECTOR_BYTES: u64 = 512;
/// More devices than this are not followed.
const DEVICES: usize = 512;

/// Counters since the device came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Io {
    read_sectors: u64,
    written_sectors: u64,
    busy_ms: u64,
}

/// One device's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) number: (u32, u32),
    pub(super) io: Io,
}

/// By the kernel's name.
pub(super) type Devices = BTreeMap<String, Device>;

/// Per second since the last reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) read_bytes: u64,
    pub(super) write_bytes: u64,
    pub(super) busy_percent: f64,
}

/// All devices but those that are no disks. A line that says nothing is left out alone; `None`
/// where no line says anything.
pub(super) fn parse(text: &str) -> Option<Devices> {
    let lines = text.lines().filter_map(device);
    let devices: Devices = lines.filter(|(name, _)| is_disk(name)).take(DEVICES).collect();
    // A machine may have no disk at all.
    (!devices.is_empty() || text.is_empty() || text.lines().any(|line| device(line).is_some()))
        .then_some(devices)
}

/// `8 0 sda reads merged sectors ms writes merged sectors ms in_flight ms weighted …`
fn device(line: &str) -> Option<(String, Device)> {
    let mut fields = line.split_ascii_whitespace();
    let number = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let name = fields.next()?.to_owned();
    let mut number_at = |n| fields.nth(n)?.parse::<u64>().ok();
    let read_sectors = number_at(2)?;
    let written_sectors = number_at(3)?;
    let busy_ms = number_at(2)?;
    Some((name, Device { number, io: Io { read_sectors, written_sectors, busy_ms } }))
}

/// Loops, RAM disks, compressed swap, floppies and optical drives are none.
pub(super) fn is_disk(name: &str) -> bool {
    const NONE: [&str; 5] = ["loop", "ram", "zram", "fd", "sr"];
    let numbered = |prefix: &&str| {
        name.strip_prefix(*prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    !NONE.iter().any(numbered)
}

/// A counter that is lower than before was reset, or ran over: it has counted from 0 since.
pub(super) fn rates(last: Io, now: Io, elapsed: Duration) -> Option<Rates> {
    let seconds = elapsed.as_secs_f64();
    let risen = |last: u64, now: u64| now.checked_sub(last).unwrap_or(now);
    let bytes = |last, now| {
        let bytes = risen(last, now).saturating_mul(SECTOR_BYTES) as f64;
        ((bytes / seconds) as u64).min(limits::BYTES_MAX)
    };
    (seconds > 0.0).then(|| Rates {
        read_bytes: bytes(last.read_sectors, now.read_sectors),
        write_bytes: bytes(last.written_sectors, now.written_sectors),
        busy_percent: {
            let busy_ms = risen(last.busy_ms, now.busy_ms) as f64;
            hundredths((busy_ms / (seconds * 10.0)).min(100.0))
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    const TEXT: &str = "   7       0 loop0 1 0 2 3 0 0 0 0 0 4 4\n \
        8       0 sda 100 5 2000 30 50 6 4000 70 0 500 100 1 2 3 4 5 6\n \
        259       1 nvme0n1p1 1 0 8 0 1 0 16 0 0 1 1\n  11 0 sr0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn columns_are_counted_and_what_is_no_disk_is_left_out() {
        let devices = parse(TEXT).unwrap();
        assert_eq!(devices.len(), 2);
        let io = Io { read_sectors: 2000, written_sectors: 4000, busy_ms: 500 };
        assert_eq!(devices["sda"], Device { number: (8, 0), io });
        assert_eq!(devices["nvme0n1p1"].number, (259, 1));
    }

    #[test]
    fn rates_are_over_the_time_between() {
        let last = Io { read_sectors: 1000, written_sectors: 0, busy_ms: 100 };
        let now = Io { read_sectors: 3000, written_sectors: 20, busy_ms: 2600 };
        let rates = rates(last, now, Duration::from_secs(10)).unwrap();
        assert_eq!((rates.read_bytes, rates.write_bytes), (102_400, 1024));
        assert_eq!(rates.busy_percent, 25.0);
    }

    #[test]
    fn a_machine_without_disks_is_no_garbage() {
        assert_eq!(parse(""), Some(Devices::new()));
        assert_eq!(parse("7 0 loop0 1 0 2 3 0 0 0 0 0 4 4\n"), Some(Devices::new()));
        assert_eq!(parse("garbage\n"), None);
        assert_eq!(parse(&format!("8 1 sda1 1 2\n{TEXT}")).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn rates_are_never_nonsense(last: [u64; 3], now: [u64; 3], ms in 0_u64..100_000) {
            let io = |[read_sectors, written_sectors, busy_ms]: [u64; 3]| {
                Io { read_sectors, written_sectors, busy_ms }
            };
            let rates = rates(io(last), io(now), Duration::from_millis(ms));
            let Some(rates) = rates else { return Ok(()) };
            prop_assert!((0.0..=100.0).contains(&rates.busy_percent));
            prop_assert!(rates.read_bytes.max(rates.write_bytes) <= limits::BYTES_MAX);
        }

        #[test]
        fn no_text_panics(text in "( *[0-9]{1,22} [0-9]{1,3} [a-z0-9]{1,9}( [0-9x-]{1,22}){0,12}\n){0,4}") {
            let _ = parse(&text);
        }
    }
}
