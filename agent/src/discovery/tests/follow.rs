//! How leads that come and go are followed, on the paused clock.

use std::net::Ipv4Addr;

use super::*;
use crate::discovery::lead::{Origin, Owner};
use crate::discovery::scripted::{Says, Scripted};

/// All that leads are followed by.
struct Following {
    leads: watch::Sender<Arc<Leads>>,
    found: watch::Receiver<Arc<Found>>,
    board: Arc<Board>,
    _tasks: JoinSet<()>,
}

fn follow_on(server: &Scripted) -> Following {
    let (board, found) = Board::new(1);
    let (leads, receiver) = watch::channel(Arc::default());
    let around =
        Around { reach: server.clone(), board: board.clone(), proc_root: "/nowhere".into() };
    let mut tasks = JoinSet::new();
    tasks.spawn(follow(receiver, around, watch::channel(0).1));
    Following { leads, found, board, _tasks: tasks }
}

fn lead(port: u16) -> Lead {
    let listens_on = Some(Ipv4Addr::LOCALHOST.into());
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Lead { target, listens_on, origin: Origin::Port, owner: Owner::Unknown }
}

impl Following {
    async fn now(&self, ports: impl IntoIterator<Item = u16>) {
        let leads = Leads { leads: ports.into_iter().map(lead).collect(), left_out: 0 };
        self.leads.send_replace(Arc::new(leads));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn states(&self) -> Vec<(u16, ServiceState)> {
        self.found.borrow().services.iter().map(|s| (s.port, s.state)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_look_is_over_when_every_lead_was_looked_at() {
    let server = Scripted::with_models(Vec::new());
    server.change(|state| state.installed = Says::Late);
    let following = follow_on(&server);
    following.now([1, 2]).await;
    assert_eq!(following.found.borrow().revision, 0);
    following.board.first_look_over().await;
    assert!(following.found.borrow().revision > 0);
    assert_eq!(following.states().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_first_look_that_finds_nothing_is_one() {
    let following = follow_on(&Scripted::with_models(Vec::new()));
    following.now([]).await;
    assert_eq!(following.found.borrow().revision, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_moves_is_down_where_it_was_and_found_where_it_is() {
    let following = follow_on(&Scripted::with_models(Vec::new()));
    following.now([1, 2]).await;
    following.now([1, 3]).await;
    let expected = [(1, ServiceState::Idle), (2, ServiceState::Down), (3, ServiceState::Idle)];
    assert_eq!(following.states(), expected);
    following.now([1, 2, 3]).await;
    assert_eq!(following.states()[1], (2, ServiceState::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_place_where_nothing_was_ever_seen_is_forgotten_with_its_lead() {
    let server = Scripted::with_models(Vec::new());
    server.change(|state| state.version = Says::Silent);
    let following = follow_on(&server);
    following.now([1]).await;
    following.now([]).await;
    server.change(|state| state.asked.clear());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((following.states(), server.n_asked("version")), (Vec::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn of_many_that_are_gone_the_last_ones_are_remembered() {
    let following = follow_on(&Scripted::with_models(Vec::new()));
    following.now([1]).await;
    for port in 2..60 {
        following.now([port]).await;
    }
    let states = following.states();
    assert_eq!(states.len(), GONE_MAX + 1);
    assert_eq!(states.last(), Some(&(59, ServiceState::Idle)));
    assert!(states.iter().all(|(port, _)| usize::from(*port) >= 59 - GONE_MAX), "{states:?}");
}
