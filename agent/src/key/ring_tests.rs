//! A change of keys, cut at every point.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000)
}
const NONCE: Octets<32> = Octets([1; 32]);
const CHANNEL: ChannelSecret = ChannelSecret([2; 32]);

/// A collector that knows one key, and changes it as it is told.
struct Collector {
    known: Octets<32>,
}

impl Collector {
    fn of(ring: &KeyRing) -> Self {
        Self { known: ring.current().public_key() }
    }

    fn change(&mut self, rekey: &Rekey) -> Fingerprint {
        let signed = rekeyed(&NONCE, &CHANNEL, &rekey.public_key);
        let holds = |key: &Octets<32>, signature: &Octets<64>| {
            UnparsedPublicKey::new(&ED25519, key.0).verify(&signed, &signature.0).is_ok()
        };
        assert!(holds(&self.known, &rekey.signature_by_old));
        assert!(holds(&rekey.public_key, &rekey.signature_by_new));
        self.known = rekey.public_key;
        super::super::fingerprint_of(&rekey.public_key.0)
    }

    /// Lets the agent in, after at most one refusal.
    fn connect(&self, ring: &mut KeyRing, code: RefusalCode) {
        for _ in 0..2 {
            if ring.current().public_key() == self.known {
                return ring.accepted().unwrap();
            }
            ring.refused(code);
        }
        panic!("never let in");
    }
}

fn ring(dir: &Path) -> KeyRing {
    KeyRing::open(dir, now()).unwrap()
}

#[test]
fn a_change_of_keys_can_be_cut_anywhere() {
    for code in [RefusalCode::UnknownKey, RefusalCode::Revoked, RefusalCode::Pending] {
        for n_steps in 0..=4 {
            let home = tempfile::tempdir().unwrap();
            let dir = home.path();
            let mut before = ring(dir);
            let mut collector = Collector::of(&before);
            let old = collector.known;
            // The successor is on the disk; it was told; it counts; it has taken its place.
            let rekey = (n_steps >= 1).then(|| before.rekey(&NONCE, &CHANNEL, now()).unwrap());
            let counts = (n_steps >= 3).then(|| collector.change(rekey.as_ref().unwrap()));
            if n_steps >= 4 {
                assert!(before.rekeyed(counts.unwrap()).unwrap());
            }
            drop(before);
            let mut after = ring(dir);
            collector.connect(&mut after, code);
            assert_eq!(after.is_due(now()), (1..3).contains(&n_steps), "{n_steps}");
            if after.is_due(now()) {
                let rekey = after.rekey(&NONCE, &CHANNEL, now()).unwrap();
                let counts = collector.change(&rekey);
                assert!(after.rekeyed(counts).unwrap());
            }
            assert_eq!(collector.known == old, n_steps == 0);
            assert!(!dir.join(NEXT).exists());
            assert_eq!(ring(dir).current().public_key(), collector.known);
        }
    }
}

#[test]
fn a_key_is_due_after_thirty_days_by_its_own_date() {
    let dir = tempfile::tempdir().unwrap();
    let ring = ring(dir.path());
    let later = |ms: i64| Timestamp::from_unix_ms(now().unix_ms() + ms);
    assert!(!ring.is_due(now()) && !ring.is_due(later(ROTATE_AFTER_MS - 1)));
    assert!(ring.is_due(later(ROTATE_AFTER_MS)));
    // A clock that was set back makes no key old.
    assert!(!ring.is_due(later(-ROTATE_AFTER_MS)));
}

#[test]
fn another_key_than_the_successor_counts_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut ring = ring(dir.path());
    let old = ring.current().fingerprint();
    assert!(!ring.rekeyed(old).unwrap());
    ring.rekey(&NONCE, &CHANNEL, now()).unwrap();
    assert!(!ring.rekeyed(Fingerprint::of_digest([9; 32])).unwrap());
    assert_eq!(ring.current().fingerprint(), old);
}

#[test]
fn a_refusal_of_another_kind_changes_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut ring = ring(dir.path());
    let old = ring.current().fingerprint();
    ring.refused(RefusalCode::UnknownKey);
    assert_eq!(ring.current().fingerprint(), old);
    ring.rekey(&NONCE, &CHANNEL, now()).unwrap();
    ring.refused(RefusalCode::Full);
    assert_eq!(ring.current().fingerprint(), old);
}

#[test]
fn a_machine_that_was_cloned_gets_another_key_and_keeps_the_old_one_aside() {
    let dir = tempfile::tempdir().unwrap();
    let old = ring(dir.path()).current().fingerprint();
    KeyRing::set_aside(dir.path()).unwrap();
    assert_ne!(ring(dir.path()).current().fingerprint(), old);
    let aside = Key::read(&dir.path().join("key.old")).unwrap().unwrap();
    assert_eq!(aside.fingerprint(), old);
}
