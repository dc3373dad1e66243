//! The slow values of a GPU's sample: what the child leaves out is as before, and what the
//! collector was told is not told again.

use herdbook_shared::wire::sample::GpuSample;

/// Fills in what a fast reading of the child leaves out, or the reason why it was missing.
pub(super) fn keep(sample: &mut GpuSample, last: &GpuSample) {
    keep_one(sample, last, "temperature_celsius", |s| &s.temperature_celsius, set_temperature);
    keep_one(sample, last, "fan_percent", |s| &s.fan_percent, set_fan);
    keep_one(sample, last, "processes", |s| &s.processes, |s, value| s.processes = value);
    keep_one(sample, last, "detail", |s| &s.detail, |s, value| s.detail = value);
}

fn set_temperature(sample: &mut GpuSample, value: Option<f64>) {
    sample.temperature_celsius = value;
}

fn set_fan(sample: &mut GpuSample, value: Option<f64>) {
    sample.fan_percent = value;
}

fn keep_one<T: Clone>(
    sample: &mut GpuSample,
    last: &GpuSample,
    field: &str,
    get: impl Fn(&GpuSample) -> &Option<T>,
    set: impl Fn(&mut GpuSample, Option<T>),
) {
    if get(sample).is_some() || sample.missing.contains_key(field) {
        return;
    }
    match last.missing.get(field) {
        Some(reason) => drop(sample.missing.insert(field.to_owned(), *reason)),
        None => set(sample, get(last).clone()),
    }
}

/// Leaves out what the collector knows: slow values, reasons that stand, and reasons for throttling
/// that are the same. A value that was missing, and a reason that is new, is told at once.
pub(super) fn leave_out(sample: &mut GpuSample, told: &GpuSample) {
    leave_out_one(sample, told, "temperature_celsius", |s| &mut s.temperature_celsius);
    leave_out_one(sample, told, "fan_percent", |s| &mut s.fan_percent);
    leave_out_one(sample, told, "processes", |s| &mut s.processes);
    leave_out_one(sample, told, "detail", |s| &mut s.detail);
    if sample.throttle_reasons == told.throttle_reasons {
        leave_out_one(sample, told, "throttle_reasons", |s| &mut s.throttle_reasons);
    }
}

fn leave_out_one<T>(
    sample: &mut GpuSample,
    told: &GpuSample,
    field: &str,
    slot: impl Fn(&mut GpuSample) -> &mut Option<T>,
) {
    let was_missing = told.missing.get(field);
    if sample.missing.contains_key(field) {
        if sample.missing.get(field) == was_missing {
            sample.missing.remove(field);
        }
    } else if was_missing.is_none() {
        *slot(sample) = None;
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::missing::MissingReason::{self, Lost, NotSupported};

    use super::*;

    fn sample(missing: &[(&str, MissingReason)]) -> GpuSample {
        let missing = missing.iter().map(|(field, why)| ((*field).to_owned(), *why)).collect();
        GpuSample { id: "a".to_owned(), missing, ..GpuSample::default() }
    }

    #[test]
    fn what_the_child_leaves_out_is_as_before() {
        let warm = GpuSample {
            temperature_celsius: Some(60.0),
            processes: Some(Vec::new()),
            ..sample(&[("fan_percent", NotSupported)])
        };
        let mut fast = sample(&[]);
        keep(&mut fast, &warm);
        assert_eq!(fast, warm);
        let mut lost = sample(&[("temperature_celsius", Lost)]);
        keep(&mut lost, &warm);
        assert_eq!(lost.temperature_celsius, None);
    }

    #[test]
    fn what_stands_is_not_told_again() {
        let whole = GpuSample {
            utilization_percent: Some(1.0),
            temperature_celsius: Some(60.0),
            throttle_reasons: Some(Vec::new()),
            ..sample(&[("fan_percent", NotSupported), ("power_watts", NotSupported)])
        };
        let mut fast = whole.clone();
        leave_out(&mut fast, &whole);
        let expected = sample(&[("power_watts", NotSupported)]);
        assert_eq!(fast, GpuSample { utilization_percent: Some(1.0), ..expected });
    }

    #[test]
    fn a_change_of_reasons_is_told_at_once() {
        let held = |words: &[&str]| GpuSample {
            throttle_reasons: Some(words.iter().map(|word| (*word).to_owned()).collect()),
            ..sample(&[])
        };
        let mut now = held(&["power_cap"]);
        leave_out(&mut now, &held(&[]));
        assert_eq!(now, held(&["power_cap"]));
        let warm = GpuSample { temperature_celsius: Some(60.0), ..sample(&[]) };
        let lost = sample(&[("temperature_celsius", Lost)]);
        let mut now = lost.clone();
        leave_out(&mut now, &warm);
        assert_eq!(now, lost);
        let mut back = warm.clone();
        leave_out(&mut back, &lost);
        assert_eq!(back, warm);
    }
}
