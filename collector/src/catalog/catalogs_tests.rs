//! Catalogs over a register: what files declare comes and goes, and a mistake changes nothing.

use std::fs;
use std::path::Path;

use crate::config::{CatalogFolder, CatalogRules, Liveness};
use crate::registry::service::{Source, Word};
use crate::registry::testing::{Arrival, Clock, arrive, declared, model, service};

use super::*;

struct Herd {
    dir: tempfile::TempDir,
    registry: Arc<Registry>,
    catalogs: Arc<Catalogs>,
}

fn rules(dir: &Path, names: &[&str]) -> config::Catalogs {
    let folder = |name: &str| CatalogFolder { path: dir.join(name), may_be_missing: false };
    let one = |name: &&str| {
        let kind = CatalogKind::Services;
        ((*name).to_owned(), CatalogRules { kind, folders: vec![folder(name)] })
    };
    config::Catalogs(names.iter().map(one).collect())
}

impl Herd {
    fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let registry = Arc::new(Registry::new(Liveness::default()));
        let seal = Arc::new(Seal::of_dir(dir.path()).unwrap());
        let rules = rules(dir.path(), names);
        let catalogs = Arc::new(Catalogs::new(&rules, &[], Arc::clone(&registry), seal));
        Self { dir, registry, catalogs }
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.dir.path().join(file)).unwrap();
    }

    async fn reload(&self, name: &str) -> Result<Reloaded, NotLoaded> {
        self.catalogs.reload(name, Trigger::Asked).await
    }

    async fn rejected(&self, name: &str) -> String {
        self.reload(name).await.unwrap_err().to_string()
    }

    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.registry.services().iter().map(|s| s.id.to_string()).collect();
        ids.sort();
        ids
    }

    fn sources(&self, id: &str) -> Vec<&'static str> {
        let sources = self.registry.resolve(id).unwrap().facts.records.sources();
        sources.into_iter().map(Word::word).collect()
    }
}

fn table(name: &str, url: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\ntype = \"model\"\nurl = \"{url}\"\n")
}

#[tokio::test]
async fn a_reload_applies_the_difference_and_nothing_else() {
    let herd = Herd::new(&["services"]);
    herd.put("services/a.toml", &(table("a", "http://a:1") + &table("b", "http://b:1")));
    herd.put("services/c.toml", &table("c", "http://c:1"));
    let first = herd.reload("services").await.unwrap();
    assert_eq!((first.n_entries, first.n_added, first.n_removed), (3, 3, 0));
    assert_eq!(herd.ids(), ["a:1", "b:1", "c:1"]);
    let (_, seq) = herd.registry.cursor();
    herd.reload("services").await.unwrap();
    assert_eq!(herd.registry.kinds_since(seq), ["catalog.reloaded"]);

    herd.put("services/a.toml", &(table("a", "http://a:1") + &table("b, renamed", "http://b:1")));
    herd.remove("services/c.toml");
    let (_, seq) = herd.registry.cursor();
    let second = herd.reload("services").await.unwrap();
    let kinds = herd.registry.kinds_since(seq);
    assert_eq!(kinds, ["service.changed", "service.removed", "catalog.reloaded"]);
    let names = |names: &[Arc<str>]| names.join(" ");
    assert_eq!(names(&second.added), "b, renamed");
    assert_eq!(names(&second.removed), "b c");
    assert_eq!(herd.ids(), ["a:1", "b:1"]);
    let changes = herd.registry.changes_since(seq, 10).unwrap();
    assert_eq!(changes[1].cause.as_deref(), Some("no file declares it any more"));
}

