//! What a viewer knows: the last snapshot, and every change since folded into it.
//!
//! Written from the description of the feed alone, on plain JSON, so that it is a second opinion
//! on what the collector's own fold says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// The fleet as one viewer sees it.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// `summary` or `full`, as its snapshots say.
    pub view: String,
    /// The run of the collector that numbered the changes.
    pub epoch: String,
    /// The last change that is in here.
    pub seq: u64,
    /// Hosts by id.
    pub hosts: BTreeMap<String, Value>,
    /// Services by id.
    pub services: BTreeMap<String, Value>,
    /// Alerts that are open, by id.
    pub alerts: BTreeMap<String, Value>,
    /// Every change since the viewer came, in order.
    pub changes: Vec<Value>,
    /// How many sample frames named each host.
    pub n_samples: BTreeMap<String, u64>,
    /// The last sample of each host.
    pub samples: BTreeMap<String, Value>,
    /// How many snapshots came.
    pub n_snapshots: u64,
    /// Where the feed broke its own rules.
    pub faults: Vec<String>,
}

impl Folded {
    /// Takes one frame of the feed in.
    pub fn take(&mut self, frame: &Value) {
        match frame["type"].as_str() {
            Some("snapshot") => self.take_snapshot(frame),
            Some("change") => self.take_change(&frame["change"]),
            Some("samples") => self.take_samples(frame),
            Some(_) => {}
            None => self.faults.push(format!("a frame without type: {frame}")),
        }
    }

    fn take_snapshot(&mut self, frame: &Value) {
        self.n_snapshots += 1;
        self.view = text(&frame["view"]);
        self.epoch = text(&frame["epoch"]);
        self.seq = frame["seq"].as_u64().unwrap_or_default();
        self.hosts = by_id(&frame["hosts"]);
        self.services = by_id(&frame["services"]);
        self.alerts = by_id(&frame["alerts"]);
    }

    fn take_change(&mut self, change: &Value) {
        let seq = change["seq"].as_u64().unwrap_or_default();
        if seq != self.seq + 1 || change["epoch"] != self.epoch {
            self.faults.push(format!("after seq {} came {change}", self.seq));
        }
        self.seq = seq;
        self.apply(change);
        self.changes.push(change.clone());
    }

    fn apply(&mut self, change: &Value) {
        let kind = text(&change["type"]);
        let data = &change["data"];
        // What becomes of the key of an agent changes no host.
        if ["host.pending", "host.approved", "host.revoked"].contains(&kind.as_str()) {
            return;
        }
        match kind.split_once('.').map_or(kind.as_str(), |(entity, _)| entity) {
            "host" | "gpu" => replace(&mut self.hosts, &change["host_id"], data),
            "service" => self.apply_service(change),
            "session" => {
                if let Some(host) = self.hosts.get_mut(&text(&change["host_id"]))
                    && self.view == "full"
                {
                    host["session"] = data.clone();
                    count_up(host);
                }
            }
            "model" => {
                if let Some(service) = self.services.get_mut(&text(&change["service_id"])) {
                    match self.view.as_str() {
                        "full" => replace_model(service, &change["model"], data),
                        _ => count_model(service, &kind, &change["model"]),
                    }
                }
                self.follow_services(&text(&change["host_id"]));
            }
            "alert" => self.apply_alert(&kind, data),
            _ => {}
        }
    }

    /// An alert is raised once and resolved once, and is itself before and after.
    fn apply_alert(&mut self, kind: &str, alert: &Value) {
        let id = text(&alert["id"]);
        let before = match kind {
            "alert.raised" => self.alerts.insert(id, alert.clone()),
            _ => self.alerts.remove(&id),
        };
        let follows = match (kind, before) {
            ("alert.raised", before) => before.is_none() && alert["resolved_at"].is_null(),
            (_, Some(mut before)) => {
                before["resolved_at"] = alert["resolved_at"].clone();
                before == *alert && alert["resolved_at"].is_string()
            }
            (_, None) => false,
        };
        if !follows {
            self.faults.push(format!("{kind} of {alert}"));
        }
    }

    fn apply_service(&mut self, change: &Value) {
        let (id, now) = (&change["service_id"], text(&change["host_id"]));
        let before = self.services.get(&text(id)).map(|known| text(&known["host_id"]));
        replace(&mut self.services, id, &change["data"]);
        self.follow_services(&now);
        if let Some(before) = before.filter(|before| *before != now) {
            self.follow_services(&before);
        }
    }

    /// What a host says of its services follows from them: no change of its own tells it.
    fn follow_services(&mut self, host_id: &str) {
        let Some(host) = self.hosts.get_mut(host_id) else { return };
        let mine = self.services.values().filter(|service| service["host_id"] == host_id);
        if self.view == "full" {
            host["services"] = mine.map(|service| service["id"].clone()).collect();
        } else {
            let warm = mine.flat_map(|service| service["warm"].as_array().into_iter().flatten());
            host["warm"] = json!(warm.map(text).collect::<BTreeSet<String>>());
        }
    }

