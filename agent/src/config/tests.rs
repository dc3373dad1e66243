//! The layers together.

use std::io::Write as _;

use clap::Parser as _;

use super::*;

fn load(flags: &[&str], env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let flags = Flags::try_parse_from([&["herdbook-agent"], flags].concat()).unwrap();
    let lookup = |wanted: &str| {
        let found = env.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| OsString::from(value))
    };
    let home = |wanted: &str| (wanted == "HOME").then(|| OsString::from("/home/ada"));
    Settings::load(&flags, &|wanted| lookup(wanted).or_else(|| home(wanted)))
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn with_file(text: &str, flags: &[&str], env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    load(&[flags, &["--config", path]].concat(), env)
}

#[test]
fn says_nothing_gets_the_defaults() {
    let settings = load(&[], &[]).unwrap();
    assert_eq!(settings.collector, None);
    assert_eq!(settings.discovery, CollectorDiscovery::Auto);
    assert_eq!(settings.join_file, None);
    assert_eq!(settings.interval, Duration::from_secs(1));
    assert_eq!(settings.role, "worker");
    assert_eq!(settings.name, None);
    assert_eq!(settings.state_dir, PathBuf::from("/home/ada/.local/state/herdbook/agent"));
    assert_eq!(settings.log.format, LogFormat::Text);
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file() {
    let text = "role = \"file\"\nname = \"file\"\ninterval = \"2s\"\nlog_level = \"warn\"";
    let env = [("HERDBOOK_ROLE", "env"), ("HERDBOOK_NAME", "env"), ("HERDBOOK_INTERVAL", "")];
    let settings = with_file(text, &["--role", "flag"], &env).unwrap();
    assert_eq!(settings.role, "flag");
    assert_eq!(settings.name.as_deref(), Some("env"));
    assert_eq!(settings.interval, Duration::from_secs(2));
    assert_eq!(settings.log.level, LogLevel::WARN);
}

#[test]
fn a_file_can_say_everything() {
    let text = r#"
        collector = "gpu-0:6121"
        discovery = "off"
        join_file = "/etc/herdbook/join"
        state_dir = "/srv/herdbook"
        interval = "1500ms"
        name = "gpu-1"
        role = "render"
        nvml_lib = "/opt/libnvidia-ml.so.1"
        ollama = ["http://127.0.0.1:11435"]
        log_level = "debug"
        log_format = "json"
        [labels]
        zone = "a"
    "#;
    let settings = with_file(text, &[], &[]).unwrap();
    assert_eq!(settings.collector.unwrap().to_string(), "https://gpu-0:6121");
    assert_eq!(settings.discovery, CollectorDiscovery::Off);
    assert_eq!(settings.join_file, Some(PathBuf::from("/etc/herdbook/join")));
    assert_eq!(settings.state_dir, PathBuf::from("/srv/herdbook"));
    assert_eq!(settings.interval, Duration::from_millis(1500));
    assert_eq!(settings.nvml_lib, Some(PathBuf::from("/opt/libnvidia-ml.so.1")));
    assert_eq!(settings.ollama[0].to_string(), "http://127.0.0.1:11435");
    assert_eq!(settings.labels["zone"], "a");
    assert_eq!(settings.log, LogSettings { level: LogLevel::DEBUG, format: LogFormat::Json });
}

#[test]
fn a_host_root_is_a_folder_with_a_proc() {
    assert_eq!(load(&[], &[]).unwrap().host_root, PathBuf::from("/"));
    let host = tempfile::tempdir().unwrap();
    let path = host.path().to_str().unwrap();
    let problem = |text: &str| load(&["--host-root", text], &[]).unwrap_err().to_string();
    assert!(problem(path).starts_with("flag --host-root: "), "{}", problem(path));
    assert!(problem(path).contains("has no proc"), "{}", problem(path));
    std::fs::create_dir(host.path().join("proc")).unwrap();
    assert!(problem(path).contains("has no proc"), "{}", problem(path));
    std::fs::write(host.path().join("proc/stat"), "").unwrap();
    assert_eq!(load(&["--host-root", path], &[]).unwrap().host_root, host.path());
    let env = [("HERDBOOK_HOST_ROOT", path)];
    assert_eq!(load(&[], &env).unwrap().host_root, host.path());
    let file = format!("host_root = {path:?}");
    assert_eq!(with_file(&file, &[], &[]).unwrap().host_root, host.path());
    let error = with_file("host_root = \"/nowhere/at/all\"", &[], &[]).unwrap_err().to_string();
    assert!(error.contains("key host_root") && error.contains("is no folder"), "{error}");
}

#[test]
fn lists_come_from_one_layer_alone() {
    let text = "ollama = [\"http://127.0.0.1:1\"]\n[labels]\nzone = \"file\"";
    let env = [("HERDBOOK_LABELS", "zone=env, rack=7")];
    let settings = with_file(text, &[], &env).unwrap();
    assert_eq!(settings.labels.len(), 2);
    assert_eq!(settings.labels["rack"], "7");
    assert_eq!(settings.ollama.len(), 1);
    let settings = with_file(text, &["--label", "zone=b"], &env).unwrap();
    assert_eq!(settings.labels.len(), 1);
}

#[test]
fn a_bad_value_names_its_key_and_where_it_came_from() {
    for (flags, env, words) in [
        (
            ["--interval", "5"],
            ("", ""),
            "flag --interval: \"5\" is no interval: expected 1s to 10m",
        ),
        (["--interval", "10ms"], ("", ""), "expected 1s to 10m"),
        (["--interval", "99999999999999999999m"], ("", ""), "expected 1s to 10m"),
        (["--interval", "2s"], ("HERDBOOK_ROLE", "a\nb"), "environment variable HERDBOOK_ROLE"),
        (["--name", " "], ("", ""), "flag --name: \" \" is empty"),
        (["--label", "zone"], ("", ""), "flag --label: \"zone\" is no label: expected key=value"),
        (["--label", "=a"], ("", ""), "expected key=value"),
        (["--log-level", "loud"], ("", ""), "expected error, warn, info, debug or trace"),
        (["--log-format", "xml"], ("", ""), "expected text or json"),
        (["--discovery", "on"], ("", ""), "is no way to find a collector: expected auto or off"),
        (["--join-file", ""], ("", ""), "expected a path"),
        (["--collector", "http://a:1"], ("", ""), "over the network unencrypted"),
        (["--collector", "htp://a:1"], ("", ""), "flag --collector: \"htp://a:1\" has an unknown"),
        (
            ["--ollama", "127.0.0.1:1"],
            ("", ""),
            "flag --ollama: \"127.0.0.1:1\" has no scheme; expected http://HOST:PORT",
        ),
        (["--state-dir", ""], ("", ""), "expected a path"),
        (["--name", "a"], ("HERDBOOK_LABELS", "a=1,a=2"), "for the second time"),
    ] {
        let error = load(&flags, &[env]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_bad_value_in_the_file_names_file_and_key() {
    let error = with_file("interval = \"5\"", &[], &[]).unwrap_err().to_string();
    assert!(error.starts_with("key interval in /"), "{error}");
}

#[test]
fn a_file_that_is_none_names_line_and_key() {
    for (text, words) in [
        (
            "role = \"a\"\ncolector = \"x\"",
            "line 2: key colector: unknown field `colector`, expected one of `collector`",
        ),
        ("role = \"a\"\ninterval = 5", "line 2: key interval: invalid type: integer `5`"),
        ("role = ", "line 1: "),
        ("[labels]\nzone = 1", "line 2: key labels.zone: invalid type"),
    ] {
        let error = with_file(text, &[], &[]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = load(&["--config", "/nowhere/agent.toml"], &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "flag --config: cannot read /nowhere/agent.toml; check that it exists and may be read"
    );
}

#[test]
fn an_endless_file_ends() {
    assert!(matches!(load(&["--config", "/dev/zero"], &[]), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn too_many_labels_are_refused() {
    let labels: Vec<String> = (0..65).map(|n| format!("k{n}=v")).collect();
    let flags: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
    assert!(load(&flags, &[]).unwrap_err().to_string().contains("at most 64"));
}