#[tokio::test]
async fn a_mistake_in_one_file_changes_nothing_and_is_told_once_by_the_watch() {
    let herd = Herd::new(&["services"]);
    herd.put("services/a.toml", &table("a", "http://a:1"));
    herd.reload("services").await.unwrap();
    herd.put("services/b.toml", &table("b", "http://b:1"));
    herd.put("services/c.toml", "[[service]]\nname = \"c\"\ntype = \"model\"\nurl = 7\n");
    let (_, seq) = herd.registry.cursor();
    for _ in 0..2 {
        let noticed = herd.catalogs.reload("services", Trigger::Noticed).await.unwrap_err();
        assert!(noticed.to_string().contains("c.toml:4: url: it is 7"), "{noticed}");
    }
    assert_eq!(herd.registry.kinds_since(seq), ["catalog.rejected"]);
    assert_eq!(herd.ids(), ["a:1"]);
    let named = herd.catalogs.get("services").unwrap();
    assert_eq!((named.held.n_entries(), named.status().fault.is_some()), (1, true));
    herd.put("services/c.toml", "");
    herd.catalogs.reload("services", Trigger::Noticed).await.unwrap();
    assert_eq!(herd.ids(), ["a:1", "b:1"]);
    assert!(named.status().fault.is_none());
    let (_, seq) = herd.registry.cursor();
    herd.catalogs.reload("services", Trigger::Noticed).await.unwrap();
    assert_eq!(herd.registry.kinds_since(seq), Vec::<&str>::new(), "nothing is new");
}

#[tokio::test]
async fn one_url_or_name_in_two_files_names_both() {
    let herd = Herd::new(&["services", "lab"]);
    herd.put("services/a.toml", &table("a", "http://a:1"));
    herd.put("services/b.toml", &table("b", "HTTP://A:1/"));
    let told = herd.rejected("services").await;
    assert!(told.contains("b.toml:1: url: ") && told.contains("as in "), "{told}");
    herd.put("services/b.toml", &table("a", "http://b:1"));
    let told = herd.rejected("services").await;
    assert!(told.contains("b.toml:1: name: ") && told.contains("a.toml"), "{told}");
    herd.remove("services/b.toml");
    herd.reload("services").await.unwrap();
    herd.put("lab/c.toml", &table("c", "http://a:1"));
    let told = herd.rejected("lab").await;
    assert!(told.contains("lab/c.toml:1: url: ") && told.contains("services/a.toml"), "{told}");
    herd.put("lab/c.toml", &table("a", "http://c:1"));
    herd.reload("lab").await.unwrap();
    assert_eq!(herd.ids(), ["a:1", "c:1"], "each catalog has its own names");
}

#[tokio::test]
async fn what_no_file_declares_after_a_restart_goes_once_all_files_are_known() {
    let herd = Herd::new(&["services", "lab"]);
    let clock = Clock::new();
    for (id, source) in
        [("old:1", Source::File), ("both:1", Source::File), ("hand:1", Source::Manual)]
    {
        let declared = declared(id, &format!("http://{id}"));
        herd.registry.upsert_service(source, declared, clock.moment()).unwrap();
    }
    let by_hand = declared("both:1", "http://both:1");
    herd.registry.upsert_service(Source::Manual, by_hand, clock.moment()).unwrap();
    herd.put("lab/broken.toml", "[[service");
    herd.put("services/a.toml", &table("a", "http://a:1"));
    herd.catalogs.reload_all(Trigger::Start).await;
    assert_eq!(herd.ids(), ["a:1", "both:1", "hand:1", "old:1"], "lab is not known yet");
    herd.put("lab/broken.toml", &table("old", "http://old:1"));
    herd.reload("lab").await.unwrap();
    assert_eq!(herd.ids(), ["a:1", "both:1", "hand:1", "old:1"]);
    assert_eq!(herd.sources("both:1"), ["manual"]);
    herd.remove("lab/broken.toml");
    herd.reload("lab").await.unwrap();
    assert_eq!(herd.ids(), ["a:1", "both:1", "hand:1"]);
}