    fn take_samples(&mut self, frame: &Value) {
        if frame["seq"].as_u64() != Some(self.seq) {
            self.faults.push(format!("samples of seq {} after seq {}", frame["seq"], self.seq));
        }
        for sample in frame["samples"].as_array().into_iter().flatten() {
            let id = text(&sample["host_id"]);
            *self.n_samples.entry(id.clone()).or_default() += 1;
            self.samples.insert(id, sample.clone());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn by_id(list: &Value) -> BTreeMap<String, Value> {
    let entries = list.as_array().into_iter().flatten();
    entries.map(|entry| (text(&entry["id"]), entry.clone())).collect()
}

fn replace(entries: &mut BTreeMap<String, Value>, id: &Value, data: &Value) {
    if data.is_null() {
        entries.remove(&text(id));
    } else {
        entries.insert(text(id), data.clone());
    }
}

fn replace_model(service: &mut Value, name: &Value, data: &Value) {
    count_up(service);
    let Some(models) = service["models"].as_array_mut() else { return };
    models.retain(|model| model["name"] != *name);
    if !data.is_null() {
        models.push(data.clone());
        models.sort_by_key(|model| text(&model["name"]));
    }
}

/// A summary counts the models of a service, and names those in memory.
fn count_model(service: &mut Value, kind: &str, name: &Value) {
    let n_models = service["n_models"].as_u64().unwrap_or_default();
    match kind {
        "model.installed" => service["n_models"] = json!(n_models + 1),
        "model.removed" => service["n_models"] = json!(n_models.saturating_sub(1)),
        _ => {}
    }
    let Some(warm) = service["warm"].as_array_mut() else { return };
    warm.retain(|other| other != name);
    if kind == "model.loaded" {
        warm.push(name.clone());
        warm.sort_by_key(text);
    }
}

/// A change that carries a part of an entity counts as one of the whole.
fn count_up(entity: &mut Value) {
    entity["revision"] = json!(entity["revision"].as_u64().unwrap_or_default() + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Folded {
        let mut folded = Folded::default();
        folded.take(&json!({"type": "snapshot", "view": "full", "epoch": "e", "seq": 3,
            "hosts": [{"id": "h", "status": "online", "services": ["s"]}],
            "services": [{"id": "s", "host_id": "h", "models": [{"name": "a"}]}]}));
        folded
    }

    fn change(seq: u64, body: Value) -> Value {
        let mut change = json!({"epoch": "e", "seq": seq});
        change.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        json!({"type": "change", "change": change})
    }

    #[test]
    fn changes_replace_what_they_name() {
        let mut folded = snapshot();
        let stale = json!({"type": "host.stale", "host_id": "h", "data": {"status": "stale"}});
        folded.take(&change(4, stale));
        let gone = json!({"type": "model.removed", "service_id": "s", "model": "a", "data": null});
        folded.take(&change(5, gone));
        assert_eq!(folded.hosts["h"]["status"], "stale");
        assert_eq!(folded.services["s"]["models"], json!([]));
        assert!(folded.faults.is_empty());
    }

    #[test]
    fn what_a_host_has_follows_its_services() {
        let mut folded = snapshot();
        let data = json!({"id": "t", "host_id": "h"});
        let came = json!({"type": "service.registered", "host_id": "h", "service_id": "t",
            "data": data});
        folded.take(&change(4, came));
        assert_eq!(folded.hosts["h"]["services"], json!(["s", "t"]));
        let data = json!({"id": "t", "host_id": null});
        let left = json!({"type": "service.changed", "host_id": null, "service_id": "t",
            "data": data});
        folded.take(&change(5, left));
        assert_eq!(folded.hosts["h"]["services"], json!(["s"]));
        assert!(folded.faults.is_empty());
    }

    #[test]
    fn an_alert_is_open_until_it_is_resolved() {
        let mut folded = snapshot();
        let open = json!({"id": "a", "rule": "gpu_lost", "resolved_at": null});
        let over = json!({"id": "a", "rule": "gpu_lost", "resolved_at": "2026-11-20T10:00:00Z"});
        folded.take(&change(4, json!({"type": "alert.raised", "data": open})));
        assert_eq!(folded.alerts["a"], open);
        folded.take(&change(5, json!({"type": "alert.resolved", "data": over})));
        assert!(folded.alerts.is_empty() && folded.faults.is_empty());
        folded.take(&change(6, json!({"type": "alert.resolved", "data": over})));
        assert_eq!(folded.faults.len(), 1);
    }

    #[test]
    fn a_gap_is_a_fault() {
        let mut folded = snapshot();
        folded.take(&change(5, json!({"type": "host.removed", "host_id": "h", "data": null})));
        assert_eq!(folded.faults.len(), 1);
        assert!(folded.hosts.is_empty());
    }
}
