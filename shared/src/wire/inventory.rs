//! What a host has and rarely changes: system, addresses, GPUs, services, models.

use serde::{Deserialize, Serialize};

use crate::missing::{Missing, MissingReason};
use crate::time::Timestamp;

/// Everything that a host has. A large one is cut into parts, each a whole message: the first
/// carries system, addresses and GPUs, every part carries services, and a service that stands in
/// several parts has its models spread over them. The collector applies them as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inventory {
    /// Which part this is, from 1.
    #[serde(default = "one")]
    pub part: u32,
    /// Of how many.
    #[serde(default = "one")]
    pub parts: u32,
    /// The machine; `null` in later parts.
    #[serde(default)]
    pub system: Option<System>,
    /// The host's addresses, the likeliest first, without brackets or zone.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What is known of each of them, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address_details: Vec<Address>,
    /// `[]`: no GPU. `null`: cannot tell, and `missing.gpus` says why.
    #[serde(default)]
    pub gpus: Option<Vec<Gpu>>,
    /// The model servers that were found.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Why a field is `null`.
    #[serde(default, skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

fn one() -> u32 {
    1
}

/// The machine and its operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct System {
    /// Name and version, `Debian 12`.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// As the processor calls itself.
    pub cpu_model: Option<String>,
    /// Logical processors.
    pub cpu_cores: Option<u32>,
    /// Memory that the kernel manages.
    pub memory_total_bytes: Option<u64>,
    /// When the kernel started.
    pub boot_time: Option<Timestamp>,
    /// What the agent runs in, where it is no whole machine: `docker`, `podman`, `lxc`; an open
    /// word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// One address of a host, and how far it reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Address {
    /// Without brackets or zone.
    pub address: String,
    /// The interface that has it.
    pub interface: Option<String>,
    /// How far it reaches.
    pub scope: Scope,
    /// The socket to the collector has it as its own end.
    #[serde(skip_serializing_if = "is_false")]
    pub is_own_end: bool,
}

/// How far an address reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Anywhere.
    Global,
    /// A private network: RFC 1918, or a unique local address of RFC 4193.
    Private,
    /// A provider's own network, RFC 6598; some tunnels use it too.
    Shared,
    /// One link: RFC 3927, RFC 4291.
    LinkLocal,
    /// Containers or virtual machines of this host.
    Container,
    /// It cannot be told, or a word of a later version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One GPU, as far as it does not move.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gpu {
    /// The vendor's unique id, `GPU-5f…`.
    pub id: String,
    /// The driver's index.
    pub index: u32,
    /// Who made it.
    #[serde(default)]
    pub vendor: Vendor,
    /// Product name.
    pub name: String,
    /// Driver version.
    #[serde(default)]
    pub driver: Option<String>,
    /// Whether its memory is its own.
    #[serde(default)]
    pub memory_kind: MemoryKind,
    /// Memory in all.
    #[serde(default)]
    pub memory_total_bytes: Option<u64>,
    /// Enforced power limit.
    #[serde(default)]
    pub power_limit_watts: Option<f64>,
    /// The newest CUDA that the driver serves, `13.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_version: Option<String>,
    /// What the multiprocessors can, `9.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Where it sits, `0000:01:00.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci_address: Option<String>,
    /// The fastest link that card and slot can have: generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie_generation_max: Option<u32>,
    /// The widest link that card and slot can have: lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie_width_max: Option<u32>,
    /// Whether its memory corrects errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecc_enabled: Option<bool>,
    /// Whether it is cut into instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig_enabled: Option<bool>,
    /// The instances that it is cut into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mig: Vec<MigInstance>,
    /// Why a field is `null`.
    #[serde(default, skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// A part of a GPU that programs see as a device (Multi-Instance GPU,
