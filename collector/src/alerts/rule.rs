//! Of what a person is alerted: the rules by their words, and how each is set unless the
//! configuration says otherwise.

use std::time::Duration;

use crate::registry::finding::Severity;
use crate::registry::service::Word;

/// A rule. Its word is the `rule` of an alert, and its table in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(rename = "AlertRule", rename_all = "snake_case")]
pub enum Rule {
    /// A host is offline, and nobody said that it may be.
    HostOffline,
    /// A service is down.
    ServiceDown,
    /// A service does not answer, but may live.
    ServiceUnhealthy,
    /// A service that beats was silent for so long that it is no longer listed.
    ServiceDeregistered,
    /// A service of which one of these two was told is well again.
    ServiceRecovered,
    /// A GPU fell off the bus.
    GpuLost,
    /// A GPU is too hot.
    GpuHot,
    /// A disk of a host is nearly full.
    DiskNearlyFull,
    /// The memory of a GPU is nearly full.
    VramNearlyFull,
    /// Two machines use one identity.
    DuplicateIdentity,
    /// A large part of the fleet went at once.
    MassEvent,
    /// The disk of the collector's database is full.
    CollectorDiskFull,
}

/// From which value on a rule holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Its key in the configuration, which ends in its unit.
    pub key: &'static str,
    /// Its value unless the configuration has another.
    pub default: f64,
    /// The largest that makes sense.
    pub max: f64,
    /// What is expected, in words.
    pub expected: &'static str,
}

impl Word for Rule {
    const ALL: &'static [Self] = &[
        Self::HostOffline,
        Self::ServiceDown,
        Self::ServiceUnhealthy,
        Self::ServiceDeregistered,
        Self::ServiceRecovered,
        Self::GpuLost,
        Self::GpuHot,
        Self::DiskNearlyFull,
        Self::VramNearlyFull,
        Self::DuplicateIdentity,
        Self::MassEvent,
        Self::CollectorDiskFull,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::HostOffline => "host_offline",
            Self::ServiceDown => "service_down",
            Self::ServiceUnhealthy => "service_unhealthy",
            Self::ServiceDeregistered => "service_deregistered",
            Self::ServiceRecovered => "service_recovered",
            Self::GpuLost => "gpu_lost",
            Self::GpuHot => "gpu_hot",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::VramNearlyFull => "vram_nearly_full",
            Self::DuplicateIdentity => "duplicate_identity",
            Self::MassEvent => "mass_event",
            Self::CollectorDiskFull => "collector_disk_full",
        }
    }
}

impl Rule {
    /// Whether it is on. Full VRAM is what VRAM is for, and a service that does not answer is down
    /// soon enough.
    #[must_use]
    pub fn is_on(self) -> bool {
        !matches!(self, Self::VramNearlyFull | Self::ServiceUnhealthy)
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::HostOffline
            | Self::GpuLost
            | Self::DuplicateIdentity
            | Self::MassEvent
            | Self::CollectorDiskFull => Severity::Critical,
            Self::ServiceRecovered => Severity::Info,
            _ => Severity::Warning,
        }
    }

    /// For how long it must hold first; `None` for what is over as soon as it begins.
    #[must_use]
    pub fn holds_for(self) -> Option<Duration> {
        match self {
            Self::ServiceRecovered => None,
            Self::HostOffline | Self::VramNearlyFull => Some(Duration::from_mins(5)),
            Self::GpuHot | Self::ServiceUnhealthy | Self::DiskNearlyFull => {
                Some(Duration::from_mins(1))
            }
            _ => Some(Duration::ZERO),
        }
    }

    /// From which value on, where it has one.
    #[must_use]
    pub fn threshold(self) -> Option<Threshold> {
        let share = Threshold {
            key: "used_percent",
            default: 95.0,
            max: 100.0,
            expected: "a percentage above 0 and at most 100, such as 95",
        };
        match self {
            Self::GpuHot => Some(Threshold {
                key: "celsius",
                default: 90.0,
                max: 200.0,
                expected: "degrees Celsius above 0 and at most 200, such as 90",
            }),
            Self::DiskNearlyFull | Self::VramNearlyFull => Some(share),
            _ => None,
        }
    }
}
