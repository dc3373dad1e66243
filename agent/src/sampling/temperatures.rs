//! What the sensors say: the chips of `/sys/class/hwmon`
//! (<https://docs.kernel.org/hwmon/sysfs-interface.html>) and, where none of them measures a
//! temperature, the zones of `/sys/class/thermal`.
//!
//! Reading a sensor asks its device, so it is done aside and with care: a device that sleeps is not
//! woken, one that answers slowly is left alone for a while, and disks whose sensor keeps them from
//! spinning down are never asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::Temperature;
use tokio::time::Instant;

use super::Roots;
use super::aside::Aside;
use super::source::{Source, value};
use super::word::word;

/// How often chips that came or went are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// One reading may take so long; buses to sensors are slow, but not slower.
const SLOW_AFTER: Duration = Duration::from_millis(50);
/// For how long a sensor that was slow is left alone.
const REST: Duration = Duration::from_secs(600);
/// More chips, or sensors of one chip, than this are not looked at.
const ENTRIES: usize = 256;
/// Asking it keeps some disks from spinning down.
const DISTURBING: &str = "drivetemp";

/// Where temperatures come from.
#[derive(Debug)]
pub(super) struct Temperatures {
    class: PathBuf,
    sensors: Aside<Sensors, Result<Vec<Temperature>, MissingReason>>,
}

/// The sensors, their files kept open.
#[derive(Debug, Default)]
struct Sensors {
    known: Vec<Sensor>,
    look_at: Option<Instant>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Sensor {
    name: String,
    input: Source,
    /// `suspended` while the device behind it sleeps.
    sleep: Source,
    critical_celsius: Option<f64>,
    rests_until: Option<Instant>,
}

impl Temperatures {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { class: roots.sys.join("class"), sensors: Aside::new(Sensors::default) }
    }

    /// Of the sensors that tell; `Err` where none does.
    pub(super) fn read(&mut self, now: Instant) -> Result<Vec<Temperature>, MissingReason> {
        let class = self.class.clone();
        self.sensors.read(now, move |sensors| sensors.read(&class, now)).flatten()
    }
}

impl Sensors {
    fn read(&mut self, class: &Path, now: Instant) -> Result<Vec<Temperature>, MissingReason> {
        if self.look_at.is_none_or(|at| now >= at) {
            self.look_at = Some(now + LOOK_EVERY);
            self.look(class);
        }
        let Self { known, buffer, .. } = self;
        let mut why = MissingReason::NotSupported;
        let tell =
            |sensor: &mut Sensor| sensor.read(buffer, now).map_err(|reason| why = reason).ok();
        let told: Vec<Temperature> = known.iter_mut().filter_map(tell).collect();
        if told.is_empty() { Err(why) } else { Ok(told) }
    }

    /// A sensor that is known keeps its files and its rest.
    fn look(&mut self, class: &Path) {
        let mut found = chips(&class.join("hwmon"));
        if found.is_empty() {
            found = zones(&class.join("thermal"));
        }
        found.truncate(limits::TEMPERATURES);
        number_doubles(&mut found);
        let known = std::mem::take(&mut self.known);
        let mut known: BTreeMap<PathBuf, Sensor> =
            known.into_iter().map(|sensor| (sensor.input.path().to_owned(), sensor)).collect();
        self.known = found
            .into_iter()
            .map(|found| match known.remove(&found.input) {
                Some(sensor) if sensor.name == found.name => sensor,
                _ => Sensor::new(found),
            })
            .collect();
    }
}

impl Sensor {
    fn new(found: Found) -> Self {
        Self {
            name: found.name,
            input: Source::of_device(found.input),
            sleep: Source::of_device(found.sleep),
            critical_celsius: found.critical_celsius,
            rests_until: None,
        }
    }

