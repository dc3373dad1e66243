//! The bounds of each message, held where it comes in. What passes here can be stored, counted
//! and shown without another thought about its size.

mod detail;

use crate::limits;
use crate::missing::Missing;

use super::enrol::Knock;
use super::hello::Hello;
use super::inventory::{Address, Gpu, Inventory, MigInstance, Model, Service, System};
use super::sample::{GpuProcess, GpuSample, Sample};

/// A value that breaks a bound: which field, and what was expected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct OutOfBounds {
    /// The field's path, `gpus[].name`.
    pub field: &'static str,
    /// What would have been right.
    pub expected: String,
}

type Checked = Result<(), OutOfBounds>;

fn refuse(field: &'static str, expected: String) -> Checked {
    Err(OutOfBounds { field, expected })
}

fn text(field: &'static str, text: &str, max_bytes: usize) -> Checked {
    if text.len() > max_bytes {
        return refuse(field, format!("at most {max_bytes} bytes"));
    }
    if text.chars().any(breaks_lines) {
        return refuse(field, "no control characters".to_owned());
    }
    Ok(())
}

fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn word(field: &'static str, word: &str) -> Checked {
    text(field, word, limits::WORD_BYTES)
}

fn name(field: &'static str, name: &str) -> Checked {
    if name.trim().is_empty() {
        return refuse(field, "a name".to_owned());
    }
    word(field, name)
}

fn some_word(field: &'static str, maybe: Option<&String>) -> Checked {
    maybe.map_or(Ok(()), |text| word(field, text))
}

fn count(field: &'static str, n: usize, max: usize) -> Checked {
    if n > max { refuse(field, format!("at most {max}, not {n}")) } else { Ok(()) }
}

fn bytes(field: &'static str, value: Option<u64>) -> Checked {
    match value {
        Some(n) if n > limits::BYTES_MAX => refuse(field, "less than 2^53 bytes".to_owned()),
        _ => Ok(()),
    }
}

fn quantity(field: &'static str, value: Option<f64>, max: f64) -> Checked {
    match value {
        Some(x) if !(0.0..=max).contains(&x) => refuse(field, format!("0 to {max}, not {x}")),
        _ => Ok(()),
    }
}

fn celsius(field: &'static str, value: Option<f64>) -> Checked {
    match value {
        Some(x) if !(-300.0..=1000.0).contains(&x) => refuse(field, "-300 to 1000".to_owned()),
        _ => Ok(()),
    }
}

fn missing(field: &'static str, missing: &Missing) -> Checked {
    count(field, missing.len(), limits::MISSING)?;
    missing.keys().try_for_each(|key| word(field, key))
}

/// Percentages of one thing may overshoot by rounding.
const PERCENT_MAX: f64 = 101.0;

impl Hello {
    /// Holds the bounds of a hello, all but the spelling of `host_id`.
    ///
    /// # Errors
    ///
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        name("name", &self.name)?;
        word("host_id", &self.host_id)?;
        word("boot_id", &self.boot_id)?;
        word("agent_version", &self.agent_version)?;
        word("role", &self.role)?;
        count("capabilities", self.capabilities.len(), limits::CAPABILITIES)?;
        self.capabilities.iter().try_for_each(|c| word("capabilities[]", c))?;
        count("labels", self.labels.len(), limits::LABELS)?;
        for (key, value) in &self.labels {
            name("labels", key)?;
            word("labels", value)?;
        }
        let interval = limits::SAMPLE_INTERVAL_MS_MAX;
        if self.sample_interval_ms > interval {
            return refuse("sample_interval_ms", format!("at most {interval}"));
        }
        let token = self.proof.as_ref().and_then(|proof| proof.token.as_ref());
        some_word("proof.token", token)
    }
}

impl Knock {
    /// Holds the bounds of a knock.
    ///
    /// # Errors
    ///
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        name("name", &self.name)
    }
}

