//! Interfaces on a folder that stands in for their files.

use herdbook_shared::limits;

use super::*;

const HEADINGS: &str = "Inter-| Receive\n face |bytes\n";

fn line_of(name: &str, receive: u64, transmit: u64) -> String {
    format!("  {name}: {receive} 9 3 7 2 0 0 0 {transmit} 9 4 0 0 0 0 0\n")
}

fn host(lines: &[String], devices: &[&str]) -> (tempfile::TempDir, Interfaces) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
    for name in devices {
        std::fs::create_dir_all(folder.path().join("sys/class/net").join(name).join("device"))
            .unwrap();
    }
    write(&folder, lines);
    let interfaces = Interfaces::new(&Roots::under(folder.path()));
    (folder, interfaces)
}

fn write(folder: &tempfile::TempDir, lines: &[String]) {
    let text = format!("{HEADINGS}{}", lines.concat());
    std::fs::write(folder.path().join("proc/net/dev"), text).unwrap();
}

fn attribute(folder: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join("sys/class/net").join(name), text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_real_interface_is_told() {
    let lines = |receive| {
        ["lo", "eth0", "wlan0", "bond0", "docker0", "wg0"].map(|name| line_of(name, receive, 10))
    };
    let (folder, mut interfaces) = host(&lines(100), &["eth0", "wlan0"]);
    attribute(&folder, "eth0/operstate", "up\n");
    attribute(&folder, "eth0/speed", "25000\n");
    attribute(&folder, "wlan0/operstate", "down\n");
    attribute(&folder, "wlan0/speed", "-1\n");
    interfaces.read(&mut Vec::new(), Span::Measured, Instant::now()).unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    write(&folder, &lines(5100));
    let told = interfaces.read(&mut Vec::new(), Span::Measured, Instant::now()).unwrap();
    let names: Vec<&str> = told.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["eth0", "wlan0"]);
    let (eth, wlan) = (&told[0], &told[1]);
    assert_eq!((eth.state.as_deref(), eth.speed_mbps), (Some("up"), Some(25_000)));
    assert_eq!(eth.receive_bytes_per_second, Some(500));
    assert_eq!(eth.transmit_bytes_per_second, Some(0));
    assert_eq!((eth.receive_errors, eth.transmit_errors), (Some(5), Some(4)));
    assert!(eth.missing.is_empty(), "{:?}", eth.missing);
    assert_eq!(wlan.missing["speed_mbps"], MissingReason::NotSupported);
}

#[tokio::test(start_paused = true)]
async fn in_a_container_the_virtual_link_is_told_without_what_it_has_not() {
    let (_folder, mut interfaces) = host(&[line_of("lo", 1, 1), line_of("eth0", 1, 1)], &[]);
    let told = interfaces.read(&mut Vec::new(), Span::Measured, Instant::now()).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].missing["state"], MissingReason::NotSupported);
    assert_eq!(told[0].missing["receive_bytes_per_second"], MissingReason::CannotTell);
}

#[tokio::test(start_paused = true)]
async fn interfaces_come_and_go_and_are_bounded() {
    let many: Vec<String> = (0..200).map(|n| line_of(&format!("eth{n}"), 1, 1)).collect();
    let (folder, mut interfaces) = host(&many, &[]);
    let told = interfaces.read(&mut Vec::new(), Span::Measured, Instant::now()).unwrap();
    assert_eq!(told.len(), limits::INTERFACES);
    write(&folder, &many[150..151]);
    let told = interfaces.read(&mut Vec::new(), Span::Measured, Instant::now()).unwrap();
    assert_eq!((told.len(), told[0].name.as_str()), (1, "eth150"));
    assert_eq!(interfaces.known.len(), 1);
}
