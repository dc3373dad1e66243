//! Bytes a second over all real interfaces, from the counters of `/proc/net/dev`.
//!
//! Real is what carries bytes in and out of the machine, once. An interface with a device behind
//! it in `/sys/class/net` is real. One without is virtual (bond, VLAN, bridge), and its bytes
//! pass a real one as well; it counts only where no interface has a device, as in a container.
//! Loopback, and the links of containers, virtual machines and tunnels, never count.

use std::path::PathBuf;
use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use tokio::time::Instant;

use super::Roots;
use super::interface::Purpose;
use super::source::{Extent, Source};

/// More than this many interfaces are not followed.
const INTERFACES: usize = 64;

/// Remembers each interface's counters: a rate is a difference of two readings.
#[derive(Debug)]
pub(super) struct Network {
    source: Source,
    class: PathBuf,
    interfaces: Vec<Interface>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Interface {
    name: String,
    device: Device,
    counters: Counters,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Behind,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Now,
    Before,
}

/// Bytes since the interface came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    receive: u64,
    transmit: u64,
}

/// Bytes a second since the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) receive: u64,
    pub(super) transmit: u64,
}

impl Network {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            source: Source::new(roots.net().join("dev"), Extent::Whole),
            class: roots.sys.join("class/net"),
            interfaces: Vec::new(),
            last: None,
        }
    }

    pub(super) fn forget(&mut self) {
        self.interfaces.clear();
        self.last = None;
    }

    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Rates, MissingReason> {
        let Self { source, class, interfaces, last } = self;
        let moved = source.read(buffer, |text| {
            advance(interfaces, text, |name| match class.join(name).join("device").exists() {
                true => Device::Behind,
                false => Device::None,
            })
        });
        if moved.is_err() {
            // What comes next has nothing to be compared with.
            interfaces.clear();
            *last = None;
        }
        let moved = moved?;
        let elapsed = last.replace(now).map(|last| now.saturating_duration_since(last));
        match elapsed {
            Some(elapsed) if !elapsed.is_zero() => Ok(Rates {
                receive: rate(moved.receive, elapsed),
                transmit: rate(moved.transmit, elapsed),
            }),
            _ => Err(MissingReason::CannotTell),
        }
    }
}

/// Takes the counters of `text` over into `interfaces`, and returns by how much they moved.
fn advance(
    interfaces: &mut Vec<Interface>,
    text: &str,
    device: impl Fn(&str) -> Device,
) -> Option<Counters> {
    for interface in interfaces.iter_mut() {
        interface.seen = Seen::Before;
    }
    let mut by_device = Counters::default();
    let mut by_none = Counters::default();
    // Two lines of headings.
    for line in text.lines().skip(2) {
        let (name, counters) = parse(line)?;
        if Purpose::of(name) != Purpose::Network {
            continue;
        }
        let Some(known) = interfaces.iter_mut().find(|interface| interface.name == name) else {
            // Its bytes so far were not sent in this tick.
            if interfaces.len() < INTERFACES {
                let device = device(name);
                let name = name.to_owned();
                interfaces.push(Interface { name, device, counters, seen: Seen::Now });
            }
            continue;
        };
        let sum = match known.device {
            Device::Behind => &mut by_device,
            Device::None => &mut by_none,
        };
        let receive = risen(known.counters.receive, counters.receive);
        sum.receive = sum.receive.saturating_add(receive).min(limits::BYTES_MAX);
        let transmit = risen(known.counters.transmit, counters.transmit);
        sum.transmit = sum.transmit.saturating_add(transmit).min(limits::BYTES_MAX);
        known.counters = counters;
        known.seen = Seen::Now;
    }
    interfaces.retain(|interface| interface.seen == Seen::Now);
    let any_device = interfaces.iter().any(|interface| interface.device == Device::Behind);
    Some(if any_device { by_device } else { by_none })
}

fn rate(bytes: u64, elapsed: Duration) -> u64 {
    ((bytes as f64 / elapsed.as_secs_f64()) as u64).min(limits::BYTES_MAX)
}

