//! Ids: typed, so that a session cannot be passed where a host is meant.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id is not what its kind asks for.
#[derive(Debug, thiserror::Error)]
#[error("expected a UUID")]
pub struct NotAUuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(inline))]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; what comes from outside is validated where it comes in.
            #[must_use]
            pub fn from_text(text: &str) -> Self {
                Self(text.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A host: a UUID made at its agent's first start, or `{uuid}~{n}` for a clone of it.
    HostId
}
text_id! {
    /// One connection of an agent, named by the collector.
    SessionId
}
text_id! {
    /// A service: given once, never changed.
    ServiceId
}

impl HostId {
    /// A fresh one, sortable by the time it was made.
    #[must_use]
    pub fn random() -> Self {
        Self::from_text(&Uuid::now_v7().to_string())
    }

    /// Reads the id of a host as its agent tells it.
    ///
    /// # Errors
    ///
    /// Where the text is no UUID.
    pub fn parse(text: &str) -> Result<Self, NotAUuid> {
        let id = Uuid::parse_str(text.trim()).map_err(|_| NotAUuid)?;
        Ok(Self::from_text(&id.hyphenated().to_string()))
    }

    /// The id under which the `n`th other machine with this identity is listed, `n` ≥ 2.
    #[must_use]
    pub fn of_clone(&self, n: usize) -> Self {
        Self::from_text(&format!("{}~{n}", self.0))
    }

    /// Whether this names a clone, of which nothing is stored.
    #[must_use]
    pub fn is_clone(&self) -> bool {
        self.0.contains('~')
    }
}

impl SessionId {
    /// A fresh one, sortable by the time it was made.
    #[must_use]
    pub fn random() -> Self {
        Self::from_text(&Uuid::now_v7().to_string())
    }
}

/// One run of an agent process: random at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(transparent)]
pub struct InstanceId(
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("format" = "uuid")))] Uuid,
);

impl InstanceId {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_id_has_one_spelling() {
        let id = HostId::parse(" 0199F3A0-0000-7000-8000-0000000000AB ").unwrap();
        assert_eq!(id.as_str(), "0199f3a0-0000-7000-8000-0000000000ab");
        assert!(HostId::parse("gpu-1").is_err());
    }

    #[test]
    fn a_clone_is_told_from_its_original() {
        let id = HostId::random();
        assert!(!id.is_clone());
        assert!(id.of_clone(2).is_clone());
        assert!(id.of_clone(2).as_str().ends_with("~2"));
        assert!(HostId::parse(id.of_clone(2).as_str()).is_err());
    }
}
