mod host;

use proptest::prelude::*;

use self::host::{Host, told};
use super::super::process::tests::FakeProc;
use super::super::sockets::{ALL_V4, ALL_V6};
use super::*;
use crate::discovery::lead::{Process, Role};

const DOCKER: &str = "docker-proxy -host-port 5000 -container-ip 172.17.0.2 -container-port 11434";
const DOCKER_DB: &str =
    "docker-proxy -host-port 8000 -container-ip 172.17.0.3 -container-port 5432";
const DOCKER_ODD: &str =
    "docker-proxy -host-port 5000 -container-ip 172.17.0.3 -container-port 7000";

type Case<'a> = (&'a str, Host, &'a [&'a str]);

/// The rule, line by line.
async fn hold<const N: usize>(table: [Case<'_>; N]) {
    for (name, host, expected) in table {
        assert_eq!(host.told().await, expected, "{name}");
    }
}

#[tokio::test]
async fn sockets_of_one_process_are_one_server() {
    hold([
        (
            "a server, on any port",
            Host::new(&[(9, "ollama serve", &["127.0.0.1:5000"])]),
            &["127.0.0.1:5000 127.0.0.1 Process 9"],
        ),
        (
            "two servers",
            Host::new(&[
                (8, "ollama serve", &["127.0.0.1:5000"]),
                (9, "ollama serve", &["0.0.0.0:5001"]),
            ]),
            &["127.0.0.1:5000 127.0.0.1 Process 8", "127.0.0.1:5001 0.0.0.0 Process 9"],
        ),
        (
            "all addresses of both families, one server",
            Host::new(&[(9, "ollama serve", &["0.0.0.0:5000", "[::]:5000"])]),
            &["127.0.0.1:5000 0.0.0.0 Process 9"],
        ),
        (
            "both loopbacks, one process",
            Host::new(&[(9, "ollama serve", &["127.0.0.1:5000", "[::1]:5000"])]),
            &["127.0.0.1:5000 127.0.0.1 Process 9"],
        ),
        (
            "both loopbacks, two processes",
            Host::new(&[
                (8, "ollama serve", &["127.0.0.1:5000"]),
                (9, "ollama serve", &["[::1]:5000"]),
            ]),
            &["127.0.0.1:5000 127.0.0.1 Process 8", "[::1]:5000 ::1 Process 9"],
        ),
        (
            "loopback and the network, one process",
            Host::new(&[(9, "ollama serve", &["127.0.0.1:5000", "10.0.0.7:5000"])]),
            &["127.0.0.1:5000 10.0.0.7 Process 9"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_contacted_is_the_hosts_own() {
    hold([
        (
            "an own address",
            Host::new(&[(9, "ollama serve", &["10.0.0.7:5000"])]),
            &["10.0.0.7:5000 10.0.0.7 Process 9"],
        ),
        (
            "an address that is not the host's",
            Host::new(&[(9, "ollama serve", &["10.0.0.8:5000"])]),
            &[],
        ),
        ("a link-local address", Host::new(&[(9, "ollama serve", &["[fe80::1]:5000"])]), &[]),
        (
            "one on 127.0.0.1 hides it from one on all addresses",
            Host::new(&[
                (8, "ollama serve", &["127.0.0.1:5000"]),
                (9, "ollama serve", &["0.0.0.0:5000"]),
            ]),
            &["127.0.0.1:5000 127.0.0.1 Process 8", "127.0.0.2:5000 0.0.0.0 Process 9"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_listens_decides() {
    hold([
        (
            "a server's other sockets",
            Host::new(&[(9, "vllm serve m --port 5000", &["0.0.0.0:5000", "0.0.0.0:41000"])]),
            &["127.0.0.1:5000 0.0.0.0 Process 9"],
        ),
        (
            "a server that is still starting",
            Host::new(&[(9, "vllm serve m --port 5000", &["0.0.0.0:41000"])]),
            &[],
        ),
        (
            "a server that was told another port elsewhere",
            Host::new(&[(9, "llama-server -m m.gguf", &["127.0.0.1:5000"])]),
            &["127.0.0.1:5000 127.0.0.1 Process 9"],
        ),
        ("LM Studio's own socket", Host::new(&[(9, "lm-studio", &["127.0.0.1:41343"])]), &[]),
        (
            "a runner, a part, an aggregator, anybody else",
            Host::new(&[
                (5, "ollama runner --port 5000", &["127.0.0.1:5000"]),
                (6, "VLLM::EngineCore", &["127.0.0.1:5001"]),
                (7, "nginx", &["0.0.0.0:8080"]),
                (8, "postgres", &["0.0.0.0:8000"]),
                (9, "java -jar a.jar", &["0.0.0.0:1234"]),
            ]),
            &[],
        ),
        (
            "a child of an ollama",
            Host::new(&[(9, "ollama serve", &["127.0.0.1:11434"])]).child(
                9,
                10,
                "llama-server --port 40000",
                "127.0.0.1:40000",
            ),
            &["127.0.0.1:11434 127.0.0.1 Process 9"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_says_little_is_asked_on_likely_ports() {
    hold([
        (
            "interpreters",
            Host::new(&[
                (5, "python3 serve_llm.py --port 7000", &["127.0.0.1:7000", "127.0.0.1:7001"]),
                (6, "python3 serve_llm.py", &["127.0.0.1:5000", "127.0.0.1:5002"]),
                (7, "python3 main.py", &["127.0.0.1:8000"]),
                (8, "python3 main.py", &["127.0.0.1:5001"]),
                (9, "python3 -m http.server", &["127.0.0.1:8080"]),
            ]),
            &[
                "127.0.0.1:5000 127.0.0.1 Process 6",
                "127.0.0.1:7000 127.0.0.1 Process 5",
                "127.0.0.1:8000 127.0.0.1 Port 7",
            ],
        ),
        (
            "somebody unknown",
            Host::new(&[]).stranger("0.0.0.0:30000").stranger("127.0.0.1:5432"),
            &["127.0.0.1:30000 0.0.0.0 Port unknown"],
        ),
        (
            "both loopbacks, unknown",
            Host::new(&[]).stranger("127.0.0.1:8000").stranger("[::1]:8000"),
            &["127.0.0.1:8000 127.0.0.1 Port unknown"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn forwarders_and_other_networks_are_followed_to_model_servers() {
    hold([
        (
            "Docker's forwarders",
            Host::new(&[
                (7, DOCKER, &["0.0.0.0:5000"]),
                (8, DOCKER, &["[::]:5000"]),
                (9, DOCKER_DB, &["0.0.0.0:8000"]),
            ]),
            &["127.0.0.1:5000 0.0.0.0 Port forwarder"],
        ),
        ("a forwarder to an odd port", Host::new(&[(9, DOCKER_ODD, &["0.0.0.0:5000"])]), &[]),
        (
            "a forwarder to an odd port where a server is",
            Host::new(&[(8, "ollama serve", &[]), (9, DOCKER_ODD, &["0.0.0.0:5000"])])
                .in_another_network(8),
            // The other network's own port is tried as well.
            &["127.0.0.1:11434 - Port unknown"],
        ),
        (
            "a container whose port the kernel forwards",
            Host::new(&[(9, "vllm serve m --port 5000", &[])]).in_another_network(9),
            &["127.0.0.1:5000 - Port unknown"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_named_is_believed_as_far_as_it_may_be() {
    hold([
        (
            "what people name",
            Host::new(&[
                (8, "nginx", &["0.0.0.0:5000"]),
                (9, "ollama runner --port 5001", &["127.0.0.1:5001"]),
            ])
            .named(Origin::Flag, &["127.0.0.1:5000"])
            .named(Origin::Flag, &["127.0.0.1:5001"])
            .named(Origin::Flag, &["127.0.0.1:5002", "[::1]:5002"])
            .named(Origin::Flag, &["127.0.0.1:5003", "10.0.0.8:5003"]),
            &["127.0.0.1:5000 0.0.0.0 Flag 8", "127.0.0.1:5002 - Flag unknown"],
        ),
        (
            "what a unit or the environment names",
            Host::new(&[
                (7, "nginx", &["0.0.0.0:5000"]),
                (8, "my-ollama", &["[::1]:5001"]),
                (9, "ollama serve", &["[::]:5002"]),
            ])
            .named(Origin::Environment, &["127.0.0.1:5000"])
            .named(Origin::Unit, &["127.0.0.1:5001", "[::1]:5001"])
            .named(Origin::Unit, &["10.0.0.7:5002"]),
            &["127.0.0.1:5002 :: Unit 9", "[::1]:5001 ::1 Unit 8"],
        ),
        (
            "nobody at the usual places",
            Host::new(&[])
                .named(Origin::Usual, &["127.0.0.1:11434"])
                .named(Origin::Usual, &["[::1]:11434"]),
            &["127.0.0.1:11434 - Usual unknown", "[::1]:11434 - Usual unknown"],
        ),
        (
            "somebody else at the usual place",
            Host::new(&[(9, "postgres", &["0.0.0.0:11434", "[::]:11434"])])
                .named(Origin::Usual, &["127.0.0.1:11434"]),
            &[],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_lead_says_what_its_process_is() {
    let host = Host::new(&[(9, "ollama serve", &["127.0.0.1:11434"])]);
    let host = host.child(9, 10, "llama-server --port 40000", "127.0.0.1:40000");
    let leads = host.leads().await;
    let Owner::Known(process) = &leads[0].owner else { panic!("{leads:?}") };
    let Process { pid, name, role, runners, .. } = process.as_ref();
    assert_eq!((*pid, name.as_str(), *role), (9, "ollama", Role::Server(Kind::Ollama)));
    assert_eq!(runners.iter().map(|r| (r.pid, r.port)).collect::<Vec<_>>(), [(10, Some(40000))]);
}

#[tokio::test]
async fn where_the_kernel_does_not_say_all_named_places_are_leads() {
    let root = FakeProc::new(&[]);
    let processes = root.processes().await;
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let named = [
        (Origin::Flag, vec![at("127.0.0.1:5"), at("[::1]:5")]),
        (Origin::Unit, vec![at("10.0.0.8:5")]),
        (Origin::Usual, vec![at("127.0.0.1:11434")]),
    ];
    let scene =
        Scene { sockets: None, holders: &[], processes: &processes, named: &named, own: &[] };
    let expected =
        ["127.0.0.1:5 - Flag unknown", "127.0.0.1:11434 - Usual unknown", "[::1]:5 - Flag unknown"];
    assert_eq!(leads(&scene).leads.iter().map(told).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn leads_are_bounded_and_the_strongest_stay() {
    let mut host = Host::new(&[]).named(Origin::Flag, &["127.0.0.1:9"]);
    for port in 1000..1100 {
        host = host.named(Origin::Usual, &[&format!("127.0.0.1:{port}")]);
    }
    let processes = host.root.processes().await;
    let scene = Scene {
        sockets: Some(&[]),
        holders: &[],
        processes: &processes,
        named: &host.named,
        own: &[],
    };
    let found = leads(&scene);
    assert_eq!((found.leads.len(), found.left_out), (LEADS_MAX, 101 - LEADS_MAX as u64));
    assert_eq!(found.leads[0].origin, Origin::Flag);
}

#[tokio::test]
async fn parts_of_jobs_meet_undisturbed() {
    hold([
        (
            "a job of which nobody knows what it is",
            Host::new(&[
                (8, "python3 qwen_sft.py --model qwen3", &["0.0.0.0:29500"]),
                (9, "python3 qwen.py --port 29501", &["0.0.0.0:29500", "0.0.0.0:29501"]),
            ]),
            &[],
        ),
        (
            "a server that is still starting, on no port that it was told",
            Host::new(&[(9, "vllm serve m", &["0.0.0.0:29501", "0.0.0.0:41000"])]),
            &[],
        ),
        (
            "one whose port may stand in a file",
            Host::new(&[(9, "vllm serve m --config c.yaml", &["0.0.0.0:29501", "0.0.0.0:9000"])]),
            &["127.0.0.1:9000 0.0.0.0 Process 9"],
        ),
        (
            "one that was told such a port",
            Host::new(&[(9, "vllm serve m --port 29501", &["0.0.0.0:29501", "0.0.0.0:29502"])]),
            &["127.0.0.1:29501 0.0.0.0 Process 9"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_only_speaks_of_models_crowds_nobody_out() {
    let at: Vec<String> = (5000..5100).map(|port| format!("127.0.0.1:{port}")).collect();
    let usual = [1234, 8000, 8080, 9931, 30000].map(|port| format!("127.0.0.1:{port}"));
    let at: Vec<&str> = at.iter().chain(&usual).map(String::as_str).collect();
    let command_line = "python many.py --model qwen --port 5007";
    let mut host = Host::new(&[(8, command_line, &at), (19, "ollama serve", &["127.0.0.1:11434"])]);
    // Weaker than a server that is known, and than likely ones.
    for port in 11435..11495 {
        host = host.named(Origin::Usual, &[&format!("127.0.0.1:{port}")]);
    }
    let found = host.found().await;
    let told: Vec<String> = found.leads.iter().map(told).collect();
    let of_hint: Vec<&String> = told.iter().filter(|line| line.ends_with(" 8")).collect();
    assert!(told.contains(&"127.0.0.1:11434 127.0.0.1 Process 19".to_owned()), "{told:#?}");
    let n_others = LEADS_MAX - 61;
    assert_eq!(of_hint.len(), n_others.min(LEADS_OF_A_HINT_MAX), "{told:#?}");
    assert!(of_hint.iter().any(|line| line.contains(":5007 ")), "{told:#?}");
    assert_eq!(found.left_out, 7 + 61 - LEADS_MAX as u64);
}

#[tokio::test]
async fn servers_that_are_known_stay_before_likely_ones() {
    let mut host = Host::new(&[(9, "ollama serve", &["127.0.0.1:65000"])]);
    for port in 1000..1100 {
        host = host.named(Origin::Usual, &[&format!("127.0.0.1:{port}")]);
    }
    let found = host.found().await;
    assert_eq!((found.leads.len(), found.left_out), (LEADS_MAX, 101 - LEADS_MAX as u64));
    assert_eq!(found.leads[LEADS_MAX - 1].target.port(), 65000);
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let addresses = ["127.0.0.1", "127.0.0.5", "::1", "10.0.0.7", "10.0.0.8", "fd00::1"];
    prop_oneof![
        Just(ALL_V4),
        Just(ALL_V6),
        proptest::sample::select(addresses.to_vec()).prop_map(|text| text.parse().unwrap()),
    ]
}

proptest! {
    /// Whoever listens where: nothing outside of the host is a lead, none is there twice, and
    /// each reaches the server that it stands for.
    #[test]
    fn leads_are_here_and_lead_where_they_say(
        sockets in proptest::collection::vec((any_address(), 0_u16..3, 0_u64..5), 0..12)
    ) {
        let own = ["10.0.0.7".parse().unwrap()];
        let mut sockets: Vec<Listening> = sockets
            .into_iter()
            .map(|(address, port, inode)| {
                let hears_v4 = address.is_ipv4() || address == ALL_V6;
                Listening { port: 8000 + port * 80, address, hears_v4, uid: 1, inode }
            })
            .collect();
        sockets.sort_unstable();
        sockets.dedup_by_key(|listening| (listening.port, listening.address));
        let holders = vec![Holder::Unknown; sockets.len()];
        let processes = Processes::new(std::path::Path::new("/nowhere"));
        let scene = Scene {
            sockets: Some(&sockets), holders: &holders, processes: &processes, named: &[], own: &own,
        };
        let found = leads(&scene).leads;
        for pair in found.windows(2) {
            prop_assert!(pair[0].target < pair[1].target);
        }
        for lead in &found {
            let ip = lead.target.ip();
            prop_assert!(ip.is_loopback() || own.contains(&ip));
            prop_assert!(sockets.iter().any(|l| l.port == lead.target.port() && l.hears(ip)));
        }
    }
}