/// A counter that is lower than before was reset, and has counted from 0 since.
fn risen(last: u64, now: u64) -> u64 {
    now.checked_sub(last).unwrap_or(now)
}

/// `name: bytes packets errs drop fifo frame compressed multicast bytes …`
fn parse(line: &str) -> Option<(&str, Counters)> {
    let (name, fields) = line.split_once(':')?;
    let mut fields = fields.split_ascii_whitespace();
    let receive = fields.next()?.parse().ok()?;
    let transmit = fields.nth(7)?.parse().ok()?;
    Some((name.trim(), Counters { receive, transmit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "Inter-| Receive\n face |bytes\n";

    fn text(lines: &[(&str, u64, u64)]) -> String {
        let mut text = HEADINGS.to_owned();
        for (name, receive, transmit) in lines {
            text += &format!("  {name}: {receive} 1 0 0 0 0 0 0 {transmit} 1 0 0 0 0 0 0\n");
        }
        text
    }

    fn physical(name: &str) -> Device {
        if name.starts_with("eth") { Device::Behind } else { Device::None }
    }

    fn moved(interfaces: &mut Vec<Interface>, lines: &[(&str, u64, u64)]) -> (u64, u64) {
        let counters = advance(interfaces, &text(lines), physical).unwrap();
        (counters.receive, counters.transmit)
    }

    #[test]
    fn only_interfaces_with_a_device_count_where_there_is_one() {
        let mut interfaces = Vec::new();
        let before = [("lo", 1, 1), ("eth0", 100, 10), ("eth1", 5, 5), ("bond0", 105, 15)];
        moved(&mut interfaces, &before);
        let after = [("lo", 99, 99), ("eth0", 150, 30), ("eth1", 6, 5), ("bond0", 156, 35)];
        assert_eq!(moved(&mut interfaces, &after), (51, 20));
    }

    #[test]
    fn in_a_container_the_virtual_link_counts() {
        let mut interfaces = Vec::new();
        moved(&mut interfaces, &[("lo", 1, 1), ("net1", 100, 10), ("docker0", 7, 7)]);
        let after = [("lo", 9, 9), ("net1", 130, 10), ("docker0", 70, 70)];
        assert_eq!(moved(&mut interfaces, &after), (30, 0));
    }

    #[test]
    fn a_reset_counts_from_zero_and_a_newcomer_from_what_it_shows() {
        let mut interfaces = Vec::new();
        moved(&mut interfaces, &[("eth0", 1000, 1000)]);
        assert_eq!(moved(&mut interfaces, &[("eth0", 40, 1001), ("eth1", 9999, 0)]), (40, 1));
        assert_eq!(moved(&mut interfaces, &[("eth1", 9999, 3)]), (0, 3));
        assert_eq!(interfaces.len(), 1);
    }

    #[test]
    fn more_interfaces_than_the_bound_are_left_alone() {
        let mut interfaces = Vec::new();
        let names: Vec<String> = (0..100).map(|n| format!("eth{n}")).collect();
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 1)).collect();
        moved(&mut interfaces, &lines);
        assert_eq!(interfaces.len(), INTERFACES);
    }

    #[test]
    fn no_text_panics_or_counts_beyond_the_wire() {
        let text = "h\nh\n( *[a-z0-9]{0,5}:( [0-9]{1,20}){9,10}\n){0,5}";
        proptest::proptest!(|(texts in proptest::collection::vec(text, 1..4))| {
            let mut interfaces = Vec::new();
            for text in texts {
                if let Some(moved) = advance(&mut interfaces, &text, physical) {
                    proptest::prop_assert!(moved.receive.max(moved.transmit) <= limits::BYTES_MAX);
                }
            }
        });
    }

    #[test]
    fn garbage_is_no_reading() {
        for line in ["eth0", "eth0: x 1 0 0 0 0 0 0 1", "eth0: 1 2 3"] {
            assert!(advance(&mut Vec::new(), &format!("{HEADINGS}{line}\n"), physical).is_none());
        }
    }
}
