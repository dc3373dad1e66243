//! Whole hosts, second by second, without a clock.

use std::collections::BTreeMap;

use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::{decode_agent, encode, split};
use herdbook_shared::wire::inventory::Model;

use super::super::models::{PHI4_14B, QWEN3_32B, QWEN25_CODER_7B};
use super::super::roster::slots;
use super::super::share::CONTEXT_BYTES;
use super::super::story::Story;
use super::*;

const SEED: u64 = 7;

fn fleet(pace: Pace) -> Vec<DemoHost> {
    let clock = Clock::starting(1);
    slots(24).iter().map(|slot| DemoHost::new(slot, SEED, pace, clock)).collect()
}

/// The whole fleet, told of each second with what happened in it up to then.
fn tell(until_s: u64, mut look: impl FnMut(u64, &mut DemoHost)) {
    let mut hosts = fleet(Pace::Alive);
    let mut story = Story::new(&slots(24), SEED).peekable();
    for now_s in 1..=until_s {
        hosts.iter_mut().for_each(|host| host.advance_to(now_s));
        while let Some(one) = story.next_if(|one| one.at_s <= now_s) {
            hosts[one.host].happen(one.what);
        }
        hosts.iter_mut().for_each(|host| look(now_s, host));
    }
}

fn named(hosts: &mut [DemoHost], name: &str) -> usize {
    hosts.iter().position(|host| host.slot.name == name).unwrap()
}

fn warm(host: &DemoHost) -> Vec<Model> {
    let services = host.inventory().services.into_iter();
    services.flat_map(|service| service.models).filter(|model| model.warm).collect()
}

#[test]
fn the_memory_of_a_gpu_is_what_its_processes_hold_and_they_hold_what_is_loaded() {
    tell(900, |now_s, host| {
        if now_s % 7 > 0 {
            return;
        }
        let sample = host.sample(true);
        let mut held = BTreeMap::<&str, u64>::new();
        for gpu in sample.gpus.iter().flatten() {
            let processes = gpu.processes.iter().flatten();
            let sum: u64 = processes.clone().filter_map(|process| process.memory_bytes).sum();
            let Some(used) = gpu.memory_used_bytes else { continue };
            let reserved = host.slot.profile.chassis.card.unwrap().reserved_bytes;
            assert_eq!(used, reserved + sum, "{now_s} {}", host.slot.name);
            for process in processes {
                let weights = process.memory_bytes.unwrap() - CONTEXT_BYTES;
                *held.entry(process.unit.as_deref().unwrap()).or_default() += weights;
            }
        }
        for service in host.inventory().services.iter().filter(|one| one.kind == "ollama") {
            let is_loading = service.models.iter().any(|model| model.loading);
            let claimed: u64 = service.models.iter().filter_map(|model| model.vram_bytes).sum();
            let held = held.get(service.unit.as_deref().unwrap()).copied().unwrap_or_default();
            // A model that lies on eight GPUs is cut to the byte.
            let is_same = held.abs_diff(claimed) < 64;
            assert!(is_same || is_loading && held > claimed, "{now_s} {service:?}");
        }
    });
}

#[test]
fn no_gpu_holds_more_than_it_has() {
    tell(900, |now_s, host| {
        if now_s % 3 > 0 {
            return;
        }
        let total = host.slot.profile.chassis.card.map(|card| card.memory_bytes);
        for gpu in host.sample(false).gpus.iter().flatten() {
            assert!(gpu.memory_used_bytes <= total, "{now_s} {}: {gpu:?}", host.slot.name);
        }
    });
}

#[test]
fn a_collector_takes_all_that_they_say() {
    tell(300, |now_s, host| {
        if now_s % 7 > 0 {
            return;
        }
        let hello = AgentMessage::Hello(Box::new(host.hello(1_000)));
        let parts = split(host.inventory()).into_iter();
        let parts = parts.map(|part| AgentMessage::Inventory(Box::new(part)));
        let sample = AgentMessage::Sample(Box::new(host.sample(now_s % 10 == 0)));
        for message in [hello, sample].into_iter().chain(parts) {
            assert_eq!(decode_agent(&encode(&message)).unwrap(), message, "{}", host.slot.name);
        }
    });
}

#[test]
fn two_runs_with_one_seed_tell_the_same() {
    let told = || {
        let mut told = String::new();
        tell(400, |now_s, host| {
            if now_s % 5 > 0 {
                return;
            }
            let services = host.inventory().services;
            let mut sample = host.sample(now_s % 10 == 0);
            // The wall clock is what differs.
            sample.at = Timestamp::default();
            sample.services = None;
            sample.detail.iter_mut().for_each(|detail| detail.uptime_s = None);
            let models = services.iter().flat_map(|one| &one.models).filter(|one| one.warm);
            let names: Vec<&str> = models.map(|one| one.name.as_str()).collect();
            told.push_str(&format!("{names:?}{}", serde_json::to_string(&sample).unwrap()));
        });
        told
    };
    assert!(told() == told());
}

#[test]
fn models_come_and_go_in_every_part_of_the_fleet() {
    let mut seen = BTreeMap::<String, std::collections::BTreeSet<Vec<String>>>::new();
    tell(1_200, |now_s, host| {
        if now_s % 5 > 0 {
            return;
        }
        let names = warm(host).into_iter().map(|model| model.name).collect();
        seen.entry(host.slot.name.clone()).or_default().insert(names);
    });
    let n_lively = seen.values().filter(|states| states.len() > 2).count();
    assert!(n_lively >= 20, "only {n_lively} of 24 load and unload anything");
}

