//! On the paused clock, against servers without a socket.

mod kin;
mod states;

use std::time::Duration;

use herdbook_shared::wire::inventory::{Model, Service, ServiceState};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::discovery::Found;
use crate::discovery::answer::{Installed, Loaded};
use crate::discovery::lead::Origin;
use crate::discovery::scripted::{Says, Scripted};

fn model(name: &str) -> Installed {
    Installed {
        name: name.to_owned(),
        digest: Some(format!("digest of {name}")),
        context_length: Some(8192),
        capabilities: vec!["completion".to_owned()],
        ..Installed::default()
    }
}

fn warm(name: &str) -> Loaded {
    Loaded { name: name.to_owned(), digest: Some(format!("digest of {name}")), ..Loaded::default() }
}

/// A place of which nothing is known.
fn somewhere(at: &str) -> Lead {
    let target = at.parse().unwrap();
    Lead { target, listens_on: None, origin: Origin::Usual, owner: Owner::Unknown }
}

/// A prober in its loop.
struct Watched {
    found: watch::Receiver<Arc<Found>>,
    lead: watch::Sender<Option<Lead>>,
    resume: watch::Sender<u64>,
    board: Arc<Board>,
    tasks: JoinSet<()>,
}

impl Watched {
    /// Starts one, and waits for no look of it.
    fn start(server: &Scripted, lead: Lead) -> Self {
        let (board, found) = Board::new(0);
        let mut watched = Self {
            found,
            lead: watch::channel(None).0,
            resume: watch::channel(0).0,
            board,
            tasks: JoinSet::new(),
        };
        watched.lead = watched.join(server, lead);
        watched
    }

    /// Another prober on the same board.
    fn join(&mut self, server: &Scripted, lead: Lead) -> watch::Sender<Option<Lead>> {
        let (board, reach) = (self.board.clone(), server.clone());
        let around = Around { reach, board, proc_root: "/nowhere".into() };
        let prober = Prober::new(lead.target, around);
        let (sender, leads) = watch::channel(Some(lead));
        let first_look = self.board.expects();
        self.tasks.spawn(prober.run(leads, self.resume.subscribe(), first_look));
        sender
    }

    fn now_led(&self, lead: Lead) {
        self.lead.send_replace(Some(lead));
    }
}

/// A prober that has looked once.
async fn watch(server: &Scripted) -> Watched {
    watch_at(server, somewhere("127.0.0.1:11434")).await
}

async fn watch_at(server: &Scripted, lead: Lead) -> Watched {
    let watched = Watched::start(server, lead);
    tokio::task::yield_now().await;
    watched.board.first_look_over().await;
    watched
}

impl Watched {
    fn services(&self) -> Vec<Service> {
        self.found.borrow().services.clone()
    }

    fn state(&self) -> ServiceState {
        self.services()[0].state
    }

    fn error(&self) -> Option<String> {
        self.services()[0].last_error.clone()
    }

    fn warm(&self) -> Vec<String> {
        let is_warm = |model: &Model| model.warm.then(|| model.name.clone());
        self.services()[0].models.iter().filter_map(is_warm).collect()
    }
}

