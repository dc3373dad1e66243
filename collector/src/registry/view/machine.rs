//! The machine and its addresses, as they are told to the outside.

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{Address, Scope, System};
use serde::Serialize;

use super::missing::{Reasons, give_reasons};

/// The machine and its operating system.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "System")]
#[expect(missing_docs, reason = "the fields of the wire's system, documented there")]
pub struct SystemView<'a> {
    pub os: &'a str,
    pub kernel: &'a str,
    pub arch: &'a str,
    pub cpu_model: Option<&'a str>,
    pub cpu_cores: Option<u32>,
    pub memory_total_bytes: Option<u64>,
    pub boot_time: Option<Timestamp>,
    /// `null` with the reason `not_supported`: it runs in none.
    pub container: Option<&'a str>,
    pub missing: Reasons<'a>,
}

impl<'a> SystemView<'a> {
    /// Of a machine; `missing` is what its agent says of its facts.
    #[must_use]
    pub fn of(system: &'a System, missing: &'a Missing) -> Self {
        let mut view = Self {
            os: &system.os,
            kernel: &system.kernel,
            arch: &system.arch,
            cpu_model: system.cpu_model.as_deref(),
            cpu_cores: system.cpu_cores,
            memory_total_bytes: system.memory_total_bytes,
            boot_time: system.boot_time,
            container: system.container.as_deref(),
            missing: Reasons::new(),
        };
        give_reasons!(view, MissingReason::NotSupported, [container]);
        give_reasons!(
            view,
            MissingReason::CannotTell,
            [cpu_model, cpu_cores, memory_total_bytes, boot_time]
        );
        for (field, why) in missing {
            let field = field.strip_prefix("system.").unwrap_or(field);
            view.missing.entry(field).and_modify(|reason| *reason = *why);
        }
        view
    }
}

/// One address, and how far it reaches.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Address")]
#[expect(missing_docs, reason = "the fields of the wire's address, documented there")]
pub struct AddressView<'a> {
    pub address: &'a str,
    pub interface: Option<&'a str>,
    pub scope: Scope,
    pub is_own_end: bool,
    pub missing: Reasons<'static>,
}

impl<'a> AddressView<'a> {
    /// Of an address.
    #[must_use]
    pub fn of(address: &'a Address) -> Self {
        let mut view = Self {
            address: &address.address,
            interface: address.interface.as_deref(),
            scope: address.scope,
            is_own_end: address.is_own_end,
            missing: Reasons::new(),
        };
        give_reasons!(view, MissingReason::CannotTell, [interface]);
        view
    }
}