#[test]
fn a_model_that_is_asked_for_is_loading_then_warm_while_vram_climbs() {
    let mut hosts = fleet(Pace::Still);
    let index = named(&mut hosts, "ams-a100-02");
    let host = &mut hosts[index];
    host.happen(What::Load);
    let used = |host: &mut DemoHost| -> u64 {
        host.sample(false).gpus.iter().flatten().filter_map(|gpu| gpu.memory_used_bytes).sum()
    };
    let loading = host.inventory().services[0].models.iter().filter(|one| one.loading).count();
    assert_eq!((loading, host.inventory().services[0].state), (1, ServiceState::Loading));
    let (n_before, mut vram) = (warm(host).len(), used(host));
    let mut n_climbs = 0;
    while host.inventory().services[0].state == ServiceState::Loading {
        host.advance_to(host.now_s + 1);
        n_climbs += u32::from(used(host) > vram);
        vram = used(host);
    }
    assert!(n_climbs >= 2, "{n_climbs}");
    assert_eq!(warm(host).len(), n_before + 1);
    assert!(warm(host).iter().all(|model| model.vram_bytes != Some(0)));
}

#[test]
fn a_host_that_lost_a_gpu_serves_on_with_the_others() {
    let mut hosts = fleet(Pace::Alive);
    let index = named(&mut hosts, "fra-a100-03");
    let host = &mut hosts[index];
    host.happen(What::LoseGpu { for_s: 60 });
    let n_lost = |host: &mut DemoHost| {
        let gpus = host.sample(true).gpus.unwrap_or_default();
        gpus.iter().filter(|gpu| gpu.memory_used_bytes.is_none()).count()
    };
    host.advance_to(1);
    assert_eq!(n_lost(host), 1);
    host.advance_to(50);
    assert_eq!(host.gpus.iter().filter(|gpu| gpu.is_lost()).count(), 1);
    host.advance_to(61);
    assert_eq!(n_lost(host), 0);
}

#[test]
fn a_reboot_empties_the_memory_and_changes_who_it_is() {
    let mut hosts = fleet(Pace::Alive);
    let host = &mut hosts[0];
    let before = host.hello(1_000);
    host.happen(What::Reboot { for_s: 70 });
    assert_eq!(host.presence(), Presence::Left(GoodbyeReason::Shutdown));
    assert_eq!(warm(host).len(), 0);
    host.advance_to(70);
    assert_eq!(host.presence(), Presence::Here);
    let after = host.hello(1_000);
    assert_eq!(after.host_id, before.host_id);
    assert_ne!((after.boot_id, after.instance_id), (before.boot_id, before.instance_id));
    let uptime_s = host.sample(true).detail.unwrap().uptime_s.unwrap();
    assert!((10..=14).contains(&uptime_s), "{uptime_s}");
}

#[test]
fn a_pull_changes_the_digest_and_a_removal_frees_the_disk() {
    let mut hosts = fleet(Pace::Alive);
    let index = named(&mut hosts, "fra-h200-03");
    let host = &mut hosts[index];
    let digest = |host: &DemoHost, name: &str| {
        let services = host.inventory().services;
        let found = services[0].models.iter().find(|model| model.name == name);
        found.and_then(|model| model.digest.clone())
    };
    let before = digest(host, QWEN3_32B.name).unwrap();
    host.happen(What::Pull { model: QWEN3_32B, edition: 1 });
    assert_eq!(digest(host, QWEN3_32B.name).unwrap(), before);
    host.advance_to(120);
    assert_ne!(digest(host, QWEN3_32B.name).unwrap(), before);

    assert_eq!(digest(host, PHI4_14B.name), None);
    host.happen(What::Pull { model: PHI4_14B, edition: 0 });
    host.advance_to(240);
    let used = |host: &mut DemoHost| {
        host.sample(true).detail.unwrap().disks.unwrap()[1].used_bytes.unwrap()
    };
    let full = used(host);
    host.happen(What::Remove { model: PHI4_14B });
    assert_eq!(used(host), full - PHI4_14B.size_bytes);
    host.happen(What::Remove { model: QWEN25_CODER_7B });
    assert_eq!(used(host), full - PHI4_14B.size_bytes, "it was not there");
}

#[test]
fn nothing_but_values_moves_in_a_still_fleet() {
    let mut hosts = fleet(Pace::Still);
    for happening in Story::still(&slots(24)) {
        hosts[happening.host].happen(happening.what);
    }
    hosts.iter_mut().for_each(|host| host.advance_to(60));
    let outline = |host: &DemoHost| (host.revision(), host.presence(), host.outline());
    let before: Vec<_> = hosts.iter().map(outline).collect();
    hosts.iter_mut().for_each(|host| host.advance_to(5_000));
    assert_eq!(hosts.iter().map(outline).collect::<Vec<_>>(), before);
    let n_busy =
        hosts.iter().flat_map(|host| &host.servers).filter(|s| s.state() == ServiceState::Busy);
    assert!(n_busy.count() > 10);
}
