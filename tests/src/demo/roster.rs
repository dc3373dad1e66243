//! Which hosts there are: a mix of 24, which larger fleets repeat with other numbers.

use super::hardware::{
    ARM, CPU_ONLY, Chassis, EIGHT_A100, EIGHT_H200, FOUR_A100, ONE_4090, TWO_4090,
};
use super::models::{
    BGE_M3, DEEPSEEK_R1_70B, DEEPSEEK_R1_671B, GEMMA3_4B, GEMMA3_27B, GGUF_QWEN3_30B, GPT_OSS_20B,
    GPT_OSS_120B, LLAMA31_8B, LLAMA33_70B, MISTRAL_SMALL_24B, NOMIC_EMBED, PHI4_14B, Published,
    QWEN3_8B, QWEN3_32B, QWEN3_235B, QWEN3_CODER_30B, QWEN25_CODER_7B, VLLM_LLAMA33_70B,
    VLLM_QWEN3_235B,
};

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ollama,
    Vllm,
    LlamaCpp,
}

/// A model server as it is set up.
#[derive(Debug)]
pub(super) struct ServerPlan {
    pub(super) kind: Kind,
    pub(super) address: &'static str,
    pub(super) port: u16,
    pub(super) version: &'static str,
    pub(super) unit: &'static str,
    /// The GPUs that it may use: from, and up to.
    pub(super) gpus: (usize, usize),
    /// What lies on it; what stands first is used most.
    pub(super) models: &'static [&'static Published],
}

/// A host as it is bought and set up.
#[derive(Debug)]
pub(super) struct Profile {
    base: &'static str,
    pub(super) chassis: &'static Chassis,
    pub(super) role: &'static str,
    team: &'static str,
    pub(super) servers: &'static [ServerPlan],
}

/// A host of the fleet.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) profile: &'static Profile,
}

const ANYWHERE: &str = "::";
const LOOPBACK: &str = "127.0.0.1";

const LARGE: &[&Published] = &[
    GPT_OSS_120B,
    DEEPSEEK_R1_671B,
    LLAMA33_70B,
    QWEN3_32B,
    QWEN3_235B,
    NOMIC_EMBED,
    DEEPSEEK_R1_70B,
];
const MIDDLE: &[&Published] = &[
    QWEN3_32B,
    LLAMA33_70B,
    GPT_OSS_120B,
    MISTRAL_SMALL_24B,
    LLAMA31_8B,
    GEMMA3_27B,
    NOMIC_EMBED,
    GPT_OSS_20B,
];
const CODE: &[&Published] = &[QWEN3_CODER_30B, GPT_OSS_20B, QWEN25_CODER_7B, BGE_M3];
const DESK: &[&Published] =
    &[GPT_OSS_20B, LLAMA31_8B, QWEN3_8B, MISTRAL_SMALL_24B, QWEN25_CODER_7B, PHI4_14B];
const SMALL: &[&Published] = &[NOMIC_EMBED, GEMMA3_4B, BGE_M3, LLAMA31_8B];

const fn ollama(gpus: (usize, usize), models: &'static [&'static Published]) -> ServerPlan {
    ServerPlan {
        kind: Kind::Ollama,
        address: ANYWHERE,
        port: 11_434,
        version: "0.33.0",
        unit: "ollama.service",
        gpus,
        models,
    }
}

/// A second one, a version ahead.
const fn second(gpus: (usize, usize), models: &'static [&'static Published]) -> ServerPlan {
    let (version, unit) = ("0.34.0", "ollama-canary.service");
    ServerPlan { port: 11_435, version, unit, ..ollama(gpus, models) }
}

const fn vllm(gpus: (usize, usize), models: &'static [&'static Published]) -> ServerPlan {
    let (kind, version, unit) = (Kind::Vllm, "0.11.2", "vllm.service");
    ServerPlan { kind, address: "0.0.0.0", port: 8_000, version, unit, gpus, models }
}

const fn llamacpp(gpus: (usize, usize), models: &'static [&'static Published]) -> ServerPlan {
    let (kind, version, unit) = (Kind::LlamaCpp, "b7140", "llama-server.service");
    ServerPlan { kind, address: "0.0.0.0", port: 8_080, version, unit, gpus, models }
}

