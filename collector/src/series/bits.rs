//! Bits in a row of bytes, and small numbers in few of them (Rice's code).

/// Numbers whose quotient reaches this stand as they are, in [`RAW_BITS`].
const QUOTIENT_MAX: u32 = 12;
/// Enough for any number that is written so.
const RAW_BITS: u32 = 17;
/// The greatest parameter.
pub(super) const K_MAX: u32 = 15;

/// Bits to be written, the highest of a byte first.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    pending: u64,
    n_pending: u32,
}

impl Writer {
    /// Behind these bytes.
    pub(super) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, pending: 0, n_pending: 0 }
    }

    /// The lowest `n_bits` of `value`, 32 at most.
    pub(super) fn bits(&mut self, value: u32, n_bits: u32) {
        let kept = u64::from(value) & ((1 << n_bits) - 1);
        self.pending = self.pending << n_bits | kept;
        self.n_pending += n_bits;
        while self.n_pending >= 8 {
            self.n_pending -= 8;
            self.bytes.push((self.pending >> self.n_pending).to_le_bytes()[0]);
        }
    }

    /// A number below 2^17 that is likely to be about 2^`k`.
    pub(super) fn rice(&mut self, value: u32, k: u32) {
        let quotient = value >> k;
        if quotient >= QUOTIENT_MAX {
            self.bits((1 << QUOTIENT_MAX) - 1, QUOTIENT_MAX);
            self.bits(value, RAW_BITS);
        } else {
            // That many ones, then a zero.
            self.bits((1 << (quotient + 1)) - 2, quotient + 1);
            self.bits(value, k);
        }
    }

    /// All of it, filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.n_pending > 0 {
            self.bits(0, 8 - self.n_pending);
        }
        self.bytes
    }
}

/// How many bits a number takes.
pub(super) fn rice_bits(value: u32, k: u32) -> u32 {
    match value >> k {
        quotient if quotient >= QUOTIENT_MAX => QUOTIENT_MAX + RAW_BITS,
        quotient => quotient + 1 + k,
    }
}

/// Bits to be read; `None` where they end too early.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    next_bit: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, next_bit: 0 }
    }

    pub(super) fn bits(&mut self, n_bits: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n_bits {
            let byte = self.bytes.get(self.next_bit / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.next_bit % 8) & 1);
            self.next_bit += 1;
        }
        Some(value)
    }

    pub(super) fn rice(&mut self, k: u32) -> Option<u32> {
        let mut quotient = 0;
        while quotient < QUOTIENT_MAX {
            if self.bits(1)? == 0 {
                return Some(quotient << k | self.bits(k)?);
            }
            quotient += 1;
        }
        self.bits(RAW_BITS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            numbers in prop::collection::vec((0..1_u32 << 17, 0..=K_MAX), 0..200)
        ) {
            let mut writer = Writer::after(vec![7]);
            let n_bits: u32 = numbers.iter().map(|(value, k)| rice_bits(*value, *k)).sum();
            for (value, k) in &numbers {
                writer.rice(*value, *k);
            }
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len(), 1 + (n_bits as usize).div_ceil(8));
            let mut reader = Reader::of(&bytes[1..]);
            for (value, k) in &numbers {
                prop_assert_eq!(reader.rice(*k), Some(*value));
            }
        }

        #[test]
        fn what_is_cut_off_is_told(bytes in prop::collection::vec(any::<u8>(), 0..20), k in 0..=K_MAX) {
            let mut reader = Reader::of(&bytes);
            while reader.rice(k).is_some() {}
        }
    }
}
