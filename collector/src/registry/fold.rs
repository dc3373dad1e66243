//! How a client follows the feed: `fold(snapshot@n, changes n+1 … m) = snapshot@m`, for everything
//! but what samples carry. This is the reference for clients in other languages, and what the
//! tests hold the registry to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::view::View;

const OF_AGENTS: [&str; 3] = ["host.pending", "host.approved", "host.revoked"];

/// The fleet as one client knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mirror {
    /// Which run of the collector.
    pub epoch: String,
    /// The last change that was folded in.
    pub seq: u64,
    /// Hosts by id.
    pub hosts: BTreeMap<String, Value>,
    /// Services by id.
    pub services: BTreeMap<String, Value>,
    /// Alerts that are not resolved, by id.
    pub alerts: BTreeMap<String, Value>,
}

/// A change does not follow on what the mirror knows: take a new snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the change does not follow")]
pub struct Gap;

impl Mirror {
    /// Begins with a snapshot.
    #[must_use]
    pub fn of_snapshot(snapshot: &Value) -> Self {
        let by_id = |list: &str| -> BTreeMap<String, Value> {
            let entities = snapshot[list].as_array().into_iter().flatten();
            entities.map(|entity| (text(&entity["id"]), entity.clone())).collect()
        };
        Self {
            epoch: text(&snapshot["epoch"]),
            seq: snapshot["seq"].as_u64().unwrap_or(0),
            hosts: by_id("hosts"),
            services: by_id("services"),
            alerts: by_id("alerts"),
        }
    }

    /// Folds one change in.
    ///
    /// # Errors
    ///
    /// Where it does not follow on the one before.
    pub fn fold(&mut self, change: &Value, view: View) -> Result<(), Gap> {
        let seq = change["seq"].as_u64().unwrap_or(0);
        if seq != self.seq + 1 || change["epoch"] != self.epoch.as_str() {
            return Err(Gap);
        }
        self.seq = seq;
        let (host_id, service_id) = (text(&change["host_id"]), text(&change["service_id"]));
        let data = &change["data"];
        let kind = change["type"].as_str().unwrap_or_default();
        match kind.split_once('.').unwrap_or_default().0 {
            // What becomes of the key of an agent changes no host.
            "host" if OF_AGENTS.contains(&kind) => (),
            "host" | "gpu" => put(&mut self.hosts, host_id, data),
            "session" => {
                if let (Some(host), View::Full) = (self.hosts.get_mut(&host_id), view) {
                    host["session"] = data.clone();
                    bump(host);
                }
            }
            "service" => {
                let before = self.services.get(&service_id).map(|known| text(&known["host_id"]));
                put(&mut self.services, service_id, data);
                self.follow_services(&host_id, view);
                // An entry can lose its host and go on, or gain one.
                if let Some(before) = before.filter(|before| *before != host_id) {
                    self.follow_services(&before, view);
                }
            }
            "model" => {
                if let Some(service) = self.services.get_mut(&service_id) {
                    match view {
                        View::Full => fold_model(service, &change["model"], data),
                        View::Summary => count_model(service, kind, &change["model"]),
                    }
                }
                self.follow_services(&host_id, view);
            }
            "alert" => {
                let is_over = !data["resolved_at"].is_null();
                let alert = if is_over { &Value::Null } else { data };
                put(&mut self.alerts, text(&data["id"]), alert);
            }
            _ => (),
        }
        Ok(())
    }

    /// A host's services, and its models in memory, follow from the services.
    fn follow_services(&mut self, host_id: &str, view: View) {
        let Some(host) = self.hosts.get_mut(host_id) else { return };
        let mine = self.services.values().filter(|service| service["host_id"] == host_id);
        if view == View::Full {
            host["services"] = mine.map(|service| service["id"].clone()).collect();
            return;
        }
        let warm = mine.flat_map(|service| service["warm"].as_array().into_iter().flatten());
        let warm: BTreeSet<String> = warm.map(text).collect();
        host["warm"] = json!(warm);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn put(entities: &mut BTreeMap<String, Value>, id: String, data: &Value) {
    if data.is_null() {
        entities.remove(&id);
    } else {
        entities.insert(id, data.clone());
    }
}

fn bump(entity: &mut Value) {
    entity["revision"] = json!(entity["revision"].as_u64().unwrap_or(0) + 1);
}

fn fold_model(service: &mut Value, name: &Value, data: &Value) {
    if let Some(models) = service["models"].as_array_mut() {
        models.retain(|model| model["name"] != *name);
        if !data.is_null() {
            models.push(data.clone());
            models.sort_by_key(|model| text(&model["name"]));
        }
    }
    bump(service);
}

fn count_model(service: &mut Value, kind: &str, name: &Value) {
    let n_models = service["n_models"].as_u64().unwrap_or(0);
    match kind {
        "model.installed" => service["n_models"] = json!(n_models + 1),
        "model.removed" => service["n_models"] = json!(n_models.saturating_sub(1)),
        _ => (),
    }
    if let Some(warm) = service["warm"].as_array_mut() {
        warm.retain(|other| other != name);
        if kind == "model.loaded" {
            warm.push(name.clone());
            warm.sort_by_key(text);
        }
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
pub(super) mod tests;