impl Inventory {
    /// Holds the bounds of one part; those of the whole are held where parts are joined.
    ///
    /// # Errors
    ///
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        if self.parts == 0 || self.parts > limits::INVENTORY_PARTS {
            return refuse("parts", format!("1 to {}", limits::INVENTORY_PARTS));
        }
        if self.part == 0 || self.part > self.parts {
            return refuse("part", "1 to parts".to_owned());
        }
        if let Some(system) = &self.system {
            system.check()?;
        }
        count("addresses", self.addresses.len(), limits::ADDRESSES)?;
        self.addresses.iter().try_for_each(|a| word("addresses[]", a))?;
        count("address_details", self.address_details.len(), limits::ADDRESSES)?;
        self.address_details.iter().try_for_each(Address::check)?;
        let gpus = self.gpus.as_deref().unwrap_or_default();
        count("gpus", gpus.len(), limits::GPUS)?;
        gpus.iter().try_for_each(Gpu::check)?;
        count("services", self.services.len(), limits::SERVICES)?;
        let n_models = self.services.iter().map(|service| service.models.len()).sum();
        count("services[].models", n_models, limits::MODELS)?;
        self.services.iter().try_for_each(Service::check)?;
        missing("missing", &self.missing)
    }
}

impl System {
    fn check(&self) -> Checked {
        word("system.os", &self.os)?;
        word("system.kernel", &self.kernel)?;
        word("system.arch", &self.arch)?;
        some_word("system.cpu_model", self.cpu_model.as_ref())?;
        some_word("system.container", self.container.as_ref())?;
        bytes("system.memory_total_bytes", self.memory_total_bytes)
    }
}

impl Address {
    fn check(&self) -> Checked {
        word("address_details[].address", &self.address)?;
        some_word("address_details[].interface", self.interface.as_ref())
    }
}

impl Gpu {
    fn check(&self) -> Checked {
        name("gpus[].id", &self.id)?;
        word("gpus[].name", &self.name)?;
        some_word("gpus[].driver", self.driver.as_ref())?;
        bytes("gpus[].memory_total_bytes", self.memory_total_bytes)?;
        quantity("gpus[].power_limit_watts", self.power_limit_watts, 1e6)?;
        some_word("gpus[].cuda_version", self.cuda_version.as_ref())?;
        some_word("gpus[].compute_capability", self.compute_capability.as_ref())?;
        some_word("gpus[].pci_address", self.pci_address.as_ref())?;
        count("gpus[].mig", self.mig.len(), limits::MIG_INSTANCES)?;
        self.mig.iter().try_for_each(MigInstance::check)?;
        missing("gpus[].missing", &self.missing)
    }
}

impl MigInstance {
    fn check(&self) -> Checked {
        name("gpus[].mig[].id", &self.id)?;
        some_word("gpus[].mig[].profile", self.profile.as_ref())?;
        bytes("gpus[].mig[].memory_total_bytes", self.memory_total_bytes)
    }
}

impl Service {
    fn check(&self) -> Checked {
        name("services[].kind", &self.kind)?;
        if self.address.parse::<std::net::IpAddr>().is_err() {
            return refuse("services[].address", "an IP address".to_owned());
        }
        if self.port == 0 {
            return refuse("services[].port", "1 to 65535".to_owned());
        }
        some_word("services[].version", self.version.as_ref())?;
        if let Some(error) = &self.last_error {
            text("services[].last_error", error, limits::MESSAGE_BYTES)?;
        }
        some_word("services[].unit", self.unit.as_ref())?;
        some_word("services[].container", self.container.as_ref())?;
        count("services[].gpu_ids", self.gpu_ids.len(), limits::GPUS)?;
        self.gpu_ids.iter().try_for_each(|id| word("services[].gpu_ids[]", id))?;
        self.models.iter().try_for_each(Model::check)
    }
}

impl Model {
    fn check(&self) -> Checked {
        name("models[].name", &self.name)?;
        some_word("models[].digest", self.digest.as_ref())?;
        some_word("models[].parameters", self.parameters.as_ref())?;
        some_word("models[].quantization", self.quantization.as_ref())?;
        some_word("models[].family", self.family.as_ref())?;
        some_word("models[].keep", self.keep.as_ref())?;
        bytes("models[].size_bytes", self.size_bytes)?;
        bytes("models[].vram_bytes", self.vram_bytes)?;
        bytes("models[].context_length", self.context_length)?;
        bytes("models[].loaded_context_length", self.loaded_context_length)?;
        count("models[].capabilities", self.capabilities.len(), limits::MODEL_CAPABILITIES)?;
        self.capabilities.iter().try_for_each(|c| word("models[].capabilities[]", c))
    }
}