/// <https://docs.nvidia.com/datacenter/tesla/mig-user-guide/>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MigInstance {
    /// `MIG-…`.
    pub id: String,
    /// Its place among the instances of its GPU.
    pub index: u32,
    /// How it was cut, `1g.18gb`.
    pub profile: Option<String>,
    /// The GPU instance that it is a part of.
    pub gpu_instance: Option<u32>,
    /// The compute instance within that.
    pub compute_instance: Option<u32>,
    /// Memory in all.
    pub memory_total_bytes: Option<u64>,
}

/// Who made a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// NVIDIA.
    #[default]
    Nvidia,
    /// A vendor that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Whose memory a GPU uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Its own.
    #[default]
    Dedicated,
    /// The host's.
    Unified,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A model server that an agent found on its host. (address, port) names it within the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Service {
    /// `ollama` and kin; an open word.
    pub kind: String,
    /// The address on which it listens: `127.0.0.1`, `0.0.0.0`, `::`, `192.168.1.7`.
    pub address: String,
    /// The port on which it listens.
    pub port: u16,
    /// The server's version.
    #[serde(default)]
    pub version: Option<String>,
    /// What it does.
    pub state: ServiceState,
    /// How `state` was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_told_by: Option<ToldBy>,
    /// Whether it wants a credential before it tells anything. `null`: cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks_credential: Option<bool>,
    /// The systemd unit that runs it, `ollama.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container that it runs in: its id, as far as the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The GPUs on which its processes hold memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu_ids: Vec<String>,
    /// What the last failed probe said.
    #[serde(default)]
    pub last_error: Option<String>,
    /// Installed models, and loaded ones that are not installed.
    #[serde(default)]
    pub models: Vec<Model>,
    /// How many more models there were than the limit lets through.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub models_left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(super) fn is_false(it_is: &bool) -> bool {
    !it_is
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// How an agent knows what a model server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// The server's own lists of models, and how fast they came.
    Api,
    /// The processes in which it runs models were asked: exact.
    Runner,
    /// Its counters of requests: exact.
    Metrics,
    /// That a process for a model is there which no list names yet.
    Processes,
    /// A way of a later version.
    #[serde(other)]
    Unknown,
}

/// What a model server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It answers, and nothing is loaded.
    Idle,
    /// At least one model is loaded.
    Resident,
    /// A model is being loaded.
    Loading,
    /// It answers, but works on a request or a transition.
    Busy,
    /// Its process lives, but it has not answered for 30 s.
    Hung,
    /// Nothing listens.
    Down,
    /// It cannot be told, or a state of a later version; judged as alive.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A model on a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Model {
    /// `llama3.1:8b`.
    pub name: String,
    /// Hex, without `sha256:`.
    pub digest: Option<String>,
    /// On disk.
    pub size_bytes: Option<u64>,
    /// `8.0B`.
    pub parameters: Option<String>,
    /// `Q4_K_M`.
    pub quantization: Option<String>,
    /// `llama`.
    pub family: Option<String>,
    /// What the model can take, tokens.
    pub context_length: Option<u64>,
    /// `completion`, `tools`, `vision`; open words.
    pub capabilities: Vec<String>,
    /// In VRAM or RAM.
    pub warm: bool,
    /// On its way into VRAM or RAM.
    #[serde(skip_serializing_if = "is_false")]
    pub loading: bool,
    /// In VRAM, as the server claims.
    pub vram_bytes: Option<u64>,
    /// What it was loaded with, tokens.
    pub loaded_context_length: Option<u64>,
    /// When the server means to unload it. Moves at every use: a change of it alone is no change.
    pub expires_at: Option<Timestamp>,
    /// `forever` where the server means to keep it loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// It runs elsewhere; nothing of it is on this host.
    pub remote: bool,
}

impl Inventory {
    /// An inventory in one part, before anything is known.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            part: 1,
            parts: 1,
            system: None,
            addresses: Vec::new(),
            address_details: Vec::new(),
            gpus: None,
            services: Vec::new(),
            missing: Missing::from([("gpus".to_owned(), MissingReason::CannotTell)]),
        }
    }
}
