//! What is kept, and where the next dial goes.

use std::path::Path;
use std::time::Duration;

use herdbook_shared::ids::SessionId;
use herdbook_shared::wire::enrol::ChannelSecret;
use herdbook_shared::wire::hello::RefusalCode;

use super::*;
use crate::config::Flags;

const LINE: &str = "https://127.0.0.9:6122 hbj_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 ";

fn pin(n: u8) -> Fingerprint {
    Fingerprint::of_digest([n; 32])
}

fn open(dir: &Path, flags: Flags) -> Result<Membership, MembershipError> {
    let flags = Flags { state_dir: Some(dir.into()), discovery: Some("off".into()), ..flags };
    Membership::open(&Settings::load(&flags, &|_| None).unwrap(), "gpu-1")
}

fn told(url: &str) -> Flags {
    Flags { collector: Some(url.into()), ..Flags::default() }
}

fn ask(dir: &Path) {
    crate::durable::write(dir, JOIN, format!("{LINE}{}", pin(1)).as_bytes()).unwrap();
}

fn refused(code: RefusalCode) -> Refused {
    Refused { code, message: String::new(), retry_after_ms: None }
}

fn welcome() -> Welcome {
    Welcome {
        collector_id: "c".to_owned(),
        session_id: SessionId::from_text("s"),
        protocol: 1,
        sample_interval_ms: 1000,
        reconnect_spread_ms: 500,
        server_time: Timestamp::default(),
        pins: Vec::new(),
        rotate_key: false,
    }
}

fn channel() -> Channel {
    Channel { pin: pin(1), secret: ChannelSecret([0; 32]) }
}

fn remember(dir: &Path, url: &str, pins: Vec<Fingerprint>) {
    let url = CollectorUrl::parse_for_tests(url);
    Remembered { url, pins, origin: Origin::Told }.write(dir).unwrap();
}

#[tokio::test]
async fn what_is_told_comes_before_what_is_remembered_before_this_machine() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let target = open(dir, Flags::default()).unwrap().target().await;
    assert_eq!(target.url, CollectorUrl::local());
    remember(dir, "https://127.0.0.2:1", vec![pin(2)]);
    let known = open(dir, Flags::default()).unwrap().target().await;
    assert_eq!(known.to_string(), "https://127.0.0.2:1");
    assert_eq!(known.trust, Trust::Pins(vec![pin(2)]));
    // By its pins where the one that is told was joined, else by the system's roots.
    assert_eq!(open(dir, told("https://127.0.0.2:1")).unwrap().target().await, known);
    let target = open(dir, told("https://127.0.0.3:1")).unwrap().target().await;
    assert_eq!(target.trust, Trust::Roots);
}

#[tokio::test]
async fn the_collector_of_this_machine_is_kept_so_that_no_other_is_looked_for() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let mut membership = open(dir, told("http://127.0.0.1:6121")).unwrap();
    let target = membership.target().await;
    membership.welcomed_here(&target);
    assert_eq!(Remembered::read(dir).unwrap(), None, "what is told may be told otherwise");

    let mut membership = open(dir, Flags::default()).unwrap();
    let target = membership.target().await;
    membership.welcomed_here(&target);
    assert_eq!(Remembered::read(dir).unwrap(), Some(Remembered::local()));
    let flags = Flags { state_dir: Some(dir.into()), ..Flags::default() };
    let searching = Settings::load(&flags, &|_| None).unwrap();
    let mut again = Membership::open(&searching, "gpu-1").unwrap();
    assert!(!again.uses_tls() && again.key().is_none());
    for _ in 0..3 {
        again.failed("cannot connect", None, Instant::now());
        assert_eq!(again.target().await, target);
    }
    // A person still chooses.
    let other = open(dir, told("https://127.0.0.3:1")).unwrap().target().await;
    assert_eq!(other.to_string(), "https://127.0.0.3:1");
    let file = dir.join("given");
    std::fs::write(&file, format!("{LINE}{}", pin(1))).unwrap();
    let given = Flags { join_file: Some(file.into()), ..Flags::default() };
    let mut joining = open(dir, given).unwrap();
    let target = joining.target().await;
    assert_eq!(target.trust, Trust::Pins(vec![pin(1)]));
    joining.welcomed(&welcome(), &target, &channel());
    let remembered = Remembered::read(dir).unwrap().unwrap();
    assert_eq!((remembered.url, remembered.origin), (target.url, Origin::Told));
}

