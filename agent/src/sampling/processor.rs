//! What the processor calls itself, from `/proc/cpuinfo`. On Arm it has numbers only; those of
//! processors that stand beside GPUs are put into words.

use super::word::word;

/// Names of Arm's own designs (Main ID Register, part number).
const ARM_PARTS: [(&str, &str); 14] = [
    ("0xd03", "Cortex-A53"),
    ("0xd05", "Cortex-A55"),
    ("0xd08", "Cortex-A72"),
    ("0xd0b", "Cortex-A76"),
    ("0xd0c", "Neoverse-N1"),
    ("0xd40", "Neoverse-V1"),
    ("0xd42", "Cortex-A78AE"),
    ("0xd49", "Neoverse-N2"),
    ("0xd4f", "Neoverse-V2"),
    ("0xd81", "Cortex-A720"),
    ("0xd84", "Neoverse-V3"),
    ("0xd85", "Cortex-X925"),
    ("0xd87", "Cortex-A725"),
    ("0xd8e", "Neoverse-N3"),
];
const ARM: &str = "0x41";

/// The model of all processors; `A + B` where two kinds work together.
pub(super) fn model(cpuinfo: &str) -> Option<String> {
    let field = |key| cpuinfo.lines().find_map(|line| value(line, key));
    let named = field("model name").or_else(|| field("cpu model"));
    // POWER says `cpu : POWER9`, and RISC-V `uarch : sifive,u74`.
    let named = named.or_else(|| field("cpu")).or_else(|| field("uarch")).map(str::to_owned);
    named.or_else(|| arm(cpuinfo)).map(|name| word(&name)).filter(|name| !name.is_empty())
}

/// The architecture, as far as the file's own words tell.
pub(super) fn architecture(cpuinfo: &str) -> Option<&'static str> {
    let has = |key: &str| cpuinfo.lines().any(|line| value(line, key).is_some());
    match () {
        () if has("vendor_id") => Some("x86_64"),
        () if has("CPU implementer") => Some("aarch64"),
        () if has("hart") => Some("riscv64"),
        () if cpuinfo.contains("POWER") => Some("ppc64le"),
        () => None,
    }
}

fn arm(cpuinfo: &str) -> Option<String> {
    let implementers = cpuinfo.lines().filter_map(|line| value(line, "CPU implementer"));
    let parts = cpuinfo.lines().filter_map(|line| value(line, "CPU part"));
    let mut names: Vec<&str> = Vec::new();
    for (implementer, part) in implementers.zip(parts) {
        let known = ARM_PARTS.iter().find(|(number, _)| *number == part && implementer == ARM);
        if let Some((_, name)) = known
            && !names.contains(name)
        {
            names.push(name);
        }
    }
    // The faster kind has the greater name, by Arm's habit.
    names.sort_unstable_by(|a, b| b.cmp(a));
    (!names.is_empty()).then(|| names.join(" + "))
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    (found.trim_end() == key).then(|| value.trim()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_own_words() {
        for (text, name, machine) in [
            (
                "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9754\n",
                Some("AMD EPYC 9754"),
                Some("x86_64"),
            ),
            (
                "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd87\n\nprocessor\t: 1\n\
                 CPU implementer\t: 0x41\nCPU part\t: 0xd85\n",
                Some("Cortex-X925 + Cortex-A725"),
                Some("aarch64"),
            ),
            ("CPU implementer\t: 0x4e\nCPU part\t: 0xd4f\n", None, Some("aarch64")),
            (
                "processor\t: 0\ncpu\t\t: POWER9, altivec\n",
                Some("POWER9, altivec"),
                Some("ppc64le"),
            ),
            ("hart : 0\nuarch : sifive,u74\n", Some("sifive,u74"), Some("riscv64")),
            ("", None, None),
            ("model name :\n:\n", None, None),
        ] {
            assert_eq!(model(text).as_deref(), name, "{text}");
            assert_eq!(architecture(text), machine, "{text}");
        }
    }

    #[test]
    fn no_text_panics() {
        proptest::proptest!(|(text in "((CPU (part|implementer)|model name|cpu)?[ \t]?:? ?0?x?[a-z0-9]{0,6}\n){0,8}")| {
            let name = model(&text);
            proptest::prop_assert!(name.is_none_or(|name| !name.is_empty() && name.len() <= 256));
        });
    }
}
