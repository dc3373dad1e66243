//! Stalls for want of processor, memory and I/O, from `/proc/pressure`
//! (<https://docs.kernel.org/accounting/psi.html>). Kernels without it, or started with `psi=0`,
//! have no such files.

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::sample::Pressure;

use super::source::{Extent, Source};
use super::{Roots, told};

/// The three files.
#[derive(Debug)]
pub(super) struct PressureSource {
    cpu: Source,
    memory: Source,
    io: Source,
}

impl PressureSource {
    pub(super) fn new(roots: &Roots) -> Self {
        let source = |name| Source::new(roots.proc.join("pressure").join(name), Extent::Head);
        Self { cpu: source("cpu"), memory: source("memory"), io: source("io") }
    }

    /// `None`, with one reason, where no file tells anything.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, missing: &mut Missing) -> Option<Pressure> {
        let cpu = self.cpu.read(buffer, parse);
        let memory = self.memory.read(buffer, parse);
        let io = self.io.read(buffer, parse);
        if let (Err(reason), Err(_), Err(_)) = (cpu, memory, io) {
            return told("pressure", Err::<Pressure, MissingReason>(reason), missing);
        }
        Some(Pressure {
            cpu_some_avg10: told("pressure.cpu_some_avg10", cpu, missing),
            memory_some_avg10: told("pressure.memory_some_avg10", memory, missing),
            io_some_avg10: told("pressure.io_some_avg10", io, missing),
        })
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`
fn parse(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = some
        .split_ascii_whitespace()
        .find_map(|field| field.strip_prefix("avg10="))?
        .parse()
        .ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_ten_seconds_is_taken() {
        let text = "some avg10=1.25 avg60=2.00 avg300=3.00 total=9\nfull avg10=9.00 total=1\n";
        assert_eq!(parse(text), Some(1.25));
    }

    #[test]
    fn no_text_panics_or_is_more_than_all() {
        proptest::proptest!(|(text in "(some |full )?avg10=[0-9.eE-]{0,12}( avg60=[0-9.]{1,5})?\n")| {
            proptest::prop_assert!(parse(&text).is_none_or(|share| (0.0..=100.0).contains(&share)));
        });
    }

    #[test]
    fn garbage_is_no_pressure() {
        for text in ["", "full avg10=1.00", "some avg60=1.00", "some avg10=x", "some avg10=101"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
