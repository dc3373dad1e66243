//! The models of the fleet: names, sizes and shapes as their makers publish them, and what each
//! takes in memory. A model has the same digest wherever it lies, unless it was published anew.

use herdbook_shared::wire::inventory;

const MIB: u64 = 1 << 20;

/// A model as it is published.
#[derive(Debug, PartialEq)]
pub(super) struct Published {
    pub(super) name: &'static str,
    pub(super) size_bytes: u64,
    parameters: &'static str,
    quantization: &'static str,
    family: &'static str,
    context_length: u64,
    capabilities: &'static [&'static str],
    /// What a thousand tokens of context take in memory, MiB.
    context_mib_per_1k: u64,
}

const CHAT: &[&str] = &["completion", "tools"];
const THINKING: &[&str] = &["completion", "tools", "thinking"];
const SEEING: &[&str] = &["completion", "vision"];
const SEEING_TOOLS: &[&str] = &["completion", "vision", "tools"];
const INSERTING: &[&str] = &["completion", "tools", "insert"];
const EMBEDDING: &[&str] = &["embedding"];

/// With how much of its context a model is loaded, at most, tokens.
const LOADED_CONTEXT: u64 = 32_768;

macro_rules! models {
    ($($constant:ident = $name:literal $size:literal $parameters:literal $quantization:literal
       $family:literal $context:literal $capabilities:ident $mib:literal;)*) => {
        $(pub(super) const $constant: &Published = &Published {
            name: $name, size_bytes: $size, parameters: $parameters, quantization: $quantization,
            family: $family, context_length: $context, capabilities: $capabilities,
            context_mib_per_1k: $mib,
        };)*
        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[&Published] = &[$($constant),*];
    };
}

models! {
    LLAMA31_8B = "llama3.1:8b" 4_920_753_328 "8.0B" "Q4_K_M" "llama" 131_072 CHAT 128;
    LLAMA33_70B = "llama3.3:70b" 42_520_413_916 "70.6B" "Q4_K_M" "llama" 131_072 CHAT 320;
    QWEN3_8B = "qwen3:8b" 5_225_388_164 "8.2B" "Q4_K_M" "qwen3" 40_960 THINKING 144;
    QWEN3_32B = "qwen3:32b" 20_201_253_588 "32.8B" "Q4_K_M" "qwen3" 40_960 THINKING 256;
    QWEN3_CODER_30B = "qwen3-coder:30b" 18_556_688_736 "30.5B" "Q4_K_M" "qwen3moe" 262_144 CHAT 96;
    QWEN25_CODER_7B = "qwen2.5-coder:7b" 4_683_087_332 "7.6B" "Q4_K_M" "qwen2" 32_768 INSERTING 56;
    GPT_OSS_20B = "gpt-oss:20b" 13_793_441_244 "20.9B" "MXFP4" "gptoss" 131_072 THINKING 48;
    GPT_OSS_120B = "gpt-oss:120b" 65_369_818_941 "116.8B" "MXFP4" "gptoss" 131_072 THINKING 72;
    DEEPSEEK_R1_70B = "deepseek-r1:70b" 42_520_413_916 "70.6B" "Q4_K_M" "llama" 131_072 THINKING 320;
    DEEPSEEK_R1_671B = "deepseek-r1:671b" 404_430_188_519 "671.0B" "Q4_K_M" "deepseek2" 163_840 THINKING 70;
    QWEN3_235B = "qwen3:235b" 142_148_004_000 "235.1B" "Q4_K_M" "qwen3moe" 262_144 THINKING 188;
    GEMMA3_27B = "gemma3:27b" 17_396_936_941 "27.4B" "Q4_K_M" "gemma3" 131_072 SEEING 232;
    GEMMA3_4B = "gemma3:4b" 3_338_801_804 "4.3B" "Q4_K_M" "gemma3" 131_072 SEEING 68;
    MISTRAL_SMALL_24B = "mistral-small3.2:24b" 15_177_384_862 "24.0B" "Q4_K_M" "mistral3" 131_072 SEEING_TOOLS 160;
    PHI4_14B = "phi4:14b" 9_053_116_391 "14.7B" "Q4_K_M" "phi3" 16_384 CHAT 200;
    NOMIC_EMBED = "nomic-embed-text:latest" 274_302_450 "137M" "F16" "nomic-bert" 2_048 EMBEDDING 4;
    BGE_M3 = "bge-m3:latest" 1_157_672_605 "566.70M" "F16" "bert" 8_192 EMBEDDING 8;
    VLLM_QWEN3_235B = "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8" 236_000_000_000 "235B" "FP8" "qwen3_moe" 131_072 CHAT 96;
    VLLM_LLAMA33_70B = "meta-llama/Llama-3.3-70B-Instruct" 141_107_000_000 "70.6B" "BF16" "llama" 131_072 CHAT 320;
    GGUF_QWEN3_30B = "Qwen3-30B-A3B-Instruct-2507-Q4_K_M.gguf" 18_556_686_912 "30.5B" "Q4_K_M" "qwen3moe" 262_144 CHAT 96;
}

