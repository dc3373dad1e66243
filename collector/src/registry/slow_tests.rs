//! What is as before, and what is gone.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::DiskDetail;

use crate::registry::testing::{gpu_sample, sample};

use super::*;

fn complete() -> Sample {
    let mut gpu = gpu_sample("GPU-0");
    gpu.detail = Some(Box::new(GpuDetail { pcie_width: Some(16), ..GpuDetail::default() }));
    gpu.processes = Some(vec![GpuProcess { pid: 7, ..GpuProcess::default() }]);
    let detail = Detail { uptime_s: Some(9), ..Detail::default() };
    Sample { detail: Some(Box::new(detail)), gpus: Some(vec![gpu]), ..sample() }
}

fn short() -> Sample {
    Sample { gpus: Some(vec![gpu_sample("GPU-0")]), ..sample() }
}

/// What is known after `then`, in the same session.
fn after(then: &mut Sample) -> Option<Slow> {
    let session = SessionId::random();
    let before = Slow::take(&mut complete(), None, &session).unwrap();
    Slow::take(then, Some(&before), &session)
}

#[test]
fn a_sample_without_it_leaves_everything_as_it_was() {
    assert!(after(&mut short()).is_none());
}

#[test]
fn what_comes_anew_is_taken_out_of_the_sample_and_the_rest_is_shared() {
    let session = SessionId::random();
    let before = Slow::take(&mut complete(), None, &session).unwrap();
    let mut then = short();
    then.detail = Some(Box::new(Detail { uptime_s: Some(10), ..Detail::default() }));
    let slow = Slow::take(&mut then, Some(&before), &session).unwrap();
    assert_eq!(then.detail, None);
    assert_eq!(slow.host().unwrap().uptime_s, Some(10));
    let details = [&before, &slow].map(|slow| slow.gpus[0].detail.as_ref().unwrap());
    assert!(Arc::ptr_eq(details[0], details[1]));
    assert_eq!(slow.processes("GPU-0").unwrap()[0].pid, 7);
}

#[test]
fn what_is_missing_now_is_not_as_before() {
    let timeout = |field: &str| [(field.to_owned(), MissingReason::Timeout)].into();
    let slow = after(&mut Sample { missing: timeout("detail"), ..short() }).unwrap();
    assert!(slow.host().is_none());
    assert!(slow.gpu("GPU-0").is_some());

    let mut then = short();
    then.gpus.as_mut().unwrap()[0].missing = timeout("processes");
    let slow = after(&mut then).unwrap();
    assert!(slow.processes("GPU-0").is_none());
    assert!(slow.gpu("GPU-0").is_some());
    assert!(slow.host().is_some());
}

#[test]
fn a_reason_is_as_before_until_a_value_or_another_reason_comes() {
    let session = SessionId::random();
    let because = |field: &str, why| Missing::from([(field.to_owned(), why)]);
    let mut first = complete();
    first.missing = because("disk", MissingReason::NoPermission);
    first.gpus.as_mut().unwrap()[0].missing = because("fan_percent", MissingReason::NotSupported);
    let before = Slow::take(&mut first, None, &session).unwrap();
    assert_eq!(before.missing()["disk"], MissingReason::NoPermission);
    let reasons =
        |slow: &Slow| slow.missing_of_gpu("GPU-0").map(|(_, why)| why).collect::<Vec<_>>();
    assert_eq!(reasons(&before), [MissingReason::NotSupported]);

    // Said again or not at all: nothing is new.
    assert!(Slow::take(&mut short(), Some(&before), &session).is_none());
    let mut again = short();
    again.gpus.as_mut().unwrap()[0].missing = because("fan_percent", MissingReason::NotSupported);
    assert!(Slow::take(&mut again, Some(&before), &session).is_none());

    let mut other = short();
    other.gpus.as_mut().unwrap()[0].missing = because("fan_percent", MissingReason::Timeout);
    let slow = Slow::take(&mut other, Some(&before), &session).unwrap();
    assert_eq!(reasons(&slow), [MissingReason::Timeout]);
    assert_eq!(slow.missing()["disk"], MissingReason::NoPermission);

    let mut value = short();
    value.gpus.as_mut().unwrap()[0].fan_percent = Some(0.0);
    assert_eq!(reasons(&Slow::take(&mut value, Some(&before), &session).unwrap()), []);
}

#[test]
fn a_gpu_that_is_lost_asleep_or_no_longer_listed_has_no_last_words() {
    for reason in [MissingReason::Lost, MissingReason::Asleep] {
        let fields = ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"];
        let missing = fields.map(|field| (field.to_owned(), reason)).into();
        let gpu = GpuSample { id: "GPU-0".to_owned(), missing, ..GpuSample::default() };
        let slow = after(&mut Sample { gpus: Some(vec![gpu]), ..sample() }).unwrap();
        assert!(slow.gpu("GPU-0").is_none() && slow.processes("GPU-0").is_none());
        assert!(slow.host().is_some());
    }
    let slow = after(&mut sample()).unwrap();
    assert!(slow.gpu("GPU-0").is_none());
}

#[test]
fn another_session_begins_with_nothing() {
    let before = Slow::take(&mut complete(), None, &SessionId::random()).unwrap();
    let slow = Slow::take(&mut short(), Some(&before), &SessionId::random()).unwrap();
    assert!(slow.host().is_none() && slow.gpu("GPU-0").is_none());
}

#[test]
fn its_size_follows_what_it_holds() {
    let size = |detail| {
        let mut sample = Sample { detail: Some(Box::new(detail)), ..sample() };
        Slow::take(&mut sample, None, &SessionId::random()).unwrap().approximate_bytes()
    };
    let disks = |disk| Detail { disks: Some(vec![disk; 64]), ..Detail::default() };
    let short = size(disks(DiskDetail::default()));
    assert!(short > size(Detail::default()) + 64 * 100);
    let device = "d".repeat(256);
    let missing = [("mount".to_owned(), MissingReason::Timeout)].into();
    let long = size(disks(DiskDetail { device, missing, ..DiskDetail::default() }));
    assert!(long >= short + 64 * 256 + 64 * "mount".len());
}

#[test]
fn its_size_counts_the_words_of_processes() {
    let size = |name: &str| {
        let mut sample = complete();
        let process = GpuProcess { name: Some(name.to_owned()), ..GpuProcess::default() };
        sample.gpus.as_mut().unwrap()[0].processes = Some(vec![process; 512]);
        Slow::take(&mut sample, None, &SessionId::random()).unwrap().approximate_bytes()
    };
    assert_eq!(size(&"p".repeat(256)), size("") + 512 * 256);
}
