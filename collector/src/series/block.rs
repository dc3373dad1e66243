//! The rows of one host and hour in few bytes.
//!
//! Version 1, frozen, read for ever: a byte each for the version, the number of places, the number
//! of GPUs and how many of the lowest bits of each code are left out; then bits: one a place that
//! says whether there is a row, and the columns one behind the other, over the rows that there are.
//! The columns are the number of samples, whether the host was degraded, each series' means, each
//! peak.
//!
//! A column of codes begins with two bits. 0: one value, 16 bits, holds for all. 1: a parameter of
//! four bits, the first value, and each difference to the value before, folded to a number ≥ 0,
//! in Rice's code. 2: before that, one bit a row that says whether there is a value, and four of
//! the reason where there is none. A peak is told by how far it is above its mean: one bit 0 where
//! it nowhere is, or 1, the parameter, and the differences.

use std::collections::BTreeMap;

use herdbook_shared::limits;

use crate::registry::recent::code::{self, is_missing};

use super::bits::{K_MAX, Reader, Writer, rice_bits};
use super::rollup::Rollup;

const VERSION: u8 = 1;
/// The codes that say why there is no value differ in these bits alone.
const MISSING: u16 = 0xFFF0;

/// Rows by their place in the hour.
pub type Rows = BTreeMap<u8, Rollup>;

/// What a block is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many rows it may have.
    pub n_places: u8,
    /// How many of the lowest bits of each code are left out, at most 8.
    pub n_dropped: u8,
}

impl Shape {
    /// Sixty rows as they are.
    pub const FINE: Self = Self { n_places: 60, n_dropped: 0 };
    /// Six rows, a quarter as precise: 0.4 %, 0.4 degrees, 0.4 watts, 4 MHz, and 0.2 % of what is
    /// kept as a float.
    pub const COARSE: Self = Self { n_places: 6, n_dropped: 2 };

    fn shorten(self, code: u16) -> u16 {
        if is_missing(code) || self.n_dropped == 0 {
            return code;
        }
        let half = 1 << (self.n_dropped - 1);
        (code.saturating_add(half).min(MISSING - 1)) >> self.n_dropped
    }

    fn lengthen(self, code: u16) -> u16 {
        if is_missing(code) { code } else { code << self.n_dropped }
    }
}

/// Writes rows of a host with that many GPUs.
#[must_use]
pub fn encode(shape: Shape, n_gpus: usize, rows: &Rows) -> Vec<u8> {
    let Shape { n_places, n_dropped } = shape;
    let n_gpus_byte = u8::try_from(n_gpus).unwrap_or(u8::MAX);
    let mut bits = Writer::after(vec![VERSION, n_places, n_gpus_byte, n_dropped]);
    for place in 0..n_places {
        bits.bits(u32::from(rows.contains_key(&place)), 1);
    }
    let rows: Vec<Rollup> =
        rows.range(..n_places).map(|(_, row)| row.mapped(|code| shape.shorten(code))).collect();
    if rows.is_empty() {
        return bits.finish();
    }
    let column = |of: &dyn Fn(&Rollup) -> u16| rows.iter().map(of).collect::<Vec<_>>();
    // What a code may not be is no number of samples either.
    put_column(&mut bits, &column(&|row| row.n_samples.min(MISSING - 1)));
    put_column(&mut bits, &column(&|row| u16::from(row.is_degraded)));
    for index in 0..code::n_series(n_gpus) {
        put_column(&mut bits, &column(&|row| row.means[index]));
    }
    let with_peak = code::all(n_gpus).enumerate().filter(|(_, series)| series.has_peak);
    for (peak, (mean, _)) in with_peak.enumerate() {
        let of = rows.iter().filter(|row| !is_missing(row.means[mean]));
        put_excess(
            &mut bits,
            &of.map(|row| row.peaks[peak].saturating_sub(row.means[mean])).collect::<Vec<_>>(),
        );
    }
    bits.finish()
}

