//! When a condition begins, when it ends, and what is no news.

use herdbook_shared::ids::SessionId;
use herdbook_shared::wire::detail::Detail;
use herdbook_shared::wire::sample::Disk;

use super::*;

fn judge(sample: &Sample, before: &Conditions) -> Conditions {
    Conditions::of(sample, None, before, &Liveness::default())
}

fn with_disk(used_bytes: u64) -> Sample {
    Sample { disk: Some(Disk { used_bytes, total_bytes: 1000 }), ..Sample::default() }
}

#[test]
fn a_disk_on_the_edge_does_not_flap() {
    let none = Conditions::default();
    assert_eq!(judge(&with_disk(949), &none), none);
    let full = judge(&with_disk(950), &none);
    assert_eq!(full.full_disks, ["/"]);
    assert_eq!(full.findings()[0].1, "the root disk is nearly full");
    assert_eq!(judge(&with_disk(945), &full), full);
    assert_eq!(judge(&Sample::default(), &full), full);
    assert_eq!(judge(&with_disk(920), &full), none);
}

fn disk(mount: &str, used_bytes: u64) -> DiskDetail {
    DiskDetail {
        mount: Some(mount.to_owned()),
        used_bytes: Some(used_bytes),
        total_bytes: Some(1000),
        ..DiskDetail::default()
    }
}

/// The full disks of a host that lists these, its root disk being well.
fn full(disks: Option<Vec<DiskDetail>>, before: &[&str]) -> Vec<String> {
    let before = before.iter().map(|mount| (*mount).to_owned()).collect();
    let before = Conditions { full_disks: before, ..Conditions::default() };
    let detail = Some(Box::new(Detail { disks, ..Detail::default() }));
    let mut sample = Sample { detail, ..with_disk(10) };
    let slow = Slow::take(&mut sample, None, &SessionId::random());
    Conditions::of(&sample, slow.as_ref(), &before, &Liveness::default()).full_disks
}

#[test]
fn any_real_disk_counts_and_is_named() {
    let disks = |n| Some((0..n).map(|n| disk(&format!("/data{n}"), 960)).collect());
    assert_eq!(full(disks(2), &[]), ["/data0", "/data1"]);
    let full_disks = full(disks(5), &[]);
    let words = Conditions { full_disks, ..Conditions::default() }.findings().remove(0).1;
    assert_eq!(words, "/data0, /data1, /data2 and 2 more are nearly full");
}

#[test]
fn what_is_listed_of_the_root_disk_goes_before_the_short_form() {
    assert_eq!(full(Some(vec![disk("/", 960)]), &[]), ["/"]);
    assert!(full(Some(Vec::new()), &["/"]).is_empty());
}

#[test]
fn a_disk_of_which_nothing_is_told_is_as_before_and_one_that_is_gone_is_gone() {
    let unread = DiskDetail { used_bytes: None, ..disk("/data", 0) };
    assert_eq!(full(Some(vec![unread]), &["/data"]), ["/data"]);
    assert_eq!(full(None, &["/data"]), ["/data"]);
    assert!(full(Some(vec![disk("/other", 1)]), &["/data"]).is_empty());
}

#[test]
fn images_and_unmounted_disks_are_never_full() {
    let image = DiskDetail { file_system: Some("squashfs".to_owned()), ..disk("/snap/core", 1000) };
    let unmounted = DiskDetail { mount: None, ..disk("", 1000) };
    let empty = DiskDetail { total_bytes: Some(0), ..disk("/empty", 0) };
    assert!(full(Some(vec![image, unmounted, empty]), &[]).is_empty());
}

fn missing(id: &str, fields: &[&str], reason: MissingReason) -> GpuSample {
    GpuSample {
        id: id.to_owned(),
        missing: fields.iter().map(|field| ((*field).to_owned(), reason)).collect(),
        ..GpuSample::default()
    }
}

const WHOLE: [&str; 4] =
    ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"];

/// The second of two.
fn lost() -> Conditions {
    Conditions { lost_gpus: ["b".to_owned()].into(), ..Conditions::default() }
}

fn well(id: &str) -> GpuSample {
    GpuSample { id: id.to_owned(), utilization_percent: Some(0.0), ..GpuSample::default() }
}

#[test]
fn a_gpu_is_lost_wherever_it_stands_in_the_list() {
    for other_order in [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]] {
        let gpu = |id| match id {
            "b" => missing(id, &WHOLE, MissingReason::Lost),
            _ => well(id),
        };
        let gpus = Some(other_order.map(gpu).into());
        assert_eq!(judge(&Sample { gpus, ..Sample::default() }, &lost()), lost());
    }
}

#[test]
fn a_gpu_is_missing_as_a_whole_only_if_one_reason_stands_for_all_that_moves() {
    let lost = missing("a", &WHOLE, MissingReason::Lost);
    assert_eq!(whole_reason(&lost), Some(MissingReason::Lost));
    assert_eq!(whole_reason(&missing("a", &WHOLE[..3], MissingReason::Lost)), None);
    assert_eq!(whole_reason(&GpuSample { power_watts: Some(9.0), ..lost.clone() }), None);
    let mut mixed = lost;
    mixed.missing.insert("sm_clock_mhz".to_owned(), MissingReason::NotSupported);
    assert_eq!(whole_reason(&mixed), None);
}

#[test]
fn a_lost_gpu_is_told_from_one_that_lacks_a_value() {
    let gpus = vec![
        missing("a", &["fan_percent"], MissingReason::NotSupported),
        missing("b", &WHOLE, MissingReason::Lost),
    ];
    let sample = Sample { gpus: Some(gpus), ..Sample::default() };
    let conditions = judge(&sample, &Conditions::default());
    assert_eq!(conditions, lost());
    assert_eq!(conditions.findings()[0].0, Code::GpuLost);
}

#[test]
fn a_sleeping_gpu_is_not_lost_and_one_that_was_lost_is_back_when_it_sleeps() {
    let sleeping = ["a", "b"].map(|id| missing(id, &WHOLE, MissingReason::Asleep));
    let sample = Sample { gpus: Some(sleeping.into()), ..Sample::default() };
    let none = Conditions::default();
    assert_eq!(judge(&sample, &none), none);
    assert_eq!(judge(&sample, &lost()), none);
}

#[test]
fn a_lost_gpu_is_not_back_because_the_gpus_cannot_be_told() {
    let lost = lost();
    let silent = Sample {
        missing: [("gpus".to_owned(), MissingReason::Timeout)].into(),
        ..Sample::default()
    };
    assert_eq!(judge(&silent, &lost).lost_gpus, lost.lost_gpus);
    let hanging = ["a", "b"].map(|id| missing(id, &WHOLE, MissingReason::Timeout));
    let hang = Sample { gpus: Some(hanging.into()), ..Sample::default() };
    assert_eq!(judge(&hang, &lost).lost_gpus, lost.lost_gpus);
    let none = Conditions::default();
    assert_eq!(judge(&Sample::default(), &lost), none);
    assert_eq!(judge(&Sample { gpus: Some(vec![well("b")]), ..Sample::default() }, &lost), none);
}
