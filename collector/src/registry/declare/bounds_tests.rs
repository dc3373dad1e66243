//! Each bound from both sides.

use crate::registry::service::ServiceType;

use super::*;

fn declared() -> Declared {
    Declared {
        name: Some("gpu".to_owned()),
        r#type: Some(ServiceType::Model),
        url: Some("http://gpu-1:8000".to_owned()),
        ..Declared::default()
    }
}

fn models(n: usize) -> std::sync::Arc<[Model]> {
    (0..n).map(|n| model(&format!("m{n}"))).collect()
}

fn model(name: &str) -> Model {
    crate::registry::testing::model(name, false).into()
}

fn labels(n: usize) -> BTreeMap<String, String> {
    (0..n).map(|n| (n.to_string(), String::new())).collect()
}

#[test]
fn what_is_at_its_bound_passes() {
    let full = Declared {
        name: Some("n".repeat(limits::WORD_BYTES)),
        kind: Some("vllm".to_owned()),
        caps: Some(vec!["tools".to_owned(); limits::CAPABILITIES]),
        labels: Some(labels(limits::LABELS)),
        models: Some(models(limits::MODELS)),
        priority: Some(-1000),
        ctx_limit: Some(1),
        cost_hint_usd_per_1k: Some(0.0),
        heartbeat_interval_s: Some(86_400),
        ttl_s: Some(604_800),
        ..declared()
    };
    assert_eq!(whole(&full).unwrap().key(), "gpu-1:8000");
    let shortest = Declared { heartbeat_interval_s: Some(1), ttl_s: Some(1), ..declared() };
    assert!(whole(&shortest).is_ok());
}

#[test]
fn what_is_beyond_its_bound_is_named_with_what_is_expected() {
    let text = |text: &str| Some(text.to_owned());
    let long = "n".repeat(limits::WORD_BYTES + 1);
    let mut wide = (*models(1)).to_vec();
    wide[0].facts = std::sync::Arc::new(crate::registry::service::model::ModelFacts {
        capabilities: vec!["tools".into(), "".into()].into(),
        ..(*wide[0].facts).clone()
    });
    let mut large = models(1).to_vec();
    large[0].vram_bytes = Some(limits::BYTES_MAX + 1);
    let cases: [(&str, Declared); 26] = [
        ("name", Declared { name: None, ..declared() }),
        ("name", Declared { name: text("  "), ..declared() }),
        ("name", Declared { name: Some(long.clone()), ..declared() }),
        ("name", Declared { name: text("a\nb"), ..declared() }),
        ("name", Declared { name: text("a\u{2028}b"), ..declared() }),
        ("type", Declared { r#type: None, ..declared() }),
        ("kind", Declared { kind: text(""), ..declared() }),
        ("url", Declared { url: None, ..declared() }),
        ("url", Declared { url: text("gpu-1:0"), ..declared() }),
        ("url", Declared { url: text("http://user@gpu-1"), ..declared() }),
        ("caps", Declared { caps: Some(vec!["c".to_owned(); 65]), ..declared() }),
        ("caps[1]", Declared { caps: Some(vec!["c".to_owned(), long.clone()]), ..declared() }),
        ("labels", Declared { labels: Some(labels(65)), ..declared() }),
        (
            "labels",
            Declared { labels: Some([(" ".to_owned(), "x".to_owned())].into()), ..declared() },
        ),
        (
            "labels.zone",
            Declared { labels: Some([("zone".to_owned(), long)].into()), ..declared() },
        ),
        ("models", Declared { models: Some(models(1001)), ..declared() }),
        ("models[0].name", Declared { models: Some([model("")].into()), ..declared() }),
        ("models[0].capabilities[1]", Declared { models: Some(wide.into()), ..declared() }),
        ("models[0].vram_bytes", Declared { models: Some(large.into()), ..declared() }),
        ("priority", Declared { priority: Some(1001), ..declared() }),
        ("ctx_limit", Declared { ctx_limit: Some(0), ..declared() }),
        ("cost_hint_usd_per_1k", Declared { cost_hint_usd_per_1k: Some(-0.1), ..declared() }),
        ("cost_hint_usd_per_1k", Declared { cost_hint_usd_per_1k: Some(f64::NAN), ..declared() }),
        ("heartbeat_interval_s", Declared { heartbeat_interval_s: Some(0), ..declared() }),
        ("ttl_s", Declared { ttl_s: Some(604_801), ..declared() }),
        ("ttl_s", Declared { heartbeat_interval_s: Some(60), ttl_s: Some(59), ..declared() }),
    ];
    for (field, declared) in cases {
        let refused = whole(&declared).unwrap_err();
        assert_eq!(refused.field, field, "{refused:?}");
        assert!(!refused.expected.is_empty() && !refused.to_string().is_empty(), "{refused:?}");
    }
}

#[test]
fn a_header_is_one_that_a_check_may_send() {
    for name in ["Authorization", "x-api-key", "API_KEY"] {
        assert!(header(name, "Bearer abc").is_ok(), "{name}");
        // What passes here can stand in a request.
        assert!(axum::http::HeaderName::from_bytes(name.as_bytes()).is_ok());
    }
    for name in ["", "x key", "x:key", "Host", "Content-Length", "Connection", "TE", "Proxy-Auth"] {
        assert_eq!(header(name, "abc").unwrap_err().field, "credential.header", "{name}");
    }
    for value in ["", "  ", "a\r\nb", "a\0", "ü", &"v".repeat(HEADER_VALUE_BYTES + 1)] {
        let refused = header("x-api-key", value).unwrap_err();
        assert_eq!(refused.field, "credential.value");
        assert!(value.trim().is_empty() || !format!("{refused:?}").contains(value));
    }
}

#[test]
fn where_nobody_is_ever_asked_only_who_beats_may_stand() {
    for url in [
        "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]",
        "http://224.0.0.1:1",
        "http://255.255.255.255",
        "http://[fe80::1]:8000",
        "http://[64:ff9b::169.254.169.254]",
        "http://[2002:a9fe:a9fe::1]",
    ] {
        let asked = |check| Declared { url: Some(url.to_owned()), check, ..declared() };
        assert_eq!(whole(&asked(Some(Check::Probe))).unwrap_err().field, "url", "{url}");
        assert!(whole(&asked(Some(Check::Heartbeat))).is_ok(), "{url}");
    }
    let own = Declared { url: Some("http://127.0.0.1:1".to_owned()), ..declared() };
    assert!(whole(&own).is_ok());
}

#[test]
fn who_is_asked_says_nothing_of_beats() {
    let asked = Declared { check: Some(Check::Probe), ..declared() };
    let refused = |declared: Declared| whole(&declared).unwrap_err().field;
    assert_eq!(refused(Declared { ttl_s: Some(90), ..asked.clone() }), "ttl_s");
    let timed = Declared { heartbeat_interval_s: Some(60), ..asked };
    assert_eq!(refused(timed), "heartbeat_interval_s");
}
