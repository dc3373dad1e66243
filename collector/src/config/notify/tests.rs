//! Targets as they stand in a file, and what a mistake is told.

use std::error::Error as _;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::super::given::Source;
use super::*;

const SECRET: &str = "T0SECRET";

fn given(name: &str, toml: &str) -> Given {
    let value = toml::from_str::<toml::Table>(toml).unwrap();
    Given { key: name.to_owned(), value: value.into(), source: Source::Env("FILE:3") }
}

fn target(toml: &str) -> Target {
    let mut notify = Notify::default();
    notify.set(&given("a", toml)).unwrap_or_else(|error| panic!("{toml}: {error}"));
    (*notify.targets[0]).clone()
}

fn mistake(toml: &str) -> String {
    let error = Notify::default().set(&given("a", toml)).expect_err(toml).to_string();
    assert!(!error.contains(SECRET), "{error}");
    error
}

#[test]
fn a_webhook_needs_a_kind_and_a_url() {
    let told = target("kind = 'webhook'\nurl = 'https://a/b'");
    assert_eq!(told.kind, TargetKind::Webhook(Format::Json));
    assert_eq!((&*told.name, told.urls.len(), told.headers.len()), ("a", 1, 0));
    assert_eq!(
        (told.min_severity, told.rules, told.send_resolved),
        (Severity::Warning, None, true)
    );
    let (group_wait, timeout) = (told.group_wait.as_secs(), told.timeout.as_secs());
    assert_eq!((group_wait, timeout), (10, 10));
}

#[test]
fn every_key_can_be_set() {
    let told = target(
        "kind = 'webhook'\nurl = 'https://a/b'\nformat = 'slack'\nmin_severity = 'info'\n\
         rules = ['gpu_lost']\nsend_resolved = false\ngroup_wait_s = 0.5\ntimeout_s = 3\n\
         link = 'https://herd.example/'\nheaders = { x-key = 'T0SECRET' }",
    );
    assert_eq!(told.kind, TargetKind::Webhook(Format::Slack));
    assert_eq!((told.min_severity, told.send_resolved), (Severity::Info, false));
    assert_eq!(told.rules, Some(["gpu_lost".to_owned()].into()));
    assert_eq!((told.group_wait.as_millis(), told.timeout.as_secs()), (500, 3));
    assert_eq!(told.link.as_deref(), Some("https://herd.example/"));
    assert_eq!((told.headers[0].0.as_str(), told.headers[0].1.expose()), ("x-key", SECRET));
    let own = target("kind = 'webhook'\nurl = 'http://a'\ntemplate = '{\"x\": \"{{title}}\"}'");
    assert!(matches!(own.kind, TargetKind::Webhook(Format::Template(_))));
    let ntfy = target("kind = 'webhook'\nurl = 'https://ntfy.sh/t'\nformat = 'ntfy'");
    assert_eq!(ntfy.kind, TargetKind::Webhook(Format::Ntfy { topic: "t".to_owned() }));
}

#[test]
fn an_alertmanager_may_be_several() {
    let told = target("kind = 'alertmanager'\nurl = ['http://a:9093', 'http://b:9093/']");
    assert_eq!((told.kind, told.urls.len()), (TargetKind::Alertmanager, 2));
    assert_eq!(told.group_wait.as_secs(), 1);
}

