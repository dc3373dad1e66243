//! A family of series: its name, what it means, and how it is read from what it is about. It is
//! written together, since that is what the text format asks for.

use herdbook_shared::time::Timestamp;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the collector starts anew or its subject goes.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    /// The word in the text format.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(u64),
    /// Any other.
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(holds: bool) -> Self {
        Self::Whole(holds.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// A share: 1 is all of it. Hundredths of a percent are more than anything here is good for.
#[must_use]
pub fn ratio(percent: f64) -> Number {
    Number::Real((percent * 100.0).round() / 10_000.0)
}

/// Seconds of a number of milliseconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^53")]
pub fn seconds(ms: u64) -> Number {
    Number::Real(ms as f64 / 1000.0)
}

/// Seconds since the epoch of Unix.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^53")]
pub fn unix_seconds(at: Timestamp) -> Number {
    Number::Real(at.unix_ms() as f64 / 1000.0)
}

/// What a family says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name, as it is asked for.
    pub name: &'static str,
    /// What its numbers are.
    pub kind: Kind,
    /// What it means, in one line.
    pub help: &'static str,
}

/// A family over subjects of one type. What is missing has no sample: never 0, never the last one.
#[derive(Clone, Copy, Debug)]
pub struct Family<T> {
    /// What it says of itself.
    pub about: About,
    /// How it is read.
    pub read: Read<T>,
}

/// How a family is read from its subject.
#[derive(Clone, Copy, Debug)]
pub enum Read<T> {
    /// One sample.
    One(fn(&T) -> Option<Number>),
    /// One sample for each value of a further label.
    By(&'static str, fn(&T) -> Vec<(&'static str, Number)>),
    /// One sample of value 1, whose further labels tell.
    Info(&'static [&'static str], for<'a> fn(&'a T) -> Option<Vec<&'a str>>),
}

impl<T> Read<T> {
    /// The labels that it adds to those of its subject.
    #[must_use]
    pub fn labels(&self) -> &[&'static str] {
        match self {
            Self::One(_) => &[],
            Self::By(label, _) => std::slice::from_ref(label),
            Self::Info(labels, _) => labels,
        }
    }
}

/// What goes up and down.
#[must_use]
pub const fn gauge<T>(
    name: &'static str,
    help: &'static str,
    read: fn(&T) -> Option<Number>,
) -> Family<T> {
    Family { about: About { name, kind: Kind::Gauge, help }, read: Read::One(read) }
}

/// What only grows.
#[must_use]
pub const fn counter<T>(
    name: &'static str,
    help: &'static str,
    read: fn(&T) -> Option<Number>,
) -> Family<T> {
    Family { about: About { name, kind: Kind::Counter, help }, read: Read::One(read) }
}

/// What goes up and down, for each value of a label.
#[must_use]
pub const fn gauge_by<T>(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    read: fn(&T) -> Vec<(&'static str, Number)>,
) -> Family<T> {
    Family { about: About { name, kind: Kind::Gauge, help }, read: Read::By(label, read) }
}

/// What only grows, for each value of a label.
#[must_use]
pub const fn counter_by<T>(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    read: fn(&T) -> Vec<(&'static str, Number)>,
) -> Family<T> {
    Family { about: About { name, kind: Kind::Counter, help }, read: Read::By(label, read) }
}

/// Words rather than a number.
#[must_use]
pub const fn info<T>(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    read: for<'a> fn(&'a T) -> Option<Vec<&'a str>>,
) -> Family<T> {
    Family { about: About { name, kind: Kind::Gauge, help }, read: Read::Info(labels, read) }
}
