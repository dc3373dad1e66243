//! The fixed words of a service: its type, role, source, check, status, and from where it can be
//! reached. One word each on the wire, in the API and in files.

use std::fmt;
use std::marker::PhantomData;

use herdbook_shared::wire::inventory::ServiceState;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A word of a fixed set.
pub trait Word: Copy + PartialEq + Sized + 'static {
    /// All of them, in the order in which they are told.
    const ALL: &'static [Self];

    /// The word.
    fn word(self) -> &'static str;

    /// The value of a word; `None` for one that is not of the set.
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

/// Reads a word, which is a text and nothing else; what is none of its set is told all of them.
///
/// # Errors
///
/// Where it is none of them.
pub fn read_word<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(OneOf(PhantomData))
}

struct OneOf<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for OneOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = T::ALL.iter().map(|value| value.word()).collect();
        f.write_str(&words.join(", "))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::of_word(word).ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $value,)*
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$value),*];

            fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_word(deserializer)
            }
        }
    };
}

words! {
    /// What a service is for.
    ServiceType {
        /// It serves models.
        Model = "model",
        /// It does something for agents.
        Tool = "tool",
        /// It acts by itself.
        Agent = "agent",
    }
}

words! {
    /// How far a service is trusted with work.
    Role {
        /// What nobody said more about.
        Experimental = "experimental",
        /// It gets a small part of the work.
        Canary = "canary",
        /// It is tried before production.
        Staging = "staging",
        /// It does the work.
        Production = "production",
    }
}

words! {
    /// Where an entry comes from, from the source whose declared fields count least.
    Source {
        /// Its host's agent found it.
        Agent = "agent",
        /// It registered itself.
        Own = "self",
        /// A person added it.
        Manual = "manual",
        /// A file declares it.
        File = "file",
    }
}

words! {
    /// How a service's life is judged.
    Check {
        /// Its host's agent asks it.
        Agent = "agent",
        /// The collector asks it.
        Probe = "probe",
        /// It beats by itself.
        Heartbeat = "heartbeat",
    }
}

words! {
    /// From where a service can be reached.
    Reachable {
        /// From its own host only.
        Loopback = "loopback",
        /// From the network, as its agent sees it.
        Host = "host",
        /// The collector reached it.
        Collector = "collector",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

words! {
    /// How a service does.
    ServiceStatus {
        /// It cannot be told; its host is silent, say.
        Unknown = "unknown",
        /// It answers.
        Healthy = "healthy",
        /// It answers, with something wrong.
        Degraded = "degraded",
        /// It lives, but does not answer.
        Unhealthy = "unhealthy",
        /// It is gone.
        Down = "down",
        /// It answers and shall get nothing new. Only shown, over healthy: nothing is judged so.
        Draining = "draining",
    }
}

impl ServiceStatus {
    /// What the state that an agent tells makes of its service.
    #[must_use]
    pub fn of_state(state: ServiceState) -> Self {
        match state {
            ServiceState::Down => Self::Down,
            ServiceState::Hung => Self::Unhealthy,
            _ => Self::Healthy,
        }
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded | Self::Draining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_value_in_json_too() {
        for status in ServiceStatus::ALL {
            assert_eq!(ServiceStatus::of_word(status.word()), Some(*status));
            let json = serde_json::to_value(status).unwrap();
            assert_eq!(json, status.word());
        }
        assert_eq!(Source::of_word("self"), Some(Source::Own));
        assert_eq!(Role::of_word("Production"), None);
        for no_word in ["1", "null", r#"{"canary":null}"#, r#"["canary"]"#, r#""Canary""#] {
            assert!(serde_json::from_str::<Role>(no_word).is_err(), "{no_word}");
        }
    }
}