    fn read(&mut self, buffer: &mut Vec<u8>, now: Instant) -> Result<Temperature, MissingReason> {
        if self.rests_until.is_some_and(|until| now < until) {
            return Err(MissingReason::Timeout);
        }
        let sleeps = self.sleep.read(buffer, |text| Some(text.trim() == "suspended"));
        if sleeps == Ok(true) {
            return Err(MissingReason::Asleep);
        }
        let start = Instant::now();
        let celsius = self.input.read(buffer, celsius);
        let took = start.elapsed();
        if took > SLOW_AFTER {
            self.rests_until = Some(now + REST);
            let (sensor, took_ms) = (&self.name, took.as_millis());
            tracing::info!(sensor, took_ms, "a sensor answers slowly and is asked less often");
        }
        Ok(Temperature {
            sensor: self.name.clone(),
            celsius: celsius?,
            critical_celsius: self.critical_celsius,
        })
    }
}

/// A sensor, as it was found.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    name: String,
    input: PathBuf,
    sleep: PathBuf,
    critical_celsius: Option<f64>,
}

/// `hwmon0/name`, `hwmon0/temp1_input`, `hwmon0/temp1_label`, `hwmon0/temp1_crit`
fn chips(class: &Path) -> Vec<Found> {
    numbered(class, "hwmon", "")
        .iter()
        .flat_map(|n| chip(&class.join(format!("hwmon{n}"))))
        .collect()
}

fn chip(folder: &Path) -> Vec<Found> {
    let name = value(&folder.join("name")).unwrap_or_else(|| "hwmon".to_owned());
    if name == DISTURBING {
        return Vec::new();
    }
    let sensor = |n: u32| {
        let file = |what: &str| folder.join(format!("temp{n}_{what}"));
        let label = value(&file("label")).unwrap_or_else(|| format!("temp{n}"));
        Found {
            name: word(&format!("{name} {label}")),
            input: file("input"),
            sleep: sleep(folder),
            critical_celsius: value(&file("crit")).and_then(|text| celsius(&text)),
        }
    };
    let mut sensors: Vec<Found> =
        numbered(folder, "temp", "_input").into_iter().map(sensor).collect();
    // A processor of many cores would fill the list, and its package is as hot as the hottest.
    if sensors.iter().any(|found| found.name.contains(" Package")) {
        sensors.retain(|found| !found.name.contains(" Core "));
    }
    sensors
}

/// Where the kernel says whether the device sleeps: the chip's own, or that of its bus.
fn sleep(folder: &Path) -> PathBuf {
    let near = folder.join("device/device/power/runtime_status");
    if near.exists() { near } else { folder.join("device/power/runtime_status") }
}

/// `thermal_zone0/type`, `thermal_zone0/temp`
fn zones(class: &Path) -> Vec<Found> {
    let zone = |n: u32| {
        let folder = class.join(format!("thermal_zone{n}"));
        let name = value(&folder.join("type")).unwrap_or_else(|| format!("zone {n}"));
        Found {
            name: word(&name),
            input: folder.join("temp"),
            sleep: folder.join("device/power/runtime_status"),
            critical_celsius: critical_of_zone(&folder),
        }
    };
    numbered(class, "thermal_zone", "").into_iter().map(zone).collect()
}

fn critical_of_zone(folder: &Path) -> Option<f64> {
    let critical = numbered(folder, "trip_point_", "_type").into_iter().find(|n| {
        value(&folder.join(format!("trip_point_{n}_type"))).is_some_and(|kind| kind == "critical")
    })?;
    celsius(&value(&folder.join(format!("trip_point_{critical}_temp")))?)
}

/// The numbers between prefix and suffix of a folder's entries, in order.
fn numbered(folder: &Path, prefix: &str, suffix: &str) -> Vec<u32> {
    let number = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries.filter_map(number).take(ENTRIES).collect();
    numbers.sort_unstable();
    numbers
}

/// Two disks of a kind have sensors of one name: the second is `nvme Composite 2`.
fn number_doubles(found: &mut [Found]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for found in found {
        let n = seen.entry(found.name.clone()).or_insert(0);
        *n += 1;
        if *n > 1 {
            found.name = word(&format!("{} {n}", found.name));
        }
    }
}

/// Thousandths of a degree. What is out of all reason is what a sensor without a probe says.
fn celsius(text: &str) -> Option<f64> {
    let thousandths: i64 = text.trim().parse().ok()?;
    let tenths = thousandths.checked_add(50)?.div_euclid(100);
    (-1000..=2500).contains(&tenths).then_some(tenths as f64 / 10.0)
}

#[cfg(test)]
#[path = "temperatures_tests.rs"]
mod tests;