impl Sample {
    /// Holds the bounds of a sample.
    ///
    /// # Errors
    ///
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        quantity("cpu_percent", self.cpu_percent, PERCENT_MAX)?;
        quantity("load1", self.load1, 1e6)?;
        bytes("memory_used_bytes", self.memory_used_bytes)?;
        bytes("memory_total_bytes", self.memory_total_bytes)?;
        bytes("swap_used_bytes", self.swap_used_bytes)?;
        let receive = self.network_receive_bytes_per_second;
        bytes("network_receive_bytes_per_second", receive)?;
        let transmit = self.network_transmit_bytes_per_second;
        bytes("network_transmit_bytes_per_second", transmit)?;
        if let Some(pressure) = &self.pressure {
            quantity("pressure.cpu_some_avg10", pressure.cpu_some_avg10, PERCENT_MAX)?;
            quantity("pressure.memory_some_avg10", pressure.memory_some_avg10, PERCENT_MAX)?;
            quantity("pressure.io_some_avg10", pressure.io_some_avg10, PERCENT_MAX)?;
        }
        bytes("disk.used_bytes", self.disk.map(|disk| disk.used_bytes))?;
        bytes("disk.total_bytes", self.disk.map(|disk| disk.total_bytes))?;
        self.detail.as_ref().map_or(Ok(()), |detail| detail.check())?;
        self.check_gpus()?;
        self.check_services()?;
        missing("missing", &self.missing)
    }

    fn check_gpus(&self) -> Checked {
        let gpus = self.gpus.as_deref().unwrap_or_default();
        count("gpus", gpus.len(), limits::GPUS)?;
        let n_processes = gpus.iter().filter_map(|gpu| gpu.processes.as_ref()).map(Vec::len).sum();
        count("gpus[].processes", n_processes, limits::GPU_PROCESSES)?;
        gpus.iter().try_for_each(GpuSample::check)
    }

    fn check_services(&self) -> Checked {
        let services = self.services.as_deref().unwrap_or_default();
        count("services", services.len(), limits::SERVICES)?;
        for service in services {
            word("services[].address", &service.address)?;
            bytes("services[].requests_running", service.requests_running)?;
            bytes("services[].requests_waiting", service.requests_waiting)?;
            count("services[].expires", service.expires.len(), limits::MODELS)?;
            service
                .expires
                .iter()
                .try_for_each(|e| word("services[].expires[].model", &e.model))?;
        }
        Ok(())
    }
}

impl GpuSample {
    fn check(&self) -> Checked {
        name("gpus[].id", &self.id)?;
        quantity("gpus[].utilization_percent", self.utilization_percent, PERCENT_MAX)?;
        bytes("gpus[].memory_used_bytes", self.memory_used_bytes)?;
        celsius("gpus[].temperature_celsius", self.temperature_celsius)?;
        quantity("gpus[].power_watts", self.power_watts, 1e6)?;
        quantity("gpus[].fan_percent", self.fan_percent, 1000.0)?;
        let reasons = self.throttle_reasons.as_deref().unwrap_or_default();
        count("gpus[].throttle_reasons", reasons.len(), limits::THROTTLE_REASONS)?;
        reasons.iter().try_for_each(|r| word("gpus[].throttle_reasons[]", r))?;
        self.processes.iter().flatten().try_for_each(GpuProcess::check)?;
        self.detail.as_ref().map_or(Ok(()), |detail| detail.check())?;
        missing("gpus[].missing", &self.missing)
    }
}

impl GpuProcess {
    fn check(&self) -> Checked {
        some_word("gpus[].processes[].name", self.name.as_ref())?;
        bytes("gpus[].processes[].memory_bytes", self.memory_bytes)?;
        some_word("gpus[].processes[].unit", self.unit.as_ref())?;
        some_word("gpus[].processes[].container", self.container.as_ref())?;
        some_word("gpus[].processes[].mig_id", self.mig_id.as_ref())?;
        missing("gpus[].processes[].missing", &self.missing)
    }
}