#[test]
fn secrets_may_stand_in_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (url, token) = (file("url", "https://a/T0SECRET\n"), file("token", "T0SECRET\n"));
    let both = format!("kind = 'webhook'\nurl_file = '{url}'\ntoken_file = '{token}'");
    let told = target(&both);
    assert_eq!(told.urls, [TargetUrl::parse("https://a/T0SECRET").unwrap()]);
    assert_eq!(told.headers[0].1.expose(), "Bearer T0SECRET");
    assert!(mistake(&format!("{both}\nurl = 'https://b'")).contains("either url or url_file"));
    let twice = mistake(&format!("{both}\nheaders = {{ authorization = 'T0SECRET' }}"));
    assert!(twice.contains("either token_file or a header"), "{twice}");
    let missing = mistake("kind = 'webhook'\nurl_file = '/nowhere/x'");
    assert_eq!(missing, "failed to read /nowhere/x (given by FILE:3)");
    let empty = format!("kind = 'webhook'\nurl_file = '{}'", file("empty", "\n"));
    assert!(mistake(&empty).contains("expected one URL"), "{}", mistake(&empty));
    let line = format!("kind = 'webhook'\nurl = 'http://a'\ntoken_file = '{}'", file("b", "a\nb"));
    assert!(mistake(&line).contains("one token"), "{}", mistake(&line));
}

#[test]
fn what_is_no_file_is_refused_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, large) = (dir.path().join("pipe"), dir.path().join("large"));
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    std::fs::write(&large, "\n".repeat(64 * 1024 + 1)).unwrap();
    for (path, why) in [
        (pipe.as_path(), "it is no file"),
        (dir.path(), "it is no file"),
        (&large, "it is larger than 64 KiB"),
    ] {
        for key in ["url_file", "token_file"] {
            let toml = format!("kind = 'webhook'\n{key} = '{}'", path.display());
            let error = Notify::default().set(&given("a", &toml)).unwrap_err();
            let cause = error.source().map(ToString::to_string);
            assert_eq!(cause.as_deref(), Some(why), "{error}");
        }
    }
}

#[test]
fn a_path_is_meant_from_where_the_configuration_lies() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), "https://a/T0SECRET").unwrap();
    std::fs::write(dir.path().join("token"), SECRET).unwrap();
    let source = Source::File { path: Arc::new(dir.path().join("c.toml")), line: 1 };
    let toml = "kind = 'webhook'\nurl_file = 'url'\ntoken_file = './token'";
    let mut notify = Notify::default();
    notify.set(&Given { source, ..given("a", toml) }).unwrap();
    assert_eq!(notify.targets[0].urls, [TargetUrl::parse("https://a/T0SECRET").unwrap()]);
    assert_eq!(notify.targets[0].headers[0].1.expose(), "Bearer T0SECRET");
}

#[test]
fn a_secret_in_the_place_of_all_tables_is_not_repeated() {
    for toml in ["notify = 'https://a/T0SECRET'", "[notify]\nurl = 'https://a/T0SECRET'"] {
        let path = std::path::Path::new("/etc/c.toml");
        let error = match super::super::file::parse(&format!("# \n{toml}"), path) {
            Ok(file) => Notify::default().set(&file.notify[0]).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains("[notify.NAME] with kind and url"), "{error}");
        assert!(error.starts_with("/etc/c.toml:") && !error.contains(SECRET), "{error}");
    }
}

