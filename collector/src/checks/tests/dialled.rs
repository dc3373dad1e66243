//! Registering a service makes the collector dial nobody whom it should not: hundreds of spellings
//! of addresses, registered through the API, against traps that count who comes.

use std::sync::atomic::AtomicU64;

use axum::http::Method;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::*;
use crate::api::owner::Owner;
use crate::api::testing::App;
use crate::registry::service::ServiceEntry;

/// See there.
const CORPUS: &str = include_str!("dialled.txt");

/// Listens on every address of this machine, by both protocols, and counts who comes and what they
/// say.
struct Trap {
    port: u16,
    n_connections: Arc<AtomicUsize>,
    n_bytes: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Trap {
    async fn set() -> Self {
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (n_connections, n_bytes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicU64>::default());
        let (n, bytes, mut tasks) =
            (Arc::clone(&n_connections), Arc::clone(&n_bytes), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                n.fetch_add(1, Ordering::SeqCst);
                let bytes = Arc::clone(&bytes);
                connections.spawn(async move {
                    let mut buffer = [0; 512];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        bytes.fetch_add(read as u64, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { port, n_connections, n_bytes, _tasks: tasks }
    }

    fn caught(&self) -> (usize, u64) {
        (self.n_connections.load(Ordering::SeqCst), self.n_bytes.load(Ordering::SeqCst))
    }

    /// What stands in the corpus: what it is, and the URL.
    fn corpus(&self) -> Vec<(&'static str, String)> {
        let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
        let spelled = lines.map(|line| line.split_once(' ').unwrap());
        spelled.map(|(what, url)| (what, url.replace("PORT", &self.port.to_string()))).collect()
    }
}

/// Names lead to one address after another, the last for ever.
fn leads_to(addresses: &[&str]) -> Resolve {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let n_asked = Arc::new(AtomicUsize::new(0));
    Arc::new(move |_, port| {
        let n = n_asked.fetch_add(1, Ordering::SeqCst).min(addresses.len() - 1);
        let found = vec![SocketAddr::new(addresses[n], port)];
        Box::pin(async move { Ok(found) })
    })
}

fn guarding(loopback: Loopback, allowed: &[&str], resolve: Resolve) -> Prober {
    let allowed: Vec<IpNet> = allowed.iter().map(|text| text.parse().unwrap()).collect();
    Prober { policy: Policy::new(loopback, &allowed, &[]), resolve, ..prober(300) }
}

/// A collector whose API takes what it is told by this caller, and whose checks then ask all of it
/// once.
struct World {
    app: App,
    caller: Option<&'static str>,
}

impl World {
    fn of(caller: Option<&'static str>) -> Self {
        Self { app: App::new(), caller }
    }

    async fn register(&self, url: &str) -> (u16, Value) {
        let form = json!({"name": "trap", "type": "model", "url": url, "check": "probe"});
        let owner = Owner(self.caller.map(Arc::from));
        let answer = self.app.send_by(owner, Method::POST, "/api/v1/services", form).await;
        (answer.status, answer.body)
    }

    /// Asks every service at once, as the runner does. Returns each as it is after that.
    async fn ask_all(&self, prober: &Prober) -> Vec<Arc<ServiceEntry>> {
        let registry = &self.app.registry;
        let mut asked = JoinSet::new();
        for service in registry.services() {
            let (registry, prober) = (Arc::clone(registry), prober.clone());
            asked.spawn(async move {
                let vouches = |address| registry.vouches(&service.facts, address);
                let outcome = prober.check(&service.facts, &vouches).await;
                registry.record_probe(&service.id, outcome, Moment::now());
            });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap();
        }
        registry.services()
    }
}

/// Registers the corpus and asks all of it: how many the API takes, how many it turns away, and
/// what became of the former.
async fn asked(
    world: &World,
    trap: &Trap,
    prober: &Prober,
) -> (usize, usize, Vec<Arc<ServiceEntry>>) {
    let (mut n_registered, mut n_turned_away) = (0, 0);
    for (what, url) in trap.corpus() {
        match world.register(&url).await {
            (200 | 201, _) => n_registered += 1,
            (422, problem) => {
                assert_eq!(problem["field"], "url", "{what} {url}");
                n_turned_away += 1;
            }
            other => panic!("{what} {url}: {other:?}"),
        }
    }
    assert_eq!(n_registered + n_turned_away, trap.corpus().len());
    (n_registered, n_turned_away, world.ask_all(prober).await)
}

#[tokio::test]
async fn no_spelling_of_what_is_forbidden_reaches_anybody_where_credentials_are_demanded() {
    for caller in [None, Some("token:bot")] {
        let (world, trap) = (World::of(caller), Trap::set().await);
        assert!(trap.corpus().len() >= 200, "{}", trap.corpus().len());
        // Allowing everything allows nothing of these.
        let everything = ["0.0.0.0/0", "::/0"];
        let prober = guarding(Loopback::Refused, &everything, leads_to(&["127.0.0.1"]));
        let (n_registered, n_turned_away, services) = asked(&world, &trap, &prober).await;
        assert!(n_registered > 50 && n_turned_away > 50, "{n_registered}, {n_turned_away}");
        for service in services {
            let why = service.facts.last_error.as_deref().unwrap_or_default();
            assert!(why.contains(" is never dialled: it is "), "{}: {why}", service.facts.url);
            assert_eq!(service.status, ServiceStatus::Unknown, "{}", service.facts.url);
        }
        // What the API turns away may stand in a database all the same: nobody asks it either.
        for (what, url) in trap.corpus() {
            let failed = prober.check_vouched(&of_kind(&url, "ollama")).await;
            let why = failed.expect_err(&url).to_string();
            let is_read = why.contains(" is never dialled: it is ");
            assert!(is_read || why.starts_with("its URL"), "{what} {url}: {why}");
        }
        assert_eq!(trap.caught(), (0, 0), "{caller:?}");
    }
}

/// The same corpus and the same trap, where loopback may be dialled: it would be noticed.
#[tokio::test]
async fn the_trap_notices_who_comes() {
    let (world, trap) = (World::of(None), Trap::set().await);
    let prober = guarding(Loopback::Allowed, &[], leads_to(&["127.0.0.1"]));
    asked(&world, &trap, &prober).await;
    let (n_connections, n_bytes) = trap.caught();
    assert!(n_connections > 3 && n_bytes > 100, "{n_connections} connections, {n_bytes} bytes");
}

/// This machine's own address beyond loopback, where it has one.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel chooses the address from which it would be.
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

#[tokio::test]
async fn a_client_gets_only_addresses_dialled_that_an_agent_proved_or_that_are_allowed() {
    let Some(own) = own_address() else { return };
    let trap = Trap::set().await;
    let url = format!("http://{own}:{}", trap.port);
    let nobody = leads_to(&["127.0.0.1"]);
    let (client, admin) = (World::of(Some("token:bot")), World::of(None));
    let prober = guarding(Loopback::Refused, &[], Arc::clone(&nobody));

    assert_eq!(client.register(&url).await.0, 201);
    let [service] = &client.ask_all(&prober).await[..] else { panic!("one") };
    let why = service.facts.last_error.as_deref().unwrap();
    assert!(why.contains("no agent connects from there") && why.contains("allow_dial"), "{why}");
    assert_eq!((service.status, trap.caught()), (ServiceStatus::Unknown, (0, 0)));

    // An agent's own socket proves it, and still does when that is over.
    crate::registry::testing::connect_from(&client.app.registry, 1, own);
    client.ask_all(&prober).await;
    let n_by_agent = trap.caught().0;
    assert!(n_by_agent > 0);

    admin.register(&url).await;
    admin.ask_all(&prober).await;
    let n_by_admin = trap.caught().0;
    assert!(n_by_admin > n_by_agent);

    let other = World::of(Some("token:bot"));
    other.register(&url).await;
    let network = format!("{own}/{}", if own.is_ipv4() { 24 } else { 64 });
    other.ask_all(&guarding(Loopback::Refused, &[&network], nobody)).await;
    assert!(trap.caught().0 > n_by_admin);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_from_one_question_to_the_next_catches_nobody() {
    for bad in ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"] {
        let (world, trap) = (World::of(Some("token:bot")), Trap::set().await);
        // Nobody is at the good one, and nothing is sent beyond this machine's own network.
        let flips = leads_to(&["192.0.2.1", bad]);
        let prober = guarding(Loopback::Refused, &["192.0.2.0/24"], flips);
        let url = format!("http://rebind.example:{}", trap.port);
        assert_eq!(world.register(&url).await.0, 201);
        for _ in 0..3 {
            world.ask_all(&prober).await;
        }
        assert_eq!(trap.caught(), (0, 0), "{bad}");
        let [service] = &world.app.registry.services()[..] else { panic!("one") };
        let why = service.facts.last_error.as_deref().unwrap();
        assert!(why.contains("is never dialled"), "{why}");
    }
}
