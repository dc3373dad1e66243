//! Sensors on a folder that stands in for `/sys`.

use std::fs;

use super::*;

struct Host(tempfile::TempDir);

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, text)| host.write(path, text));
        host
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join("sys/class").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sensors(&self) -> Temperatures {
        Temperatures::new(&Roots::under(self.0.path()))
    }
}

fn shown(told: Vec<Temperature>) -> Vec<String> {
    told.iter().map(|t| format!("{} {}", t.sensor, t.celsius)).collect()
}

#[tokio::test(start_paused = true)]
async fn chips_are_told_with_their_labels_and_without_each_core() {
    let host = Host::new(&[
        ("hwmon/hwmon0/name", "coretemp\n"),
        ("hwmon/hwmon0/temp1_input", "45000\n"),
        ("hwmon/hwmon0/temp1_label", "Package id 0\n"),
        ("hwmon/hwmon0/temp1_crit", "100000\n"),
        ("hwmon/hwmon0/temp2_input", "44000\n"),
        ("hwmon/hwmon0/temp2_label", "Core 0\n"),
        ("hwmon/hwmon1/name", "nvme\n"),
        ("hwmon/hwmon1/temp1_input", "38850\n"),
        ("hwmon/hwmon1/temp1_label", "Composite\n"),
        ("hwmon/hwmon2/name", "nvme\n"),
        ("hwmon/hwmon2/temp1_input", "-5200\n"),
        ("hwmon/hwmon2/temp1_label", "Composite\n"),
        ("hwmon/hwmon3/name", "drivetemp\n"),
        ("hwmon/hwmon3/temp1_input", "30000\n"),
        ("hwmon/hwmon4/name", "spd5118\n"),
        ("hwmon/hwmon4/temp1_input", "-128000\n"),
        ("thermal/thermal_zone0/type", "acpitz\n"),
        ("thermal/thermal_zone0/temp", "20000\n"),
    ]);
    let mut sensors = host.sensors();
    let told = sensors.read(Instant::now()).unwrap();
    assert_eq!(told[0].critical_celsius, Some(100.0));
    let expected = ["coretemp Package id 0 45", "nvme Composite 38.9", "nvme Composite 2 -5.2"];
    assert_eq!(shown(told), expected);
}

#[tokio::test(start_paused = true)]
async fn zones_are_told_where_no_chip_measures() {
    let host = Host::new(&[
        ("hwmon/hwmon0/name", "ACAD\n"),
        ("thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("thermal/thermal_zone0/temp", "51200\n"),
        ("thermal/thermal_zone0/trip_point_0_type", "passive\n"),
        ("thermal/thermal_zone0/trip_point_0_temp", "85000\n"),
        ("thermal/thermal_zone0/trip_point_1_type", "critical\n"),
        ("thermal/thermal_zone0/trip_point_1_temp", "105000\n"),
    ]);
    let told = host.sensors().read(Instant::now()).unwrap();
    assert_eq!((told[0].celsius, told[0].critical_celsius), (51.2, Some(105.0)));
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_sensors_says_so_and_is_looked_at_again() {
    let host = Host::new(&[("net/x", "")]);
    let mut sensors = host.sensors();
    let now = Instant::now();
    assert_eq!(sensors.read(now), Err(MissingReason::NotSupported));
    host.write("hwmon/hwmon0/name", "k10temp\n");
    host.write("hwmon/hwmon0/temp1_input", "40000\n");
    assert!(sensors.read(now).is_err());
    let told = sensors.read(now + LOOK_EVERY).unwrap();
    assert_eq!(shown(told), ["k10temp temp1 40"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_asked_again_and_one_that_sleeps_is_not_woken() {
    let host = Host::new(&[
        ("hwmon/hwmon0/name", "a\n"),
        ("hwmon/hwmon0/temp1_input", "no\n"),
        ("hwmon/hwmon1/name", "gpu\n"),
        ("hwmon/hwmon1/temp1_input", "50000\n"),
        ("hwmon/hwmon1/device/power/runtime_status", "suspended\n"),
    ]);
    let mut sensors = host.sensors();
    let now = Instant::now();
    assert_eq!(sensors.read(now), Err(MissingReason::Asleep));
    host.write("hwmon/hwmon0/temp1_input", "10000\n");
    assert_eq!(shown(sensors.read(now).unwrap()), ["a temp1 10"]);
    host.write("hwmon/hwmon1/device/power/runtime_status", "active\n");
    assert_eq!(shown(sensors.read(now).unwrap()), ["a temp1 10", "gpu temp1 50"]);
}

#[tokio::test(start_paused = true)]
async fn where_none_tells_the_reason_is_told() {
    let host = Host::new(&[("hwmon/hwmon0/name", "a\n"), ("hwmon/hwmon0/temp1_input", "\n")]);
    let mut sensors = host.sensors();
    assert_eq!(sensors.read(Instant::now()), Err(MissingReason::CannotTell));
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_hangs_stops_nothing_and_one_that_is_slow_rests() {
    let host = Host::new(&[("hwmon/hwmon0/name", "a\n")]);
    let input = host.0.path().join("sys/class/hwmon/hwmon0/temp1_input");
    let made = std::process::Command::new("mkfifo").arg(&input).status().unwrap();
    assert!(made.success());
    let mut sensors = host.sensors();
    let now = Instant::now();
    assert_eq!(sensors.read(now), Err(MissingReason::Timeout));
    assert_eq!(sensors.read(now), Err(MissingReason::Timeout));
    // Whoever opens the other end ends the wait of the first.
    drop(fs::OpenOptions::new().write(true).open(&input).unwrap());
    fs::remove_file(&input).unwrap();
    host.write("hwmon/hwmon0/temp1_input", "40000\n");
    let later = now + REST;
    let ends = || sensors.read(later).ok().inspect(|_| std::thread::yield_now());
    let told = std::iter::repeat_with(ends).flatten().next().unwrap();
    assert_eq!(shown(told), ["a temp1 40"]);
}

#[test]
fn more_sensors_than_are_told_are_left_out() {
    let host = Host::new(&[("hwmon/hwmon0/name", "many\n")]);
    for n in 1..100 {
        host.write(&format!("hwmon/hwmon0/temp{n}_input"), "1000\n");
    }
    let mut sensors = Sensors::default();
    sensors.look(&host.0.path().join("sys/class"));
    assert_eq!(sensors.known.len(), limits::TEMPERATURES);
}

#[test]
fn no_text_is_a_temperature_out_of_reason() {
    assert_eq!(celsius("45000\n"), Some(45.0));
    proptest::proptest!(|(text in "-?[0-9 x]{0,24}")| {
        let told = celsius(&text);
        proptest::prop_assert!(told.is_none_or(|celsius| (-100.0..=250.0).contains(&celsius)));
    });
}