const fn host(
    base: &'static str,
    chassis: &'static Chassis,
    role: &'static str,
    team: &'static str,
    servers: &'static [ServerPlan],
) -> Profile {
    Profile { base, chassis, role, team, servers }
}

/// The mix. Names that begin alike are numbered in this order.
static MIX: [Profile; 24] = [
    host("fra-h200", &EIGHT_H200, "worker", "platform", {
        &[ollama((4, 8), LARGE), vllm((0, 4), &[VLLM_QWEN3_235B])]
    }),
    host("fra-a100", &EIGHT_A100, "worker", "platform", {
        &[ollama((4, 8), MIDDLE), vllm((0, 4), &[VLLM_LLAMA33_70B])]
    }),
    host("lab-4090", &TWO_4090, "worker", "research", {
        &[ollama((0, 1), DESK), second((1, 2), CODE)]
    }),
    host("edge-cpu", &CPU_ONLY, "worker", "search", &[ollama((0, 0), SMALL)]),
    host("fra-h200", &EIGHT_H200, "worker", "platform", {
        &[ollama((0, 6), LARGE), second((6, 8), CODE)]
    }),
    host("ams-a100", &FOUR_A100, "worker", "search", {
        &[ollama((0, 3), MIDDLE), second((3, 4), CODE)]
    }),
    host("desk-4090", &ONE_4090, "workstation", "research", {
        &[ServerPlan { address: LOOPBACK, ..ollama((0, 1), DESK) }]
    }),
    host("fra-a100", &EIGHT_A100, "worker", "platform", {
        &[ollama((0, 4), MIDDLE), second((4, 8), CODE)]
    }),
    host("fra-h200", &EIGHT_H200, "canary", "platform", {
        &[ServerPlan { version: "0.32.1", ..ollama((0, 8), LARGE) }]
    }),
    host("ams-a100", &FOUR_A100, "worker", "search", {
        &[ollama((0, 2), MIDDLE), llamacpp((2, 3), &[GGUF_QWEN3_30B])]
    }),
    host("lab-4090", &TWO_4090, "worker", "research", &[ollama((0, 2), DESK)]),
    host("edge-arm", &ARM, "worker", "search", &[ollama((0, 0), SMALL)]),
    host("ams-h200", &EIGHT_H200, "worker", "platform", {
        &[ollama((0, 4), LARGE), second((4, 8), MIDDLE)]
    }),
    host("fra-a100", &EIGHT_A100, "worker", "assistants", &[ollama((0, 8), MIDDLE)]),
    host("desk-4090", &ONE_4090, "workstation", "research", {
        &[ServerPlan { address: LOOPBACK, version: "0.12.3", ..ollama((0, 1), DESK) }]
    }),
    host("lab-4090", &TWO_4090, "worker", "research", &[ollama((0, 2), DESK)]),
    host("ams-a100", &FOUR_A100, "staging", "assistants", &[ollama((0, 4), MIDDLE)]),
    host("fra-a100", &EIGHT_A100, "canary", "assistants", {
        &[ServerPlan { version: "0.32.1", ..ollama((0, 8), MIDDLE) }]
    }),
    host("edge-cpu", &CPU_ONLY, "worker", "search", &[ollama((0, 0), SMALL)]),
    host("lab-4090", &TWO_4090, "staging", "research", &[ollama((0, 2), CODE)]),
    host("ams-a100", &FOUR_A100, "worker", "assistants", &[ollama((0, 4), MIDDLE)]),
    host("desk-4090", &ONE_4090, "workstation", "assistants", &[ollama((0, 1), DESK)]),
    host("lab-4090", &TWO_4090, "worker", "research", &[ollama((0, 2), DESK)]),
    host("edge-cpu", &CPU_ONLY, "staging", "search", {
        &[ServerPlan { address: LOOPBACK, ..ollama((0, 0), SMALL) }]
    }),
];

/// A fleet of `n_hosts`.
pub(super) fn slots(n_hosts: usize) -> Vec<Slot> {
    (0..n_hosts).map(slot).collect()
}

