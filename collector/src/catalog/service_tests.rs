//! What a file of services declares, and what a mistake in one is told.

use super::*;

fn read(text: &str) -> Result<Vec<Entry<FileService>>, String> {
    read_file(Path::new("a.toml"), text).map_err(|fault| fault.to_string())
}

const WHOLE: &str = r#"
# The big one.
[[service]]
name = "big"
type = "model"
kind = "vllm"
url = "HTTP://gpu-9.example:8000/"
priority = 5
cost_hint_usd_per_1k = 0.5
labels = { team = "a" }
models = ["llama3.1:8b", { name = "qwen3:30b", size_bytes = 1_000 }]
credential = { header = "Authorization", value = "Bearer canary" }

[[service]]
name = "tool"
type = "tool"
url = "http://127.0.0.1:9000"
heartbeat_interval_s = 10
"#;

#[test]
fn the_fields_are_those_of_a_registration() {
    let entries = read(WHOLE).unwrap();
    let [big, tool] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&*big.name, big.value.url.as_str()), ("big", "http://gpu-9.example:8000"));
    assert_eq!(big.value.declared.models.as_ref().unwrap().len(), 2);
    assert_eq!(big.value.declared.priority, Some(5));
    assert_eq!(big.value.declared.credential, None, "it is not sealed yet");
    assert_eq!(big.value.credential.as_ref().unwrap().header, "Authorization");
    assert!(!format!("{entries:?}").contains("canary"), "{entries:?}");
    let Origin::File { line, .. } = tool.origin else { panic!("{tool:?}") };
    assert_eq!(line, 14);
    assert_eq!(read("").unwrap().len(), 0);
}

#[test]
fn another_value_makes_another_digest_and_another_order_does_not() {
    let one = "[[service]]\nname = \"a\"\ntype = \"model\"\nurl = \"http://a:1\"\n";
    let moved = "# why\n\n[[service]]\nurl = \"http://a:1\"\ntype = \"model\"\nname = \"a\"\n";
    let digest = |text: &str| read(text).unwrap().remove(0).digest;
    assert_eq!(digest(one), digest(moved));
    assert_ne!(digest(one), digest(&one.replace("a:1", "a:2")));
}

#[test]
fn a_mistake_is_told_with_file_line_and_key() {
    let with = |line: &str| {
        format!("[[service]]\nname = \"a\"\ntype = \"model\"\nurl = \"http://a:1\"\n{line}\n")
    };
    let cases = [
        (with("nmae = 1"), "a.toml:5: nmae: \"nmae\" is not known here; expected one of name,"),
        (with("priority = \"high\""), "a.toml:5: priority: "),
        (with("priority = 5000"), "a.toml:5: priority: it is out of range; expected -1000 to"),
        (with("cost_hint_usd_per_1k = nan"), "a.toml:5: cost_hint_usd_per_1k: it is no number"),
        (with("priority = 99999999999999999999"), "a.toml:5: priority: it is no number"),
        (with("\nmodels = [\n \"a\",\n \"\"\n]"), "a.toml:8: models[1].name: it is empty"),
        (with("[service.labels]\na = 1"), "a.toml:6: labels.a: "),
        (with("[service.credential]\nheader = \"x\"\nvalue = 7"), "a.toml:7: credential.value: "),
        (with("ttl_s = 5\nheartbeat_interval_s = 60"), "a.toml:5: ttl_s: 5 s is less"),
        (with("url = \"http://b\""), "a.toml:5: it is no TOML: duplicate key"),
        (with("x"), "a.toml:5: it is no TOML: "),
        (with("[[services]]\nname = \"b\""), "a.toml:5: services: there is no such key"),
        ("service = 1".to_owned(), "a.toml:1: service: it is no list of tables"),
        ("service = [1]".to_owned(), "a.toml:1: service: it is no table"),
        (
            "\n[[service]]\nname = \"a\"\ntype = \"model\"".to_owned(),
            "a.toml:2: url: \"url\" is missing",
        ),
        (with("").replace("http", "gopher"), "a.toml:4: url: "),
        (with("").replace("a:1", "169.254.169.254"), "a.toml:4: url: it is "),
        (with("").replace("model", "modle"), "a.toml:3: type: "),
        (with("check = \"agent\""), "a.toml:5: check: "),
    ];
    for (text, expected) in cases {
        let told = read(&text).unwrap_err();
        assert!(told.starts_with(expected), "{text}: {told}");
        assert!(!told.contains('\n'), "{told}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let base = "[[service]]\nname = \"a\"\ntype = \"model\"\nurl = \"http://a:1\"\n";
    for line in [
        "credential = \"canary\"",
        "credential = { header = \"x\", valeu = \"canary\" }",
        "credential = { header = \"x\", value = [\"canary\"] }",
        "credential = { header = \"x\", value = \"canary\\u0000\" }",
        "credential = { header = \"x\", value = \"canary }",
        "priority = \"canary\"",
    ] {
        let told = read(&format!("{base}{line}")).unwrap_err();
        assert!(told.starts_with("a.toml:5: ") && !told.contains("canary"), "{told}");
    }
}
