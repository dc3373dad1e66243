//! The conversation, right and wrong.

use herdbook_shared::wire::fixtures::{HELLO, INVENTORY, SAMPLE};

use super::*;

fn code(step: &Step) -> Option<RefusalCode> {
    match step {
        Step::Refuse(_, refused) => Some(refused.code),
        _ => None,
    }
}

fn open(now: Instant) -> Protocol {
    let mut protocol = Protocol::new(Begins::Hello, now);
    assert!(matches!(protocol.text(HELLO, now), Step::Hello(..)));
    protocol
}

#[test]
fn a_good_conversation() {
    let now = Instant::now();
    let mut protocol = open(now);
    assert!(!protocol.awaits_hello());
    assert!(matches!(protocol.text(INVENTORY, now), Step::Inventory(_)));
    assert!(matches!(protocol.text(SAMPLE, now), Step::Sample(_)));
}

#[test]
fn what_comes_before_the_hello_is_refused_with_its_code() {
    let now = Instant::now();
    for (text, expected) in [
        ("no json", RefusalCode::BadFrame),
        (SAMPLE, RefusalCode::UnexpectedMessage),
        (INVENTORY, RefusalCode::UnexpectedMessage),
        (r#"{"type":"praise"}"#, RefusalCode::UnexpectedMessage),
        (r#"{"type":"hello"}"#, RefusalCode::BadHello),
        (&HELLO.replace("0199f3a0-0000-7000", "me"), RefusalCode::BadHello),
        (&HELLO.replace("gpu-1", &"x".repeat(300)), RefusalCode::BadHello),
        (
            &HELLO.replace("\"min\":1,\"max\":1", "\"min\":2,\"max\":9"),
            RefusalCode::ProtocolOutOfRange,
        ),
        (&"x".repeat(limits::FRAME_BYTES + 1), RefusalCode::TooLarge),
    ] {
        let step = Protocol::new(Begins::Hello, now).text(text, now);
        assert_eq!(code(&step), Some(expected), "{text:.60}: {step:?}");
    }
    assert_eq!(code(&Protocol::new(Begins::Hello, now).binary()), Some(RefusalCode::BadFrame));
}

#[test]
fn a_refusal_says_which_field_and_what_to_do() {
    let now = Instant::now();
    let skewed = HELLO.replace("\"min\":1,\"max\":1", "\"min\":2,\"max\":9");
    let Step::Refuse(_, refused) = Protocol::new(Begins::Hello, now).text(&skewed, now) else {
        panic!()
    };
    assert!(
        refused.message.contains("2 to 9") && refused.message.contains("upgrade the collector")
    );
    let no_id = HELLO.replace("0199f3a0-0000-7000-8000-0000000000ab", "gpu-1");
    let Step::Refuse(_, refused) = Protocol::new(Begins::Hello, now).text(&no_id, now) else {
        panic!()
    };
    assert_eq!(refused.message, "host_id: expected a UUID, not \"gpu-1\"");
}

#[test]
fn an_open_session_outlives_what_it_says_wrong_now_and_then() {
    let now = Instant::now();
    let mut protocol = open(now);
    for (text, expected) in [
        (r#"{"type":"replay"}"#, DropReason::UnknownType),
        (r#"{"type":"sample","memory_used_bytes":-1}"#, DropReason::BadField),
        (r#"{"type":"sample","cpu_percent":1e300}"#, DropReason::OutOfBounds),
    ] {
        let step = protocol.text(text, now);
        assert!(matches!(&step, Step::Drop(reason, _) if *reason == expected), "{step:?}");
    }
    assert!(matches!(protocol.text(SAMPLE, now), Step::Sample(_)));
    assert_eq!(code(&protocol.text("{\"cpu\": NaN}", now)), Some(RefusalCode::BadFrame));
}

#[test]
fn a_stream_of_errors_ends_the_session() {
    let mut now = Instant::now();
    let mut protocol = open(now);
    let mut last = Step::Nothing;
    for _ in 0..300 {
        now += Duration::from_millis(200);
        last = protocol.text(r#"{"type":"replay"}"#, now);
        if code(&last).is_some() {
            break;
        }
    }
    assert_eq!(code(&last), Some(RefusalCode::TooManyErrors));
}

#[test]
fn a_flood_is_dropped_and_a_steady_second_is_not() {
    let mut now = Instant::now();
    let mut protocol = open(now);
    let n_taken = (0..1000).filter(|_| matches!(protocol.text(SAMPLE, now), Step::Sample(_)));
    assert!(n_taken.count() < 100);
    now += Duration::from_secs(60);
    for _ in 0..600 {
        now += Duration::from_secs(1);
        assert!(matches!(protocol.text(SAMPLE, now), Step::Sample(_)));
    }
}

#[test]
fn parts_are_applied_as_one_and_only_in_order() {
    let now = Instant::now();
    let mut protocol = open(now);
    let part = |part: u32, parts: u32| {
        let numbers = format!("\"part\":{part},\"parts\":{parts}");
        INVENTORY.replace("\"part\":1,\"parts\":1", &numbers)
    };
    assert_eq!(protocol.text(&part(1, 2), now), Step::Nothing);
    let Step::Inventory(whole) = protocol.text(&part(2, 2), now) else { panic!("no inventory") };
    assert_eq!((whole.services.len(), whole.services[0].models.len()), (1, 4));
    assert!(matches!(protocol.text(&part(2, 2), now), Step::Drop(DropReason::Unexpected, _)));
    assert_eq!(protocol.text(&part(1, 3), now), Step::Nothing);
    assert!(matches!(protocol.text(&part(3, 3), now), Step::Drop(DropReason::Unexpected, _)));
}

#[test]
fn what_is_said_of_a_bad_frame_is_one_short_line() {
    let now = Instant::now();
    let long = "x".repeat(100_000);
    let key = format!(r#"{{"type":"sample","missing":{{"a\n\u001b[31m{long}":5}}}}"#);
    let value = format!(r#"{{"type":"sample","cpu_percent":"{long}"}}"#);
    for text in [key, value] {
        let Step::Drop(_, words) = open(now).text(&text, now) else { panic!("not dropped") };
        assert!(words.len() < 1_300, "{} bytes", words.len());
        assert!(!words.contains(char::is_control), "{words:?}");
    }
}

#[test]
fn a_flood_of_pings_ends_also_before_the_hello() {
    let now = Instant::now();
    let mut protocol = Protocol::new(Begins::Hello, now);
    let ended = (0..1_000).map(|_| protocol.control(now)).find_map(|step| code(&step));
    assert_eq!(ended, Some(RefusalCode::TooManyErrors));
    let mut protocol = open(now);
    let paced = (1..600).map(|s| protocol.control(now + Duration::from_secs(s)));
    assert!(paced.into_iter().all(|step| step == Step::Nothing));
}