#[tokio::test]
async fn what_leaves_a_file_goes_though_another_catalog_was_never_read() {
    let herd = Herd::new(&["services", "lab"]);
    fs::remove_dir(herd.dir.path().join("lab")).unwrap();
    let old = declared("old", "http://old:1");
    herd.registry.upsert_service(Source::File, old, Clock::new().moment()).unwrap();
    herd.put("services/a.toml", &(table("one", "http://one:1") + &table("two", "http://two:1")));
    herd.catalogs.reload_all(Trigger::Start).await;
    assert_eq!(herd.ids(), ["old:1", "one:1", "two:1"]);
    herd.put("services/a.toml", &table("one", "http://one:1"));
    let removed = herd.reload("services").await.unwrap().removed;
    assert_eq!(
        (removed.join(" ").as_str(), &herd.ids()[..]),
        ("two", &["old:1", "one:1"].map(String::from)[..])
    );
    // One whose address changed under its name is gone from the old one likewise.
    herd.put("services/a.toml", &table("one", "http://uno:1"));
    herd.reload("services").await.unwrap();
    assert_eq!(herd.ids(), ["old:1", "uno:1"], "lab may declare the old one");
}

#[tokio::test]
async fn a_declared_service_joins_what_an_agent_finds_and_leaves_it() {
    let herd = Herd::new(&["services"]);
    let clock = Clock::new();
    herd.put("services/a.toml", &table("by file", "http://10.0.0.7:11434"));
    herd.reload("services").await.unwrap();
    let arrival = Arrival { name: "gpu-7", peer: "10.0.0.7", boot_id: "b" };
    let opened = arrive(&herd.registry, 7, arrival, clock.moment());
    let found = service("0.0.0.0", 11434, vec![model("m", true)]);
    herd.registry.take_inventory(&opened, vec![found], clock.moment());
    assert_eq!(herd.registry.n_services(), 1);
    assert_eq!(herd.sources("gpu-7:11434"), ["agent", "file"]);
    // The same server under another of its names is told, and changes nothing.
    herd.put("services/b.toml", &table("again", "http://gpu-7:11434"));
    let reloaded = herd.reload("services").await.unwrap();
    let [left_out] = &reloaded.left_out[..] else { panic!("{reloaded:?}") };
    assert!(left_out.why.contains("the same server as"), "{left_out:?}");
    let (_, seq) = herd.registry.cursor();
    herd.reload("services").await.unwrap();
    assert_eq!(herd.registry.kinds_since(seq), ["catalog.reloaded"]);
    herd.remove("services/a.toml");
    herd.remove("services/b.toml");
    herd.reload("services").await.unwrap();
    assert_eq!(herd.sources("gpu-7:11434"), ["agent"]);
}

#[tokio::test]
async fn a_credential_is_sealed_once_and_goes_with_its_line() {
    let herd = Herd::new(&["services"]);
    let with = |value: &str| {
        let credential = format!("credential = {{ header = \"x-key\", value = \"{value}\" }}\n");
        table("a", "http://a:1") + &credential
    };
    let sealed = || {
        let service = herd.registry.service("a:1").unwrap();
        service.facts.records.file.as_ref().unwrap().credential.clone()
    };
    herd.put("services/a.toml", &with("canary"));
    herd.reload("services").await.unwrap();
    let first = sealed().unwrap();
    assert!(!first.sealed.contains("canary"));
    herd.reload("services").await.unwrap();
    assert_eq!(sealed().as_ref(), Some(&first), "nothing changed");
    herd.put("services/a.toml", &with("another"));
    assert_eq!(herd.reload("services").await.unwrap().n_changed, 1);
    assert_ne!(sealed().unwrap(), first);
    herd.put("services/a.toml", &table("a", "http://a:1"));
    herd.reload("services").await.unwrap();
    assert_eq!(sealed(), None);
}

#[tokio::test]
async fn a_folder_that_is_gone_keeps_its_entries_until_it_is_back() {
    let herd = Herd::new(&["services"]);
    herd.put("services/a.toml", &table("a", "http://a:1"));
    herd.reload("services").await.unwrap();
    let (folder, aside) = (herd.dir.path().join("services"), herd.dir.path().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    assert!(herd.rejected("services").await.ends_with("there is no such folder"));
    assert_eq!(herd.ids(), ["a:1"]);
    fs::create_dir(&folder).unwrap();
    herd.reload("services").await.unwrap();
    assert_eq!(herd.ids(), Vec::<String>::new());
}