#[test]
fn a_mistake_names_its_key_and_what_was_expected_and_no_secret() {
    for (toml, key, expected) in [
        ("url = 'http://a/T0SECRET'", "", "the key kind"),
        ("kind = 'webhook'", "", "the key url or url_file"),
        ("kind = 'T0SECRET'", ".kind", "webhook or alertmanager"),
        ("kind = 'webhook'\nurl = 'T0SECRET'", ".url", "an http or https URL"),
        ("kind = 'webhook'\nurl = 'http://u:T0SECRET@a'", ".url", "without user name"),
        ("kind = 'webhook'\nurl = 'http://169.254.169.254/'", ".url", "link-local, metadata"),
        ("kind = 'webhook'\nurl = ['http://a', 'http://b']", ".url", "one URL"),
        ("kind = 'webhook'\nurl = []", ".url", "one URL"),
        ("kind = 'webhook'\nurl = 7", ".url", "an http or https URL"),
        ("kind = 'webhook'\nurl = 'http://a'\nformat = 'T0SECRET'", ".format", "json, slack"),
        ("kind = 'webhook'\nurl = 'http://a/'\nformat = 'ntfy'", ".url", "the URL of a topic"),
        ("template = '{\"x\": {{T0SECRET}}}'", ".template", "a template whose {{fields}}"),
        ("headers = { host = 'T0SECRET' }", ".headers", "at most 16 headers"),
        ("headers = { 'a b' = 'T0SECRET' }", ".headers", "at most 16 headers"),
        ("headers = { a = \"T0SECRET\\n\" }", ".headers", "at most 16 headers"),
        ("headers = 'T0SECRET'", ".headers", "at most 16 headers"),
        ("min_severity = 'T0SECRET'", ".min_severity", "info, warning or critical"),
        ("kind = ['T0SECRET']", ".kind", "webhook or alertmanager"),
        ("rules = []", ".rules", "a list of some of these: host_offline, service_down"),
        ("rules = ['gpu_lost', 'gpu_losst']", ".rules", "gpu_lost, gpu_hot, disk_nearly_full"),
        ("rules = 'T0SECRET'", ".rules", "a list of some of these"),
        ("token_file = 'T0SECRET'", ".token_file", "the path of a file"),
        ("url_file = 'https://T0SECRET'", ".url_file", "the path of a file"),
        ("send_resolved = 'T0SECRET'", ".send_resolved", "true or false"),
        ("group_wait_s = 3601", ".group_wait_s", "0.1 to 3600"),
        ("timeout_s = 0", ".timeout_s", "0.1 to 60"),
        ("link = 'T0SECRET.example'", ".link", "the http or https URL"),
    ] {
        let mistake = mistake(toml);
        let begin = format!("FILE:3: notify.a{key}: expected ");
        assert!(mistake.starts_with(&begin) && mistake.contains(expected), "{toml}: {mistake}");
    }
    let am = "kind = 'alertmanager'\nurl = 'http://a'\n";
    for key in ["format = 'slack'", "template = '{}'", "send_resolved = true"] {
        let mistake = mistake(&format!("{am}{key}"));
        assert!(mistake.contains("for webhooks alone"), "{mistake}");
    }
    let unknown = mistake("webhook_url = 'http://a/T0SECRET'");
    assert!(unknown.starts_with("FILE:3: there is no key `notify.a.webhook_url`"), "{unknown}");
}

#[test]
fn what_is_no_target_at_all_is_told_so() {
    let text = Given { value: SECRET.into(), ..given("url", "") };
    let error = Notify::default().set(&text).unwrap_err().to_string();
    assert!(error.contains("a table [notify.NAME]") && !error.contains(SECRET), "{error}");
    let error = Notify::default().set(&given("a b", "")).unwrap_err().to_string();
    assert!(error.contains("a name of at most 64"), "{error}");
    let mut notify = Notify::default();
    for n in 0..TARGETS_MAX {
        notify.set(&given(&n.to_string(), "kind = 'webhook'\nurl = 'http://a'")).unwrap();
    }
    let error = notify.set(&given("x", "kind = 'webhook'\nurl = 'http://a'")).unwrap_err();
    assert!(error.to_string().contains("at most 16 targets"), "{error}");
}

#[test]
fn no_secret_is_shown() {
    let toml = "kind = 'webhook'\nurl = 'http://a/T0SECRET'\nheaders = { a = 'T0SECRET' }\n\
                template = '{\"key\": \"T0SECRET\"}'\nurl_file = '/run/x'";
    let shown = Notify::shown(&given("a", toml));
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("kind = \"webhook\"") && shown.contains("url_file = \"/run/x\""));
    let text = Given { value: SECRET.into(), ..given("url", "") };
    assert_eq!(Notify::shown(&text), "[secret]");
    let toml = toml.replace("url_file = '/run/x'", "");
    let debug = format!("{:?}", target(&toml));
    assert!(!debug.contains(SECRET), "{debug}");
}
