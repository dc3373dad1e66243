//! Makes a sample fit into a frame by leaving out its longest lists, the least wanted first, each
//! with its reason where the wire has room for one. What moves is never left out.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::Sample;

/// What can be left out: its name, and how to.
type Part = (&'static str, fn(&mut Sample));

const PARTS: [Part; 3] =
    [("GPU processes", processes), ("expiries of models", expiries), ("detail lists", lists)];

/// Leaves out one part after the other until the sample `fits`; tells which. It may not fit even
/// then.
pub(super) fn shed(sample: &mut Sample, fits: impl Fn(&Sample) -> bool) -> Vec<&'static str> {
    let mut left_out = Vec::new();
    for (name, leave_out) in PARTS {
        if fits(sample) {
            break;
        }
        leave_out(sample);
        left_out.push(name);
    }
    left_out
}

fn processes(sample: &mut Sample) {
    for gpu in sample.gpus.iter_mut().flatten() {
        if gpu.processes.take().is_some() {
            gpu.missing.insert("processes".to_owned(), MissingReason::CannotTell);
        }
    }
}

/// All that moves of the services, as a service without expiries would have none: they are as
/// before.
fn expiries(sample: &mut Sample) {
    sample.services = None;
}

fn lists(sample: &mut Sample) {
    for gpu in sample.gpus.iter_mut().flatten() {
        if let Some(detail) = &mut gpu.detail {
            detail.mig.clear();
        }
    }
    let Some(detail) = &mut sample.detail else { return };
    let had = [
        ("cores_percent", detail.cores_percent.take().is_some()),
        ("disks", detail.disks.take().is_some()),
        ("interfaces", detail.interfaces.take().is_some()),
        ("temperatures", detail.temperatures.take().is_some()),
    ];
    for (field, _) in had.into_iter().filter(|(_, was_told)| *was_told) {
        detail.missing.insert(field.to_owned(), MissingReason::CannotTell);
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::detail::{Detail, DiskDetail};
    use herdbook_shared::wire::sample::{GpuProcess, GpuSample, ServiceSample};

    use super::*;

    fn full() -> Sample {
        let gpu = GpuSample {
            utilization_percent: Some(7.0),
            processes: Some(vec![GpuProcess::default()]),
            ..GpuSample::default()
        };
        let disks = Some(vec![DiskDetail::default()]);
        Sample {
            gpus: Some(vec![gpu]),
            detail: Some(Box::new(Detail { uptime_s: Some(9), disks, ..Detail::default() })),
            services: Some(vec![ServiceSample::default()]),
            ..Sample::default()
        }
    }

    #[test]
    fn parts_go_in_order_and_no_further_than_needed() {
        let mut sample = full();
        assert!(shed(&mut sample, |_| true).is_empty());
        assert_eq!(sample, full());

        assert_eq!(shed(&mut sample, |s| s.gpus.as_ref().unwrap()[0].processes.is_none()).len(), 1);
        let gpu = &sample.gpus.as_ref().unwrap()[0];
        assert_eq!(gpu.missing["processes"], MissingReason::CannotTell);
        assert!(sample.services.is_some());

        assert_eq!(shed(&mut sample, |_| false).len(), 3);
        let detail = sample.detail.unwrap();
        assert_eq!((detail.uptime_s, &detail.disks), (Some(9), &None));
        assert_eq!(detail.missing, [("disks".to_owned(), MissingReason::CannotTell)].into());
        assert_eq!(sample.gpus.unwrap()[0].utilization_percent, Some(7.0));
    }
}