fn slot(index: usize) -> Slot {
    let (round, place) = (index / MIX.len(), index % MIX.len());
    let profile = &MIX[place];
    let alike = |profiles: &[Profile]| profiles.iter().filter(|p| p.base == profile.base).count();
    let number = round * alike(&MIX) + alike(&MIX[..place]) + 1;
    Slot { index, name: format!("{}-{number:02}", profile.base), profile }
}

impl Slot {
    /// What its agent says of where it stands and whose it is.
    pub(super) fn labels(&self) -> [(&'static str, String); 3] {
        let zone = match self.site() {
            "fra" => "eu-central",
            "ams" => "eu-west",
            "edge" => "edge",
            _ => "office",
        };
        let rack = format!("{}{}", &self.site()[..1], self.index / 4 + 1);
        [("zone", zone.to_owned()), ("rack", rack), ("team", self.profile.team.to_owned())]
    }

    fn site(&self) -> &'static str {
        self.profile.base.split_once('-').map_or("", |(site, _)| site)
    }

    /// Its address, which no other host has, and the same once more for version 6.
    pub(super) fn addresses(&self) -> [String; 2] {
        let network = match self.site() {
            "fra" => 20,
            "ams" => 21,
            "edge" => 30,
            _ => 40,
        };
        let (high, low) = (self.index / 200, self.index % 200 + 11);
        [format!("10.{network}.{high}.{low}"), format!("fd42:{network}::{high:x}:{low:x}")]
    }

    /// Whether it has GPUs, and more than this many.
    pub(super) fn has_more_gpus_than(&self, n_gpus: u32) -> bool {
        self.profile.chassis.n_gpus > n_gpus
    }

    /// Whether this model lies on one of its servers from the start.
    pub(super) fn has(&self, model: &Published) -> bool {
        self.profile.servers.iter().any(|server| server.models.contains(&model))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::hardware::{A100, H200, RTX4090};
    use super::*;

    #[test]
    fn every_host_has_a_name_and_an_address_of_its_own() {
        let slots = slots(3_000);
        let names: BTreeSet<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        let addresses: BTreeSet<String> = slots.iter().flat_map(Slot::addresses).collect();
        assert_eq!((names.len(), addresses.len()), (3_000, 6_000));
        for address in addresses {
            assert!(address.parse::<std::net::IpAddr>().is_ok(), "{address}");
        }
    }

    #[test]
    fn the_mix_has_each_kind_of_gpu_and_several_hosts_with_two_ollamas() {
        let slots = slots(24);
        let card = |slot: &Slot| slot.profile.chassis.card.map(|card| card.name);
        let n_with = |name| slots.iter().filter(|slot| card(slot) == name).count();
        let [h200, a100, rtx4090] = [&H200, &A100, &RTX4090].map(|card| n_with(Some(card.name)));
        assert_eq!((h200, a100, rtx4090, n_with(None)), (4, 8, 8, 4));
        let n_of = |kind| {
            move |slot: &&Slot| slot.profile.servers.iter().filter(|s| s.kind == kind).count()
        };
        assert_eq!(slots.iter().filter(|slot| n_of(Kind::Ollama)(slot) == 2).count(), 5);
        assert_eq!(slots.iter().filter(|slot| n_of(Kind::Vllm)(slot) == 1).count(), 2);
    }

    #[test]
    fn servers_share_no_gpu_and_every_model_fits_onto_its_server() {
        for profile in &MIX {
            let chassis = profile.chassis;
            let mut taken = BTreeSet::new();
            for server in profile.servers {
                let (from, to) = server.gpus;
                assert!(to <= chassis.n_gpus as usize, "{}", profile.base);
                assert!((from..to).all(|gpu| taken.insert(gpu)), "{}", profile.base);
                let free = |card: &super::super::hardware::Card| {
                    (to - from) as u64 * (card.memory_bytes - card.reserved_bytes - (1 << 30))
                };
                let room = chassis.card.map_or(chassis.memory_bytes, free);
                for model in server.models {
                    assert!(model.loaded_bytes() < room, "{} on {}", model.name, profile.base);
                }
            }
        }
    }
}