async fn seconds(n: u64) {
    sleep(Duration::from_secs(n)).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_is_listed_whole_after_the_first_look() {
    let server = Scripted::with_models(vec![model("a"), model("b")]);
    server.change(|state| state.warm = vec![warm("a")]);
    let watched = watch(&server).await;
    let service = &watched.services()[0];
    assert_eq!((service.address.as_str(), service.port), ("127.0.0.1", 11434));
    assert_eq!(service.version.as_deref(), Some("0.33.0"));
    assert_eq!(service.state, ServiceState::Resident);
    assert_eq!(service.models.len(), 2);
    assert_eq!(watched.warm(), ["a"]);
    assert_eq!(watched.found.borrow().revision, 1);
}

#[tokio::test(start_paused = true)]
async fn is_asked_no_more_than_the_rules_say() {
    let server = Scripted::with_models(vec![model("a")]);
    let _watched = watch(&server).await;
    seconds(119).await;
    let n = ["version", "ps", "tags"].map(|what| server.n_asked(what));
    assert_eq!(n, [2, 24, 12]);
    seconds(600).await;
    server.change(|state| state.asked.clear());
    seconds(120).await;
    let n = ["version", "ps", "tags"].map(|what| server.n_asked(what));
    assert_eq!(n, [2, 8, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_was_loaded_is_seen_within_5_seconds_and_brings_the_list_up_to_date() {
    let server = Scripted::with_models(vec![model("a")]);
    let watched = watch(&server).await;
    seconds(1).await;
    server.change(|state| {
        state.models.push(model("new"));
        state.warm = vec![warm("new")];
    });
    seconds(5).await;
    assert_eq!(watched.warm(), ["new"]);
    assert_eq!(watched.services()[0].models.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_silent_list_is_busy_not_down() {
    let server = Scripted::with_models(vec![model("a")]);
    server.change(|state| state.warm = vec![warm("a")]);
    let watched = watch(&server).await;
    server.change(|state| state.loaded = Says::Silent);
    seconds(60).await;
    assert_eq!(watched.state(), ServiceState::Busy);
    assert_eq!(watched.warm(), ["a"]);
    assert_eq!(watched.error().as_deref(), Some("/api/ps: no answer within 2s"));
    server.change(|state| state.loaded = Says::Well);
    seconds(6).await;
    assert_eq!(watched.state(), ServiceState::Resident);
    assert_eq!(watched.error(), None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_hung_after_30_seconds_and_comes_back() {
    let server = Scripted::with_models(vec![model("a")]);
    server.change(|state| state.warm = vec![warm("a")]);
    let watched = watch(&server).await;
    server.change(|state| {
        state.version = Says::Silent;
        state.loaded = Says::Silent;
        state.installed = Says::Silent;
    });
    seconds(30).await;
    assert_ne!(watched.state(), ServiceState::Hung);
    seconds(20).await;
    assert_eq!(watched.state(), ServiceState::Hung);
    assert_eq!(watched.warm(), [""; 0]);
    assert_eq!(watched.services()[0].models.len(), 1);
    assert_eq!(watched.error().as_deref(), Some("/api/version: no answer within 2s"));
    server.change(|state| {
        state.version = Says::Well;
        state.loaded = Says::Well;
        state.installed = Says::Well;
    });
    seconds(8).await;
    assert_eq!(watched.state(), ServiceState::Resident);
    assert_eq!(watched.error(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_down_at_the_next_look_and_stays_listed() {
    let server = Scripted::with_models(vec![model("a")]);
    server.change(|state| state.warm = vec![warm("a")]);
    let watched = watch(&server).await;
    server.change(|state| {
        state.version = Says::Refused;
        state.loaded = Says::Refused;
    });
    seconds(6).await;
    assert_eq!(watched.state(), ServiceState::Down);
    assert_eq!(watched.error().as_deref(), Some("/api/version: nothing listens"));
    assert_eq!(watched.warm(), [""; 0]);
    seconds(24 * 3600).await;
    assert_eq!(watched.state(), ServiceState::Down);
    assert_eq!(watched.services()[0].models.len(), 1);
    server.change(|state| {
        state.version = Says::Well;
        state.loaded = Says::Well;
    });
    seconds(6).await;
    assert_eq!(watched.state(), ServiceState::Resident);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_never_seen_is_not_listed() {
    for says in [Says::Refused, Says::Silent, Says::Wrong] {
        let server = Scripted::with_models(Vec::new());
        server.change(|state| state.version = says);
        let watched = watch(&server).await;
        seconds(300).await;
        assert_eq!(watched.services(), [], "{says:?}");
        assert_eq!(server.n_asked("ps"), 0, "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_later_is_found_within_5_seconds() {
    let server = Scripted::with_models(Vec::new());
    server.change(|state| state.version = Says::Refused);
    let watched = watch(&server).await;
    seconds(3601).await;
    server.change(|state| state.version = Says::Well);
    seconds(5).await;
    assert_eq!(watched.state(), ServiceState::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_left_in_peace() {
    let server = Scripted::with_models(Vec::new());
    server.change(|state| state.version = Says::Wrong);
    let _watched = watch(&server).await;
    seconds(599).await;
    assert_eq!(server.n_asked("version"), 10);
}

#[tokio::test(start_paused = true)]
async fn one_that_wants_a_credential_is_alive_and_says_so() {
    let server = Scripted::with_models(Vec::new());
    server.change(|state| state.version = Says::Unauthorized);
    let watched = watch(&server).await;
    seconds(60).await;
    assert_eq!(watched.state(), ServiceState::Unknown);
    assert!(watched.error().unwrap().contains("credential"), "{:?}", watched.error());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_list_does_not_keep_models_warm_for_ever() {
    let server = Scripted::with_models(vec![model("a")]);
    server.change(|state| state.warm = vec![warm("a")]);
    let watched = watch(&server).await;
    server.change(|state| state.loaded = Says::Wrong);
    seconds(20).await;
    assert_eq!(watched.warm(), ["a"]);
    assert!(watched.error().unwrap().starts_with("/api/ps: answered something else"));
    seconds(20).await;
    assert_eq!(watched.warm(), [""; 0]);
    assert_eq!(watched.state(), ServiceState::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_list_of_installed_models_leaves_the_old_one_and_an_error() {
    let server = Scripted::with_models(vec![model("a")]);
    let watched = watch(&server).await;
    server.change(|state| state.installed = Says::Wrong);
    seconds(60).await;
    assert_eq!(watched.services()[0].models.len(), 1);
    assert_eq!(watched.state(), ServiceState::Idle);
    assert!(watched.error().unwrap().starts_with("/api/tags: answered something else"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_list_its_models_is_on_the_list_before_them() {
    let server = Scripted::with_models(vec![model("a")]);
    server.change(|state| state.installed = Says::Late);
    let watched = Watched::start(&server, somewhere("127.0.0.1:11434"));
    tokio::task::yield_now().await;
    // The first look waits for no more.
    watched.board.first_look_over().await;
    assert_eq!(watched.services()[0].models.len(), 0);
    seconds(20).await;
    assert_eq!(watched.services()[0].models.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn details_are_asked_once_and_never_of_what_runs_elsewhere() {
    let plain = Installed { context_length: None, ..model("plain") };
    let remote = Installed { context_length: None, remote: true, ..model("remote") };
    let server = Scripted::with_models(vec![model("complete"), plain, remote]);
    let watched = watch(&server).await;
    seconds(300).await;
    assert_eq!(server.n_asked("show plain"), 1);
    assert_eq!(server.n_asked("show complete") + server.n_asked("show remote"), 0);
    assert_eq!(watched.services()[0].models[1].context_length, Some(7));
}

#[tokio::test(start_paused = true)]
async fn details_that_fail_are_asked_again_only_after_a_restart() {
    let server = Scripted::with_models(vec![Installed { context_length: None, ..model("a") }]);
    server.change(|state| state.show = Says::Wrong);
    let _watched = watch(&server).await;
    seconds(300).await;
    assert_eq!(server.n_asked("show a"), 1);
    server.change(|state| {
        state.version = Says::Refused;
        state.loaded = Says::Refused;
    });
    seconds(10).await;
    server.change(|state| {
        state.version = Says::Well;
        state.loaded = Says::Well;
    });
    seconds(10).await;
    assert_eq!(server.n_asked("show a"), 2);
}

#[tokio::test(start_paused = true)]
async fn one_server_behind_two_loopback_addresses_is_listed_once() {
    let server = Scripted::with_models(Vec::new());
    let mut watched = watch(&server).await;
    let _second = watched.join(&server, somewhere("[::1]:11434"));
    seconds(1).await;
    assert_eq!(watched.services().len(), 1);
    assert_eq!(watched.services()[0].address, "127.0.0.1");
    assert_eq!(server.n_asked("ps"), 1);
    // The second knows now whose it is.
    seconds(30).await;
    assert_eq!(server.n_asked("version"), 2);
}
