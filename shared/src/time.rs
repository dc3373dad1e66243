//! Wall-clock instants as they are written down: RFC 3339, UTC, milliseconds.
//!
//! They are data for people. Liveness is judged by monotonic clocks alone.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A wall-clock instant, milliseconds since the Unix epoch. JSON: `"2026-11-20T10:00:00.000Z"`;
/// any RFC 3339 offset and precision is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is no RFC 3339 instant.
#[derive(Debug, thiserror::Error)]
#[error("expected an RFC 3339 instant such as 2026-11-20T10:00:00Z")]
pub struct NotAnInstant;

impl Timestamp {
    /// The wall clock, read here and nowhere else.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`, negative where `self` is before it.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = self.0.clamp(
            jiff::Timestamp::MIN.as_millisecond() + 1,
            jiff::Timestamp::MAX.as_millisecond(),
        );
        match jiff::Timestamp::from_millisecond(clamped) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => f.write_str("1970-01-01T00:00:00.000Z"),
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = NotAnInstant;

    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| NotAnInstant)?;
        Ok(Self(instant.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 instant such as 2026-11-20T10:00:00Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_utc_with_milliseconds() {
        let at = Timestamp::from_unix_ms(1_795_168_800_042);
        assert_eq!(at.to_string(), "2026-11-20T10:00:00.042Z");
    }

    #[test]
    fn reads_offsets_and_nine_decimals() {
        let at: Timestamp = "2026-11-20T12:00:00.042123456+02:00".parse().unwrap();
        assert_eq!(at, Timestamp::from_unix_ms(1_795_168_800_042));
    }

    #[test]
    fn reads_the_far_future_of_an_endless_keep_alive() {
        let at: Timestamp = "2318-11-20T12:00:00Z".parse().unwrap();
        assert!(at > Timestamp::now());
    }

    #[test]
    fn words_are_refused() {
        assert!(serde_json::from_str::<Timestamp>("\"tomorrow\"").is_err());
    }

    #[test]
    fn any_number_can_be_written() {
        for ms in [i64::MIN, i64::MAX, 0] {
            assert!(Timestamp::from_unix_ms(ms).to_string().ends_with('Z'));
        }
    }
}
