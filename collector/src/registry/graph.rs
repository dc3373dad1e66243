//! The fleet as a graph: the collector, hosts, services and models, and what ties them. It is
//! encoded once and kept until something that it shows changes; a sample, a heartbeat or a model
//! that is loaded does not.
//!
//! Ids of nodes are unique over all kinds: a host and a service have their own, a model is
//! `model:{name}`, the collector is `collector`. A service whose own id looks like one of those
//! (or like this) is `service:{id}`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use super::Registry;
use super::encode::json;
use super::host::HostEntry;
use super::service::{ServiceEntry, Word};

/// The node that all sessions lead to.
pub const COLLECTOR: &str = "collector";

/// The graph as JSON.
#[derive(Debug)]
pub struct Graph {
    /// Names the graph: another one has another tag.
    pub tag: String,
    /// `{"nodes":[…],"links":[…]}`
    pub json: Bytes,
    topology: u64,
}

/// The last graph, and how often what it shows changed.
#[derive(Debug, Default)]
pub(super) struct GraphCache {
    topology: AtomicU64,
    last: Mutex<Option<Arc<Graph>>>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "GraphNode")]
struct Node<'a> {
    id: Cow<'a, str>,
    name: &'a str,
    kind: &'static str,
    role: Option<&'a str>,
    status: Option<&'a str>,
    domain: Option<&'a str>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "GraphLink")]
struct Link<'a> {
    source: Cow<'a, str>,
    target: Cow<'a, str>,
    r#type: &'static str,
    session_id: Option<&'a str>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Graph")]
pub(crate) struct Whole<'a> {
    nodes: Vec<Node<'a>>,
    links: Vec<Link<'a>>,
}

impl Registry {
    /// The graph as it is now. Where it has to be encoded anew, that takes as long as the fleet is
    /// large, and whoever asks meanwhile waits for the same one.
    #[must_use]
    pub fn graph(&self) -> Arc<Graph> {
        let mut last = self.graph.last.lock().unwrap_or_else(PoisonError::into_inner);
        let topology = self.graph.topology.load(Ordering::Acquire);
        if let Some(graph) = last.as_ref().filter(|graph| graph.topology == topology) {
            return Arc::clone(graph);
        }
        let graph = Arc::new(self.encode_graph());
        *last = Some(Arc::clone(&graph));
        graph
    }

    /// The last graph, if it still is how the fleet is: then nothing has to be encoded.
    #[must_use]
    pub fn known_graph(&self) -> Option<Arc<Graph>> {
        let last = self.graph.last.try_lock().ok()?;
        let topology = self.graph.topology.load(Ordering::Acquire);
        last.clone().filter(|graph| graph.topology == topology)
    }

    fn encode_graph(&self) -> Graph {
        let ledger = self.ledger();
        // Under the lock, where it is the number of just these entries.
        let topology = self.graph.topology.load(Ordering::Acquire);
        let epoch = ledger.epoch();
        let (mut hosts, mut services) = (self.hosts(), self.services());
        drop(ledger);
        hosts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        services.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let json = Bytes::from(json(&whole(&hosts, &services)));
        Graph { tag: format!("{epoch}-{topology}"), json, topology }
    }

    /// A host was replaced, or came, or went: what follows from it follows.
    pub(super) fn follow_host(&self, before: Option<&HostEntry>, after: Option<&HostEntry>) {
        self.whereabouts.follow(before, after);
        if before.map(host_node) != after.map(host_node)
            || before.map(session_id) != after.map(session_id)
        {
            self.graph.topology.fetch_add(1, Ordering::Release);
        }
    }

    /// A service was replaced, or came, or went: what follows from it follows.
    pub(super) fn follow_service(
        &self,
        before: Option<&ServiceEntry>,
        after: Option<&ServiceEntry>,
    ) {
        if let Some(after) = after {
            self.needs.learn(after);
        }
        let is_same = match (before, after) {
            (Some(before), Some(after)) => is_shown_alike(before, after),
            _ => false,
        };
        if !is_same {
            self.graph.topology.fetch_add(1, Ordering::Release);
        }
    }
}

fn is_shown_alike(before: &ServiceEntry, after: &ServiceEntry) -> bool {
    let (old, new) = (&before.facts.models, &after.facts.models);
    let has_same_models = Arc::ptr_eq(old, new)
        || old.iter().map(|model| &model.name).eq(new.iter().map(|model| &model.name));
    service_node(before) == service_node(after)
        && before.host_id() == after.host_id()
        && has_same_models
}

type Shown<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

/// Name, role, status and domain.
fn host_node(host: &HostEntry) -> Shown<'_> {
    (&host.facts.name, host.role(), host.status.word(), host.label("domain"))
}

fn service_node(service: &ServiceEntry) -> Shown<'_> {
    let facts = &service.facts;
    let domain = facts.labels.get("domain").map(String::as_str);
    (&facts.name, facts.role.word(), service.shown_status().word(), domain)
}

fn session_id(host: &HostEntry) -> Option<&str> {
    host.session.as_ref().map(|session| session.id.as_str())
}

fn node<'a>(id: Cow<'a, str>, kind: &'static str, shown: Shown<'a>) -> Node<'a> {
    let (name, role, status, domain) = shown;
    Node { id, name, kind, role: Some(role), status: Some(status), domain }
}

fn whole<'a>(hosts: &'a [Arc<HostEntry>], services: &'a [Arc<ServiceEntry>]) -> Whole<'a> {
    let (role, status, domain) = (None, None, None);
    let (id, kind) = (Cow::Borrowed(COLLECTOR), COLLECTOR);
    let mut nodes = vec![Node { id, name: COLLECTOR, kind, role, status: Some("online"), domain }];
    let mut links = Vec::new();
    let known: BTreeSet<&str> = hosts.iter().map(|host| host.id.as_str()).collect();
    for host in hosts {
        let id = Cow::Borrowed(host.id.as_str());
        nodes.push(node(id.clone(), "host", host_node(host)));
        if let Some(session) = session_id(host) {
            links.push(link(id, Cow::Borrowed(COLLECTOR), "session", Some(session)));
        }
    }
    let mut models: BTreeMap<&str, Cow<'a, str>> = BTreeMap::new();
    for service in services {
        let id = service_node_id(service.id.as_str(), &known);
        nodes.push(node(id.clone(), "service", service_node(service)));
        if let Some(host) = service.host_id().filter(|host| known.contains(host.as_str())) {
            links.push(link(Cow::Borrowed(host.as_str()), id.clone(), "runs", None));
        }
        for model in service.facts.models.iter() {
            let name: &str = &model.name;
            let target = models.entry(name).or_insert_with(|| format!("model:{name}").into());
            links.push(link(id.clone(), target.clone(), "serves", None));
        }
    }
    let of_model = |(name, id)| Node { id, name, kind: "model", role, status, domain };
    nodes.extend(models.into_iter().map(of_model));
    Whole { nodes, links }
}

fn service_node_id<'a>(id: &'a str, hosts: &BTreeSet<&str>) -> Cow<'a, str> {
    let is_taken = id.starts_with("model:")
        || id.starts_with("service:")
        || id == COLLECTOR
        || hosts.contains(id);
    if is_taken { Cow::Owned(format!("service:{id}")) } else { Cow::Borrowed(id) }
}

fn link<'a>(
    source: Cow<'a, str>,
    target: Cow<'a, str>,
    r#type: &'static str,
    session_id: Option<&'a str>,
) -> Link<'a> {
    Link { source, target, r#type, session_id }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