/// Reads what [`encode`] wrote, with the number of GPUs; `None` where it cannot be read.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(usize, Rows)> {
    let (&[VERSION, n_places, n_gpus, n_dropped], bits) = bytes.split_first_chunk::<4>()? else {
        return None;
    };
    let (n_gpus, shape) = (usize::from(n_gpus), Shape { n_places, n_dropped });
    if n_gpus > limits::GPUS || n_dropped > 8 {
        return None;
    }
    let mut bits = Reader::of(bits);
    let mut places = Vec::new();
    for place in 0..n_places {
        if bits.bits(1)? == 1 {
            places.push(place);
        }
    }
    if places.is_empty() {
        return Some((n_gpus, Rows::new()));
    }
    let n_rows = places.len();
    let n_samples = column(&mut bits, n_rows)?;
    let degraded = column(&mut bits, n_rows)?;
    let means: Vec<Vec<u16>> =
        (0..code::n_series(n_gpus)).map(|_| column(&mut bits, n_rows)).collect::<Option<_>>()?;
    let mut peaks = Vec::new();
    for (_, means) in code::all(n_gpus).zip(&means).filter(|(series, _)| series.has_peak) {
        peaks.push(peaks_over(&mut bits, means)?);
    }
    let of = |columns: &[Vec<u16>], row: usize| columns.iter().map(|column| column[row]).collect();
    let row = |(row, place): (usize, u8)| {
        let rollup = Rollup {
            n_samples: n_samples[row],
            is_degraded: degraded[row] != 0,
            means: of(&means, row),
            peaks: of(&peaks, row),
        };
        (place, rollup.mapped(|code| shape.lengthen(code)))
    };
    Some((n_gpus, places.into_iter().enumerate().map(row).collect()))
}

fn put_column(bits: &mut Writer, codes: &[u16]) {
    let first = codes.first().copied().unwrap_or_default();
    if codes.iter().all(|code| *code == first) {
        bits.bits(0, 2);
        return bits.bits(u32::from(first), 16);
    }
    let present: Vec<u16> = codes.iter().copied().filter(|code| !is_missing(*code)).collect();
    if present.len() == codes.len() {
        bits.bits(1, 2);
    } else {
        bits.bits(2, 2);
        for code in codes {
            bits.bits(u32::from(!is_missing(*code)), 1);
            if is_missing(*code) {
                bits.bits(u32::from(code - MISSING), 4);
            }
        }
    }
    let differences: Vec<u32> = present.windows(2).map(|pair| folded(pair[0], pair[1])).collect();
    let k = best_k(&differences);
    bits.bits(k, 4);
    bits.bits(u32::from(present.first().copied().unwrap_or_default()), 16);
    differences.iter().for_each(|difference| bits.rice(*difference, k));
}

fn column(bits: &mut Reader<'_>, n_rows: usize) -> Option<Vec<u16>> {
    let short = |bits: Option<u32>| u16::try_from(bits?).ok();
    let mode = bits.bits(2)?;
    if mode == 0 {
        return Some(vec![short(bits.bits(16))?; n_rows]);
    }
    let mut codes = vec![0; n_rows];
    if mode == 2 {
        for code in &mut codes {
            if bits.bits(1)? == 0 {
                *code = MISSING + short(bits.bits(4))?;
            }
        }
    }
    let k = bits.bits(4)?;
    let mut value = short(bits.bits(16))?;
    let mut is_first = true;
    for code in codes.iter_mut().filter(|code| !is_missing(**code)) {
        if !std::mem::take(&mut is_first) {
            value = unfolded(value, bits.rice(k)?)?;
        }
        *code = value;
    }
    Some(codes)
}

fn put_excess(bits: &mut Writer, excess: &[u16]) {
    if excess.iter().all(|excess| *excess == 0) {
        return bits.bits(0, 1);
    }
    let excess: Vec<u32> = excess.iter().map(|excess| u32::from(*excess)).collect();
    let k = best_k(&excess);
    bits.bits(1, 1);
    bits.bits(k, 4);
    excess.iter().for_each(|excess| bits.rice(*excess, k));
}

fn peaks_over(bits: &mut Reader<'_>, means: &[u16]) -> Option<Vec<u16>> {
    if bits.bits(1)? == 0 {
        return Some(means.to_vec());
    }
    let k = bits.bits(4)?;
    let mut peaks = means.to_vec();
    for peak in peaks.iter_mut().filter(|mean| !is_missing(**mean)) {
        *peak = peak.checked_add(u16::try_from(bits.rice(k)?).ok()?)?;
    }
    Some(peaks)
}

/// A difference as a number that is small where the difference is.
fn folded(before: u16, after: u16) -> u32 {
    let difference = i32::from(after) - i32::from(before);
    (difference << 1 ^ difference >> 31).cast_unsigned()
}

fn unfolded(before: u16, folded: u32) -> Option<u16> {
    let difference = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
    u16::try_from(i32::from(before) + difference).ok()
}

fn best_k(numbers: &[u32]) -> u32 {
    let cost = |k: &u32| numbers.iter().map(|number| rice_bits(*number, *k)).sum::<u32>();
    (0..=K_MAX).min_by_key(cost).unwrap_or_default()
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
