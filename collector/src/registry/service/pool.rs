//! What is the same on many services, kept once. A fleet has thousands of services and a few
//! hundred models; what each model is, and the words that describe it, are the same all over.
//!
//! The pools are the process's and not a registry's: what they hold is immutable and equal to what
//! was given, so nobody can tell, and nobody who makes a model can forget them. A value that is
//! used nowhere else goes when the pool is cleaned, which is whenever it has doubled: it never
//! holds more than twice what is in use.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::model::ModelFacts;

/// A pool that holds fewer is not cleaned.
const CLEAN_MIN: usize = 1024;

static FACTS: LazyLock<Pool<ModelFacts>> = LazyLock::new(Pool::default);
static WORDS: LazyLock<Pool<str>> = LazyLock::new(Pool::default);

/// These facts, shared with whoever has the same.
pub(super) fn shared_facts(facts: ModelFacts) -> Arc<ModelFacts> {
    FACTS.shared(facts)
}

/// This word, shared with whoever has the same.
pub(super) fn shared_word(word: &str) -> Arc<str> {
    WORDS.shared(word)
}

#[derive(Debug)]
struct Pool<T: ?Sized>(Mutex<Held<T>>);

#[derive(Debug)]
struct Held<T: ?Sized> {
    values: HashSet<Arc<T>, RandomState>,
    clean_at: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Held { values: HashSet::default(), clean_at: CLEAN_MIN }))
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    fn shared<V: Borrow<T> + Into<Arc<T>>>(&self, value: V) -> Arc<T> {
        // A panic in between leaves a set that is whole: at worst it is not clean.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held.values.get(value.borrow()) {
            return Arc::clone(known);
        }
        held.clean_where_due();
        let value: Arc<T> = value.into();
        held.values.insert(Arc::clone(&value));
        value
    }
}

impl<T: ?Sized + Eq + Hash> Held<T> {
    /// Nobody but the pool can make a second owner of a value that only the pool has, and that
    /// needs the lock.
    fn clean_where_due(&mut self) {
        if self.values.len() >= self.clean_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.values.shrink_to(2 * self.values.len());
            self.clean_at = CLEAN_MIN.max(2 * self.values.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let pool: Pool<str> = Pool::default();
        let (a, b) = (pool.shared("llama"), pool.shared("llama"));
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &pool.shared("qwen")));
    }

    #[test]
    fn what_nobody_uses_goes_and_what_is_used_stays() {
        let pool: Pool<str> = Pool::default();
        let used = pool.shared("used");
        for n in 0..10 * CLEAN_MIN {
            pool.shared(n.to_string().as_str());
        }
        let held = pool.0.lock().unwrap().values.len();
        assert!(held <= CLEAN_MIN, "{held} are held of which 1 is used");
        assert!(Arc::ptr_eq(&used, &pool.shared("used")));
    }
}
