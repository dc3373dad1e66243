//! The configuration as a whole: who wins, and what a mistake is told.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::alerts::Rule;

use super::*;

/// What a user says, in each of the places where it can be said.
#[derive(Default)]
struct Said {
    flags: Vec<String>,
    variables: HashMap<&'static str, OsString>,
    file: Option<tempfile::NamedTempFile>,
}

impl Said {
    fn flags(flags: &[&str]) -> Self {
        let flags = flags.iter().map(ToString::to_string).collect();
        Self { flags, ..Self::default() }
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    fn file(mut self, text: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        self.flags.extend(["--config".to_owned(), file.path().to_str().unwrap().to_owned()]);
        self.file = Some(file);
        self
    }

    fn load(&self) -> Result<Command, ConfigError> {
        let program = std::iter::once(OsString::from("herdbook-collector"));
        let args = program.chain(self.flags.iter().map(OsString::from));
        load(args, &|name| match name {
            "HOME" if !self.variables.contains_key("HOME") => Some("/home/u".into()),
            name => self.variables.get(name).cloned(),
        })
    }

    fn config(&self) -> Config {
        match self.load().unwrap() {
            Command::Run(config)
            | Command::CheckConfig(config)
            | Command::NotifyTest(config, _)
            | Command::Tls(config, _) => config,
            other => panic!("{other:?}"),
        }
    }

    fn mistake(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

fn listen(said: &Said) -> Vec<String> {
    said.config().listen.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_said_is_the_default() {
    let config = Said::default().config();
    assert_eq!(config.listen, ["127.0.0.1:6121".parse().unwrap()]);
    assert_eq!(config.data_dir, Path::new("/home/u/.local/state/herdbook/collector"));
    assert_eq!(config.public_names, []);
    assert_eq!(config.notice, None);
    assert_eq!(config.log, Log { level: "info".to_owned(), format: LogFormat::Text });
    assert_eq!(config.liveness, Liveness::default());
    assert!(config.told.iter().all(|told| told.source == Source::Default));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "listen = ['127.0.0.1:3', '[::1]:3']";
    assert_eq!(listen(&Said::default().file(file)), ["127.0.0.1:3", "[::1]:3"]);
    let said = Said::default().file(file).variable("HERDBOOK_LISTEN", "127.0.0.1:2, localhost:4");
    assert_eq!(listen(&said), ["127.0.0.1:2", "127.0.0.1:4"]);
    let said = Said::flags(&["--listen", "127.0.0.1:1", "--listen=[::1]:0"])
        .file(file)
        .variable("HERDBOOK_LISTEN", "127.0.0.1:2");
    assert_eq!(listen(&said), ["127.0.0.1:1", "[::1]:0"]);
}

#[test]
fn a_notice_is_taken_from_whoever_stands_nearest() {
    let said = Said::default().file("notice = 'file'").variable("HERDBOOK_NOTICE", "variable");
    assert_eq!(said.config().notice.as_deref(), Some("variable"));
    let said = Said::flags(&["--notice", "flag"]).variable("HERDBOOK_NOTICE", "variable");
    let config = said.config();
    assert_eq!(config.notice.as_deref(), Some("flag"));
    let told = config.told.iter().find(|told| told.key == "notice").unwrap();
    assert_eq!((told.value.as_str(), &told.source), ("flag", &Source::Flag("--notice")));
    let mistake = Said::default().variable("HERDBOOK_NOTICE", "a\nb").mistake();
    assert!(mistake.starts_with("HERDBOOK_NOTICE: notice: expected one line"), "{mistake}");
}

#[test]
fn an_empty_variable_is_not_set() {
    let said = Said::default().variable("HERDBOOK_LISTEN", "").variable("HERDBOOK_CONFIG", "");
    assert_eq!(listen(&said), ["127.0.0.1:6121"]);
}

#[test]
fn everything_can_stand_in_the_file() {
    let config = Said::default()
        .file(
            "listen = '127.0.0.1:7000'\ndata_dir = '/srv/herdbook'\npublic_name = 'Fleet.example'\n\
             log_level = 'warn,herdbook_collector=debug'\nlog_format = 'json'\n\
             notice = 'Staging'\n[liveness]\nstale_after_s = 20\nmass_share = 0.5\n[checks]\ninterval_s = 10\n\
             [alerts.gpu_hot]\ncelsius = 85\n[alerts.host_offline]\nenabled = false\n",
        )
        .config();
    assert_eq!(config.data_dir, Path::new("/srv/herdbook"));
    assert_eq!(config.public_names[0].to_string(), "fleet.example");
    assert_eq!(config.notice.as_deref(), Some("Staging"));
    assert_eq!(config.log.level, "warn,herdbook_collector=debug");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.liveness.stale_after.as_secs(), 20);
    assert_eq!(config.checks.interval.as_secs(), 10);
    assert!((config.alerts.of(Rule::GpuHot).threshold - 85.0).abs() < f64::EPSILON);
    assert!(!config.alerts.of(Rule::HostOffline).enabled);
    let told = config.told.iter().find(|told| told.key == "alerts.gpu_hot").unwrap();
    assert_eq!(told.value, "{ celsius = 85 }");
    assert!((config.liveness.mass_share - 0.5).abs() < f64::EPSILON);
}

#[test]
fn the_data_directory_is_where_systemd_or_the_user_keeps_state() {
    let dir = |said: Said| said.config().data_dir;
    let systemd = Said::default().variable("STATE_DIRECTORY", "/var/lib/herdbook:/var/lib/x");
    assert_eq!(dir(systemd), Path::new("/var/lib/herdbook"));
    let xdg = Said::default().variable("XDG_STATE_HOME", "/x");
    assert_eq!(dir(xdg), Path::new("/x/herdbook/collector"));
    let relative = Said::default().variable("XDG_STATE_HOME", "x");
    assert_eq!(dir(relative), Path::new("/home/u/.local/state/herdbook/collector"));
    assert_eq!(dir(Said::flags(&["--data-dir", "/y"])), Path::new("/y"));
    let homeless = Said::default().variable("HOME", "");
    assert!(homeless.mistake().contains("--data-dir"), "{}", homeless.mistake());
}

#[test]
fn a_mistake_names_its_key_its_source_and_what_was_expected() {
    let port = "an address and a port such as 127.0.0.1:6121 or [::1]:6121";
    for bad in ["127.0.0.1", "6121", "127.0.0.1:70000", "http://127.0.0.1:6121", "", "fleet:80"] {
        let mistake = Said::flags(&["--listen", bad]).mistake();
        assert_eq!(mistake, format!("--listen: listen: expected {port}, found \"{bad}\""));
    }
    let mistake = Said::default().variable("HERDBOOK_LOG_LEVEL", "verbose").mistake();
    assert!(mistake.starts_with("HERDBOOK_LOG_LEVEL: log_level: expected off, error"), "{mistake}");
    let said = Said::default().file("\n# two\nlog_format = 'xml'\n");
    let path = said.file.as_ref().unwrap().path().display().to_string();
    let expected = format!("{path}:3: log_format: expected text or json, found \"xml\"");
    assert_eq!(said.mistake(), expected);
}

#[test]
fn a_mistake_in_the_file_names_its_line() {
    for (text, line, words) in [
        ("\nlisten = [", 2, "unclosed array"),
        ("\n\nlisen = 'x'", 3, "unknown field `lisen`, expected one of `listen`"),
        (
            "[liveness]\nstale = 3",
            2,
            "there is no key `liveness.stale`; expected one of stale_after_s",
        ),
        ("[liveness]\n\nstale_after_s = '15s'", 3, "stale_after_s: expected a number of seconds"),
        ("[other]\nx = 1", 1, "unknown field `other`"),
        ("listen = 5", 1, "listen: expected an address and a port"),
        ("listen = ['127.0.0.1:1',\n 7]", 1, "listen: expected an address and a port"),
        ("data_dir = ''", 1, "data_dir: expected the path of a directory"),
        ("[alerts.gpu_cold]\nfor_s = 1", 1, "there is no key `alerts.gpu_cold`; expected one of"),
        ("\n[alerts]\ngpu_hot = 5", 3, "gpu_hot: expected a table of its own"),
        ("[alerts.gpu_hot]\ncelsius = 'hot'", 1, "gpu_hot.celsius: expected degrees Celsius"),
        ("notice = 7", 1, "notice: expected one line of at most 200 characters"),
        ("public_name = 'http://x'", 1, "public_name: expected a host name without scheme"),
        ("listen = ['127.0.0.1:1', '127.0.0.1:1']", 1, "listen: expected each address once"),
    ] {
        let said = Said::default().file(text);
        let path = said.file.as_ref().unwrap().path().display().to_string();
        let mistake = said.mistake();
        let begin = format!("{path}:{line}: ");
        assert!(mistake.starts_with(&begin) && mistake.contains(words), "{text}: {mistake}");
    }
}

#[test]
fn figures_that_contradict_each_other_are_refused() {
    let mistake = Said::default().file("[liveness]\nstale_after_s = 50").mistake();
    assert_eq!(mistake, "liveness: stale_after_s must be less than offline_after_s");
    let mistake = Said::default().file("[checks]\ndeadline_s = 30").mistake();
    assert_eq!(mistake, "checks: deadline_s must be less than interval_s");
    let mistake = Said::default().file("[checks]\nevery_s = 30").mistake();
    assert!(mistake.contains("there is no key `checks.every_s`"), "{mistake}");
}

#[test]
fn a_file_of_certificates_that_cannot_be_used_is_named_with_its_key_and_the_reason() {
    let said = Said::default().file("[checks]\nca_file = '/nowhere/ca.pem'");
    let path = said.file.as_ref().unwrap().path().display().to_string();
    let error = said.load().unwrap_err();
    assert_eq!(error.to_string(), format!("{path}:2: ca_file: cannot use /nowhere/ca.pem"));
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "it cannot be read");
}

#[test]
fn credentials_and_tls_are_demanded_as_soon_as_other_machines_can_ask() {
    for address in ["0.0.0.0:6121", "[::]:6121", "192.168.1.5:6121", "[::ffff:10.0.0.1]:1"] {
        let config = Said::flags(&["--listen", "127.0.0.1:1", "--listen", address]).config();
        assert!(config.demands_credentials(), "{address}");
        assert!(config.speaks_tls(address.parse().unwrap()), "{address}");
        assert!(!config.speaks_tls("127.0.0.1:1".parse().unwrap()), "{address}");
    }
    for address in ["127.0.0.1:6121", "127.9.9.9:1", "[::1]:6121", "[::ffff:127.0.0.1]:1"] {
        let config = Said::flags(&["--listen", address]).config();
        assert!(!config.demands_credentials(), "{address}");
    }
    let config = Said::default().file("auth = 'required'\n[tls]\nloopback = true").config();
    assert!(config.demands_credentials() && config.speaks_tls(config.listen[0]));
    assert!(!Said::default().file("auth = 'auto'").config().demands_credentials());
    let mistake = Said::default().file("auth = 'none'").mistake();
    assert!(mistake.contains("auth: expected auto or required"), "{mistake}");
}

#[test]
fn a_proxy_is_trusted_only_where_credentials_are_demanded() {
    let proxy = "[proxy]\ntrusted = ['127.0.0.1/32']\nuser_header = 'x-user'";
    let mistake = Said::default().file(proxy).mistake();
    assert!(mistake.starts_with("proxy: trusted needs auth = \"required\""), "{mistake}");
    let required = Said::default().file(&format!("auth = 'required'\n{proxy}"));
    assert_eq!(required.config().proxy.trusted.len(), 1);
    let off_loopback = Said::flags(&["--listen", "0.0.0.0:6121"]).file(proxy);
    assert!(off_loopback.config().demands_credentials());
}

#[test]
fn a_missing_file_or_an_unknown_flag_is_told() {
    let said = Said::default().variable("HERDBOOK_CONFIG", "/nowhere/x.toml");
    assert_eq!(said.mistake(), "failed to read /nowhere/x.toml (given by HERDBOOK_CONFIG)");
    assert!(Said::flags(&["--lisen", "x"]).mistake().contains("--listen"));
}

#[test]
fn check_config_and_help_are_told_apart() {
    let check = Said::flags(&["check-config", "--listen", "127.0.0.1:9"]);
    assert!(matches!(check.load(), Ok(Command::CheckConfig(_))));
    assert_eq!(listen(&check), ["127.0.0.1:9"]);
    let help = Said::flags(&["--help"]).load();
    assert!(matches!(help, Ok(Command::Print(text)) if text.contains("HERDBOOK_LISTEN")));
    let version = Said::flags(&["--version"]).load();
    assert!(
        matches!(version, Ok(Command::Print(text)) if text.contains(env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn the_directory_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let temporary = tempfile::tempdir().unwrap();
    let dir: PathBuf = temporary.path().join("a/b");
    prepare(&dir).unwrap();
    prepare(&dir).unwrap();
    for made in [dir.as_path(), dir.parent().unwrap()] {
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    std::fs::write(dir.join("file"), "").unwrap();
    let error = prepare(&dir.join("file")).unwrap_err();
    assert!(error.to_string().contains("--data-dir"), "{error}");
}