/// A model that lies on a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Installed {
    pub(super) model: &'static Published,
    /// How often it was published anew before it was pulled.
    pub(super) edition: u32,
}

impl Published {
    /// What it takes in memory once it is loaded: its weights, its context, and room to work.
    pub(super) fn loaded_bytes(&self) -> u64 {
        let context = self.context_length.min(LOADED_CONTEXT);
        self.size_bytes + self.size_bytes / 25 + context / 1_024 * self.context_mib_per_1k * MIB
    }

    /// What is loaded of its context, tokens.
    pub(super) fn loaded_context(&self) -> u64 {
        self.context_length.min(LOADED_CONTEXT)
    }

    /// A digest that depends on nothing but its name and edition.
    fn digest(&self, edition: u32) -> String {
        let mut digest = String::with_capacity(64);
        for part in 0..4_u64 {
            // FNV-1a, with one start for each part.
            let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ (part * 0x9e37 + u64::from(edition));
            for byte in self.name.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            digest.push_str(&format!("{hash:016x}"));
        }
        digest
    }
}

impl Installed {
    pub(super) fn new(model: &'static Published) -> Self {
        Self { model, edition: 0 }
    }

    /// How an Ollama lists it, cold.
    pub(super) fn listed(self) -> inventory::Model {
        let Published { name, size_bytes, parameters, quantization, family, .. } = self.model;
        inventory::Model {
            name: (*name).to_owned(),
            digest: Some(self.model.digest(self.edition)),
            size_bytes: Some(*size_bytes),
            parameters: Some((*parameters).to_owned()),
            quantization: Some((*quantization).to_owned()),
            family: Some((*family).to_owned()),
            context_length: Some(self.model.context_length),
            capabilities: self.model.capabilities.iter().map(ToString::to_string).collect(),
            ..inventory::Model::default()
        }
    }

    /// How a server lists it that serves this one model and tells little of it.
    pub(super) fn served(self) -> inventory::Model {
        inventory::Model {
            name: self.model.name.to_owned(),
            context_length: Some(self.model.context_length),
            warm: true,
            keep: Some("forever".to_owned()),
            ..inventory::Model::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edition_of_each_model_has_a_digest_of_its_own() {
        let mut digests: Vec<String> = Vec::new();
        for model in ALL {
            for edition in 0..3 {
                let digest = model.digest(edition);
                assert_eq!(digest.len(), 64);
                assert!(!digests.contains(&digest), "{} {edition}", model.name);
                digests.push(digest);
            }
        }
    }

    #[test]
    fn a_loaded_model_takes_more_than_its_file_and_less_than_twice_as_much() {
        for model in ALL {
            let loaded = model.loaded_bytes();
            assert!(loaded > model.size_bytes && loaded < 2 * model.size_bytes, "{}", model.name);
        }
    }
}
