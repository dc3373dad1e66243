use super::*;
use crate::auth::digest;

static START: std::sync::LazyLock<Timestamp> =
    std::sync::LazyLock::new(|| Timestamp::from_unix_ms(1_800_000_000_000));

fn after(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(START.unix_ms() + ms)
}

fn book() -> Book {
    let person = r#"{"name": "anna", "role": "admin", "password": "$argon2id$",
        "created_at": "2026-11-27T18:00:00Z", "created_by": "x", "last_seen_at": null}"#;
    let sign_in = SignIn {
        digest: text_of(&digest("cookie")),
        person: "anna".into(),
        created_at: *START,
        last_used_at: *START,
        lapse: Lapse::default(),
    };
    let token = Token {
        id: "t".into(),
        name: "ci".into(),
        role: Role::Client,
        digest: text_of(&digest("hbt_text")),
        created_at: *START,
        created_by: "x".to_owned(),
        expires_at: Some(after(1_000)),
        last_used_at: None,
        revoked_at: None,
        lapse: Lapse::default(),
    };
    let broken = "{".to_owned();
    Book::of_docs(&[person.to_owned(), broken], &[json(&token)], &[json(&sign_in)])
}

#[test]
fn a_sign_in_lasts_twelve_hours_from_its_last_use_and_seven_days_in_all() {
    let mut book = book();
    let id = digest("cookie");
    let lapse = book.sign_ins[&id].lapse.clone();
    for n in 1..=15 {
        let holds = book.use_sign_in(&id, after(n * (IDLE_MS - 1))).is_some();
        assert_eq!(holds, n * (IDLE_MS - 1) < WHOLE_MS, "{n}");
    }
    book.lapse(after(WHOLE_MS - 1));
    assert!(!lapse.is_ended());
    book.lapse(after(WHOLE_MS));
    assert!(lapse.is_ended());
    let mut idle = self::book();
    assert!(idle.use_sign_in(&id, after(IDLE_MS)).is_none());
    let over = idle.over(after(IDLE_MS));
    assert_eq!((over.len(), over[0].kind), (1, RowKind::SignIn));
    idle.forget(&over);
    assert!(idle.sign_ins.is_empty());
}

#[test]
fn a_token_ends_when_its_time_is_over_and_is_listed_for_thirty_days() {
    let mut book = book();
    let id = digest("hbt_text");
    assert!(book.use_token(&id, *START).is_some());
    assert!(book.use_token(&digest("t"), *START).is_none(), "its id proves nothing");
    let lapse = book.tokens["t"].lapse.clone();
    book.lapse(after(999));
    assert!(!lapse.is_ended());
    book.lapse(after(1_000));
    assert!(lapse.is_ended());
    assert!(book.use_token(&id, after(1_000)).is_none());
    assert_eq!(book.tokens["t"].view(after(1_000)).state, TokenState::Expired);
    assert!(book.over(after(LISTED_MS)).iter().all(|row| row.kind != RowKind::ApiToken));
    let over = book.over(after(1_000 + LISTED_MS));
    book.forget(&over);
    assert!(book.tokens.is_empty() && book.by_digest.is_empty());
}

#[test]
fn when_something_was_used_is_kept_once_a_minute() {
    let mut book = book();
    book.use_token(&digest("hbt_text"), *START);
    assert_eq!(book.take_used().len(), 1);
    book.use_token(&digest("hbt_text"), after(900));
    assert_eq!(book.take_used().len(), 0);
    book.use_sign_in(&digest("cookie"), after(USED_MS));
    assert_eq!(book.take_used().len(), 2, "the sign-in and the person");
}

#[test]
fn nobody_is_left_who_may_do_everything_without_the_last_admin() {
    let mut book = book();
    assert!(book.has_admin() && book.is_last_admin("anna"));
    assert!(!book.is_last_admin("otto"));
    let otto = Person { name: "otto".into(), ..book.people["anna"].clone() };
    book.people.insert("otto".into(), otto);
    assert!(!book.is_last_admin("anna"));
    let lapse = book.sign_ins[&digest("cookie")].lapse.clone();
    book.remove_person("anna");
    assert!(lapse.is_ended() && book.sign_ins.is_empty());
}
