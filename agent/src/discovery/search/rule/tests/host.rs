//! Made-up hosts for the rule.

use super::super::*;
use crate::discovery::search::owner::Owners;
use crate::discovery::search::process::Depth;
use crate::discovery::search::process::tests::{Fake, FakeProc};
use crate::discovery::search::sockets::ALL_V6;

fn socket(at: &str, inode: u64) -> Listening {
    let at: SocketAddr = at.parse().unwrap();
    let hears_v4 = at.is_ipv4() || at.ip() == ALL_V6;
    Listening { port: at.port(), address: at.ip(), hears_v4, uid: 4, inode }
}

/// A host: who runs there and listens where, and what is named.
pub(super) struct Host {
    pub(super) sockets: Vec<Listening>,
    pub(super) root: FakeProc,
    pub(super) named: Vec<(Origin, Vec<SocketAddr>)>,
}

impl Host {
    /// Each process with what it runs and where it listens.
    pub(super) fn new(processes: &[(u32, &str, &[&str])]) -> Self {
        let (root, mut sockets) = (FakeProc::new(&[]), Vec::new());
        for (pid, command_line, at) in processes {
            let inodes: Vec<u64> =
                (0..).map(|n| u64::from(*pid) * 100 + n).take(at.len()).collect();
            sockets.extend(at.iter().zip(&inodes).map(|(at, inode)| socket(at, *inode)));
            root.add(&Fake { pid: *pid, command_line, sockets: Some(&inodes), ..Fake::default() });
        }
        Self { sockets, root, named: Vec::new() }
    }

    pub(super) fn child(self, parent: u32, pid: u32, command_line: &str, at: &str) -> Self {
        let inode = u64::from(pid) * 100;
        let fake = Fake { pid, parent, command_line, sockets: Some(&[inode]), ..Fake::default() };
        self.root.add(&fake);
        Self { sockets: [self.sockets, vec![socket(at, inode)]].concat(), ..self }
    }

    /// Somebody's, whose files may not be read.
    pub(super) fn stranger(mut self, at: &str) -> Self {
        self.sockets.push(socket(at, 1));
        self
    }

    pub(super) fn named(mut self, origin: Origin, targets: &[&str]) -> Self {
        self.named.push((origin, targets.iter().map(|target| target.parse().unwrap()).collect()));
        self
    }

    pub(super) fn in_another_network(self, pid: u32) -> Self {
        for folder in ["self".to_owned(), pid.to_string()] {
            let folder = self.root.path().join(folder).join("net");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("dev"), "").unwrap();
        }
        self
    }

    pub(super) async fn leads(self) -> Vec<Lead> {
        self.found().await.leads
    }

    pub(super) async fn found(mut self) -> Leads {
        self.sockets.sort_unstable();
        let processes = self.root.processes().await;
        let mut owners = Owners::new(self.root.path());
        let named = self.named.iter().flat_map(|(_, targets)| targets.iter().map(SocketAddr::port));
        let named: Vec<u16> = named.collect();
        let holders = owners.holders(&self.sockets, &named, &processes, Depth::All).await;
        let scene = Scene {
            sockets: Some(&self.sockets),
            holders: &holders,
            processes: &processes,
            named: &self.named,
            own: &["10.0.0.7".parse().unwrap(), "fe80::1".parse().unwrap()],
        };
        leads(&scene)
    }

    /// `target listens_on origin owner`, one line a lead.
    pub(super) async fn told(self) -> Vec<String> {
        self.leads().await.iter().map(told).collect()
    }
}

pub(super) fn told(lead: &Lead) -> String {
    let on = lead.listens_on.map_or("-".to_owned(), |address| address.to_string());
    let owner = match &lead.owner {
        Owner::Known(process) => format!("{}", process.pid),
        Owner::Forwarder => "forwarder".to_owned(),
        Owner::Unknown => "unknown".to_owned(),
    };
    format!("{} {on} {:?} {owner}", lead.target, lead.origin)
}
