use herdbook_shared::limits;
use herdbook_shared::time::Timestamp;

use super::*;

const TAGS: &[u8] = include_bytes!("../../fixtures/tags.json");
const OLDER_TAGS: &[u8] = include_bytes!("../../fixtures/tags_of_an_older_version.json");
const PS: &[u8] = include_bytes!("../../fixtures/ps.json");
const SHOW: &[u8] = include_bytes!("../../fixtures/show.json");
const VERSION: &[u8] = include_bytes!("../../fixtures/version.json");

#[test]
fn reads_a_version() {
    assert_eq!(read_version(VERSION).unwrap(), "0.33.0");
}

#[test]
fn without_a_version_it_is_no_ollama() {
    for body in ["", "Ollama is running", "{}", "[]", r#"{"version":1}"#, r#"{"version":" "}"#] {
        assert!(read_version(body.as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn reads_installed_models() {
    let list = read_installed(TAGS).unwrap();
    assert_eq!((list.items.len(), list.left_out), (2, 0));
    let local = &list.items[0];
    assert_eq!(local.name, "gemma4:12b");
    assert!(local.digest.as_deref().unwrap().starts_with("a2af6cc3"));
    assert_eq!(local.size_bytes, Some(8_149_190_253));
    assert_eq!(local.context_length, Some(131_072));
    assert_eq!(local.capabilities, ["completion", "vision", "tools"]);
    assert_eq!(local.details.parameters.as_deref(), Some("12.2B"));
    assert!(!local.remote);
    assert!(list.items[1].remote);
}

#[test]
fn an_older_version_tells_less() {
    let list = read_installed(OLDER_TAGS).unwrap();
    assert_eq!(list.items[0].context_length, None);
    assert!(list.items[0].capabilities.is_empty());
}

#[test]
fn a_name_alone_can_tell_that_a_model_runs_elsewhere() {
    let body = br#"{"models":[{"name":"a:cloud"},{"name":"b:7b-cloud"},{"name":"cloud:7b"}]}"#;
    let remote: Vec<bool> = read_installed(body).unwrap().items.iter().map(|m| m.remote).collect();
    assert_eq!(remote, [true, true, false]);
}

#[test]
fn reads_loaded_models() {
    let list = read_loaded(PS).unwrap();
    let model = &list.items[0];
    assert_eq!(model.memory_bytes, Some(11_072_345_088));
    assert_eq!(model.vram_bytes, model.memory_bytes);
    assert_eq!(model.context_length, Some(32_768));
    let expires_at: Timestamp = "2026-08-21T21:38:31.837Z".parse().unwrap();
    assert_eq!(model.expires_at, Some(expires_at));
}

#[test]
fn null_lists_are_empty() {
    assert_eq!(read_loaded(br#"{"models":null}"#).unwrap(), List::default());
    assert_eq!(read_installed(br#"{"models":[],"more":{"x":[1]}}"#).unwrap(), List::default());
}

#[test]
fn another_shape_is_refused_and_never_taken_for_an_empty_list() {
    for body in ["", "{", "[]", "[[]]", "{}", r#"{"error":"x"}"#, r#"{"models":{}}"#, "null", "7"] {
        assert!(read_installed(body.as_bytes()).is_err(), "{body:?}");
        assert!(read_loaded(body.as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn nonsense_in_a_field_leaves_the_others() {
    let body = br#"{"models":[
        {"name":"a","size":-1,"size_vram":1e30,"digest":7,"details":"none","expires_at":"soon"},
        {"name":"","model":"b","size":18446744073709551615,"context_length":-4},
        {"name":"c\u001b[31m\n"}, {"name":""}, {}, null, 7, [[]], "d"]}"#;
    let list = read_loaded(body).unwrap();
    let names: Vec<&str> = list.items.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c[31m"]);
    assert!(list.items.iter().all(|model| model.memory_bytes.is_none()));
    assert_eq!(list.items[0].expires_at, None);
}

#[test]
fn a_long_list_is_cut_and_the_rest_counted() {
    let models: Vec<String> = (0..10_000).map(|n| format!(r#"{{"name":"m{n}"}}"#)).collect();
    let list =
        read_installed(format!(r#"{{"models":[{}]}}"#, models.join(",")).as_bytes()).unwrap();
    assert_eq!((list.items.len(), list.left_out), (limits::MODELS, 9_000));
}

#[test]
fn many_capabilities_are_cut() {
    let words = vec!["\"tools\""; 1000].join(",");
    let body = format!(r#"{{"models":[{{"name":"a","capabilities":[{words}]}}]}}"#);
    let list = read_installed(body.as_bytes()).unwrap();
    assert_eq!(list.items[0].capabilities.len(), limits::MODEL_CAPABILITIES);
}

#[test]
fn reads_details_of_the_models_own_architecture() {
    let shown = read_shown(SHOW).unwrap();
    assert_eq!(shown.context_length, Some(131_072));
    assert_eq!(shown.capabilities, ["completion", "vision", "tools"]);
}

#[test]
fn details_may_be_missing() {
    assert_eq!(
        read_shown(br#"{"model_info":null,"capabilities":null}"#).unwrap(),
        Shown::default()
    );
    assert!(read_shown(b"[]").is_err());
}

#[test]
fn an_overgrown_model_is_passed_over() {
    let zeros = vec!["0"; 1_000_000].join(",");
    let body = format!(r#"{{"models":[{{"name":"a","x":[{zeros}]}},{{"name":"b"}}]}}"#);
    let names: Vec<_> =
        read_loaded(body.as_bytes()).unwrap().items.into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["b"]);
}
