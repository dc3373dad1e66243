//! Tells a document from one of which the disk has changed a bit. SQLite sees damage to its own
//! structure, and none to what is in it.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The sum of a document under its id: FNV-1a, 64 bits. Each step can be undone, so no change of
/// one byte gives the same sum.
pub(super) fn of(id: &str, doc: &str) -> i64 {
    let bytes = id.bytes().chain([0xFF]).chain(doc.bytes());
    let sum = bytes.fold(OFFSET, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME));
    sum.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_it_always_was_and_another_for_each_bit() {
        // Frozen: it stands in databases.
        assert_eq!(of("gpu-1:11434", "{\"id\":1}"), FROZEN);
        for bit in 0..8 {
            let doc = [b"{\"id\":"[..].to_vec(), vec![b'1' ^ (1 << bit), b'}']].concat();
            let Ok(doc) = String::from_utf8(doc) else { continue };
            assert_ne!(of("gpu-1:11434", &doc), of("gpu-1:11434", "{\"id\":1}"));
        }
        assert_ne!(of("ab", "c"), of("a", "bc"));
    }

    const FROZEN: i64 = 3_853_477_065_453_018_719;
}
