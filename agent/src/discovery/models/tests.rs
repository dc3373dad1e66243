use super::*;
use crate::discovery::answer::Shown;
use crate::discovery::kinds::ollama as answer;

const TAGS: &[u8] = include_bytes!("../fixtures/tags.json");
const OLDER_TAGS: &[u8] = include_bytes!("../fixtures/tags_of_an_older_version.json");
const PS: &[u8] = include_bytes!("../fixtures/ps.json");

fn now() -> Timestamp {
    "2026-08-21T21:00:00Z".parse().unwrap()
}

fn join(installed: &[Installed], loaded: &[Loaded]) -> Vec<Model> {
    models(installed, loaded, &[], &DetailsCache::default(), now())
}

fn installed(name: &str, digest: &str) -> Installed {
    Installed { name: name.to_owned(), digest: Some(digest.to_owned()), ..Installed::default() }
}

fn loaded(name: &str, digest: &str) -> Loaded {
    Loaded { name: name.to_owned(), digest: Some(digest.to_owned()), ..Loaded::default() }
}

#[test]
fn joins_what_a_server_tells() {
    let tags = answer::read_installed(TAGS).unwrap().items;
    let ps = answer::read_loaded(PS).unwrap().items;
    let models = join(&tags, &ps);
    assert_eq!(models.len(), 2);
    let local = &models[0];
    assert!(local.warm);
    assert_eq!(local.size_bytes, Some(8_149_190_253));
    assert_eq!(local.vram_bytes, Some(11_072_345_088));
    assert_eq!(local.loaded_context_length, Some(32_768));
    assert_eq!(local.context_length, Some(131_072));
    assert_eq!(local.expires_at, Some("2026-08-21T21:38:31.837Z".parse().unwrap()));
    let remote = &models[1];
    assert!(remote.remote && !remote.warm);
    assert_eq!((remote.size_bytes, remote.vram_bytes), (None, None));
}

#[test]
fn what_is_not_loaded_is_cold() {
    let models = join(&[installed("a:latest", "1")], &[]);
    assert!(!models[0].warm);
    assert_eq!((models[0].vram_bytes, models[0].expires_at), (None, None));
}

#[test]
fn latest_is_implied() {
    let table = [
        ("a", "a:latest", true),
        ("a:latest", "a", true),
        ("a:7b", "a", false),
        ("host:5000/a", "host:5000/a:latest", true),
        ("host:5000/a", "host:latest", false),
    ];
    for (in_tags, in_ps, same) in table {
        let models = join(&[installed(in_tags, "1")], &[loaded(in_ps, "1")]);
        assert_eq!(models[0].warm, same, "{in_tags} {in_ps}");
        assert_eq!(models.len(), if same { 1 } else { 2 });
    }
}

#[test]
fn a_tag_that_moved_since_it_was_loaded_is_two_models() {
    let models = join(&[installed("a:latest", "new")], &[loaded("a:latest", "old")]);
    let told: Vec<_> = models.iter().map(|m| (m.digest.as_deref().unwrap(), m.warm)).collect();
    assert_eq!(told, [("new", false), ("old", true)]);
}

#[test]
fn without_a_digest_the_name_has_to_do() {
    let nameless = Loaded { digest: None, ..loaded("a:latest", "") };
    assert!(join(&[installed("a:latest", "1")], &[nameless])[0].warm);
}

#[test]
fn one_digest_under_two_tags_is_warm_where_it_was_loaded() {
    let tags = [installed("a:latest", "1"), installed("a:8b", "1")];
    let warm: Vec<bool> = join(&tags, &[loaded("a:8b", "1")]).iter().map(|m| m.warm).collect();
    assert_eq!(warm, [false, true]);
}

#[test]
fn a_loaded_model_that_is_not_installed_is_listed_without_a_size_on_disk() {
    let ps = answer::read_loaded(PS).unwrap().items;
    let models = join(&[], &ps);
    assert_eq!(models.len(), 1);
    assert!(models[0].warm);
    assert_eq!(models[0].size_bytes, None);
    assert_eq!(models[0].family.as_deref(), Some("gemma4"));
}

#[test]
fn tells_where_a_model_lies() {
    let table = [
        (Some(10), Some(0), Some(0)),
        (Some(10), Some(10), Some(10)),
        (Some(10), Some(4), Some(4)),
        (Some(10), Some(11), None),
        (Some(0), Some(0), None),
        (None, Some(5), None),
        (Some(10), None, None),
    ];
    for (memory_bytes, vram_bytes, expected) in table {
        let loaded = Loaded { memory_bytes, vram_bytes, ..loaded("a", "1") };
        assert_eq!(vram(&loaded), expected, "{memory_bytes:?} {vram_bytes:?}");
    }
}

#[test]
fn an_expiry_beyond_a_century_is_for_ever() {
    let table = [
        ("2318-11-20T12:00:00+01:00", (false, true)),
        ("2026-08-21T21:05:00Z", (true, false)),
        // In the past while a long request runs.
        ("2026-08-21T20:00:00Z", (true, false)),
        ("0001-01-01T00:00:00Z", (false, false)),
    ];
    for (at, (has_instant, for_ever)) in table {
        let loaded = Loaded { expires_at: Some(at.parse().unwrap()), ..loaded("a", "1") };
        let model = &join(&[], std::slice::from_ref(&loaded))[0];
        assert_eq!(model.expires_at.is_some(), has_instant, "{at}");
        assert_eq!(model.keep.as_deref() == Some("forever"), for_ever, "{at}");
        assert_eq!(expiries(&[loaded], now()).len(), usize::from(has_instant), "{at}");
    }
}

#[test]
fn details_fill_in_what_the_list_lacks() {
    let tags = answer::read_installed(OLDER_TAGS).unwrap().items;
    let mut details = DetailsCache::default();
    let shown = Shown {
        context_length: Some(8192),
        capabilities: vec!["tools".to_owned()],
        ..Shown::default()
    };
    details.keep(tags[0].digest.clone().unwrap(), Some(shown));
    let models = models(&tags, &[], &[], &details, now());
    assert_eq!(models[0].context_length, Some(8192));
    assert_eq!(models[0].capabilities, ["tools"]);
}

#[test]
fn a_model_on_its_way_is_not_there_yet() {
    let tags = [installed("a", "1"), installed("b", "2")];
    let loading = ["a".to_owned(), "c".to_owned()];
    let models = models(&tags, &[loaded("a", "1")], &loading, &DetailsCache::default(), now());
    let told: Vec<_> = models.iter().map(|m| (m.loading, m.warm)).collect();
    assert_eq!(told, [(true, false), (false, false)]);
}
