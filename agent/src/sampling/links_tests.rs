//! Which interfaces are real, on a folder that stands in for their files.

use proptest::prelude::{prop_assert, proptest};

use super::*;

const HEADINGS: &str = "Inter-| Receive\n face |bytes\n";

struct Host {
    folder: tempfile::TempDir,
    links: Links,
}

impl Host {
    fn new(names: &[&str], devices: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        let links = Links::new(&Roots::under(folder.path()));
        let host = Self { folder, links };
        devices.iter().for_each(|name| host.make(name));
        host.write(names);
        host
    }

    fn class(&self) -> PathBuf {
        self.folder.path().join("sys/class/net")
    }

    fn make(&self, name: &str) {
        std::fs::create_dir_all(self.class().join(name).join("device")).unwrap();
    }

    fn write(&self, names: &[&str]) {
        let line = |name: &&str| format!("  {name}: 1 9 3 7 2 0 0 0 5 9 4 0 0 0 0 0\n");
        let lines: String = names.iter().map(line).collect();
        let text = format!("{HEADINGS}{lines}");
        std::fs::write(self.folder.path().join("proc/net/dev"), text).unwrap();
    }

    fn real(&mut self) -> String {
        let counted = self.links.read(&mut Vec::new(), Instant::now()).unwrap();
        counted.into_keys().collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test(start_paused = true)]
async fn devices_count_where_there_are_any_and_virtual_ones_elsewhere() {
    let names = ["lo", "eth0", "wlan0", "bond0", "docker0", "wg0", "eni1a2b", "azv3c", "gke4d"];
    assert_eq!(Host::new(&names, &["eth0", "wlan0"]).real(), "eth0 wlan0");
    // The others have no device, nor are they guests' links.
    assert_eq!(Host::new(&names, &[]).real(), "bond0 eth0 wlan0");
    assert_eq!(Host::new(&["lo"], &[]).real(), "");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_an_interface_with_a_device_is_not_counted_twice() {
    let names = ["bond0", "enP1s1", "enp2s0", "eth0"];
    let mut host = Host::new(&names, &["eth0", "enP1s1", "enp2s0"]);
    assert_eq!(host.real(), "enP1s1 enp2s0 eth0");
    // It came first, and became a part then; a bond has no device itself.
    std::fs::create_dir_all(host.class().join("bond0")).unwrap();
    for (part, master) in [("enP1s1", "eth0"), ("enp2s0", "bond0")] {
        let link = host.class().join(part).join("master");
        std::os::unix::fs::symlink(host.class().join(master), link).unwrap();
    }
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!(host.real(), "enp2s0 eth0");
}

#[tokio::test(start_paused = true)]
async fn a_device_is_found_among_many_that_have_none() {
    let many: Vec<String> = (0..200).map(|n| format!("a{n}")).collect();
    let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
    names.push("ens5");
    let mut host = Host::new(&names, &["ens5"]);
    assert_eq!(host.real(), "ens5");
    let mut host = Host::new(&names, &[]);
    assert_eq!(host.real().split(' ').count(), limits::INTERFACES);
    // Interfaces come and go.
    host.make("ens6");
    host.write(&["a7", "ens6"]);
    assert_eq!(host.real(), "ens6");
}

#[test]
fn a_line_that_says_nothing_is_left_out_alone() {
    assert_eq!(parse(""), None);
    assert_eq!(parse(&format!("{HEADINGS}garbage\n")), None);
    let text = format!("{HEADINGS}eth0: x 1\neth1: 1 2 3 4 5 6 7 8 9 10 11 12\neth2: 1 2 3\n");
    let counted = parse(&text).unwrap();
    let counters = Counters { receive: 1, receive_errors: 8, transmit: 9, transmit_errors: 11 };
    assert_eq!(counted, BTreeMap::from([("eth1".to_owned(), counters)]));
}

proptest! {
    #[test]
    fn no_text_panics_or_breaks_a_bound(
        text in "h\nh\n( *[a-z0-9]{0,5}:( [0-9]{1,20}){0,17}\n){0,5}",
        ms in 1_u64..10_000,
        last: u64,
    ) {
        for now in parse(&text).unwrap_or_default().into_values() {
            prop_assert!(now.receive_errors.max(now.transmit_errors) <= limits::BYTES_MAX);
            let rate = rate(risen(last, now.receive), Duration::from_millis(ms));
            prop_assert!(rate <= limits::BYTES_MAX);
        }
    }
}