#[tokio::test]
async fn a_join_line_that_was_given_is_used_until_the_agent_has_joined() {
    let home = tempfile::tempdir().unwrap();
    let (dir, file) = (home.path(), home.path().join("given"));
    std::fs::write(&file, format!("{LINE}{}", pin(1))).unwrap();
    let flags = Flags { join_file: Some(file.clone().into()), ..Flags::default() };
    let mut first = open(dir, flags.clone()).unwrap();
    let target = first.target().await;
    assert_eq!(target.trust, Trust::Pins(vec![pin(1)]));
    assert!(first.token().is_some());
    first.welcomed(&welcome(), &target, &channel());
    assert!(first.token().is_none() && file.exists());
    assert!(open(dir, flags.clone()).unwrap().token().is_none());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(open(dir, flags.clone()).unwrap().target().await, target);
    std::fs::remove_file(dir.join("collector")).unwrap();
    let error = open(dir, flags).unwrap_err().to_string();
    assert!(error.contains("holds no join line"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_pasted_is_noticed_used_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let mut membership = open(dir, Flags::default()).unwrap();
    let (path, known) = membership.waits_for();
    ask(dir);
    let start = Instant::now();
    Membership::asked(path, known).await;
    assert!(start.elapsed() <= Duration::from_secs(2));
    membership.look_for_join();
    let (path, known) = membership.waits_for();
    let again = tokio::time::timeout(Duration::from_secs(9), Membership::asked(path, known));
    assert!(again.await.is_err(), "the line that is known is none that is new");
    let target = membership.target().await;
    membership.failed("no route", None, Instant::now());
    assert_eq!(Outcome::read(dir), Some(Outcome::Trying { why: "no route".to_owned() }));
    membership.welcomed(&welcome(), &target, &channel());
    assert!(matches!(Outcome::read(dir), Some(Outcome::Joined { .. })));
    assert!(!dir.join(JOIN).exists());
    assert_eq!(Remembered::read(dir).unwrap().unwrap().pins, [pin(1)]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_goes_back_to_its_collector_where_it_cannot_join_another() {
    let given_up = |refusal: Option<RefusalCode>, after_s: u64| {
        let home = tempfile::tempdir().unwrap();
        remember(home.path(), "https://127.0.0.2:1", vec![pin(2)]);
        ask(home.path());
        let mut membership = open(home.path(), Flags::default()).unwrap();
        let now = Instant::now() + Duration::from_secs(after_s);
        membership.failed("no", refusal.map(refused).as_ref(), now);
        let is_over = matches!(Outcome::read(home.path()), Some(Outcome::GivenUp { .. }));
        assert_eq!(is_over, !home.path().join(JOIN).exists());
        assert_eq!(is_over, membership.token().is_none());
        is_over
    };
    assert!(given_up(Some(RefusalCode::TokenRefused), 0));
    assert!(given_up(Some(RefusalCode::NotYours), 0));
    assert!(!given_up(Some(RefusalCode::Full), 0) && !given_up(None, 29));
    assert!(given_up(None, 30));
}

#[tokio::test]
async fn a_line_for_another_collector_than_the_one_that_is_told_is_refused() {
    let home = tempfile::tempdir().unwrap();
    ask(home.path());
    let mut membership = open(home.path(), told("http://127.0.0.1:6121")).unwrap();
    assert_eq!(membership.target().await.to_string(), "http://127.0.0.1:6121");
    let Some(Outcome::GivenUp { why }) = Outcome::read(home.path()) else { panic!() };
    assert!(why.contains("is told to use the collector at http://127.0.0.1:6121"), "{why}");
    assert!(!home.path().join(JOIN).exists());
}

#[tokio::test]
async fn a_line_that_is_none_is_told_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let mut membership = open(home.path(), Flags::default()).unwrap();
    crate::durable::write(home.path(), JOIN, b"canary").unwrap();
    membership.look_for_join();
    let Some(Outcome::GivenUp { why }) = Outcome::read(home.path()) else { panic!() };
    assert!(why.contains("has 1 parts") && !why.contains("canary"), "{why}");
    assert!(!home.path().join(JOIN).exists());
}

#[tokio::test]
async fn what_was_found_is_kept_with_its_key_or_its_name() {
    for (trust, kept) in [(Trust::Pins(vec![pin(1)]), vec![pin(1)]), (Trust::Roots, Vec::new())] {
        let home = tempfile::tempdir().unwrap();
        let mut membership = open(home.path(), Flags::default()).unwrap();
        let target = Target { url: CollectorUrl::parse_for_tests("https://c.example:1"), trust };
        membership.welcomed(&welcome(), &target, &channel());
        let remembered = Remembered::read(home.path()).unwrap().unwrap();
        assert_eq!((remembered.pins, remembered.origin), (kept, Origin::Found));
        assert_eq!(membership.target().await, target);
    }
}

#[tokio::test]
async fn a_collector_that_was_told_and_is_known_by_its_name_is_not_pinned() {
    let home = tempfile::tempdir().unwrap();
    let mut membership = open(home.path(), told("https://c.example:1")).unwrap();
    let target = membership.target().await;
    let pins = vec![pin(1)];
    membership.welcomed(&Welcome { pins, ..welcome() }, &target, &channel());
    assert_eq!(Remembered::read(home.path()).unwrap(), None);
}
