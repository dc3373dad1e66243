//! The document is whole and true: every route has its operation, and every operation a route.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Method;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::health::{self, Readiness};
use crate::api::testing::App;
use crate::series::HistoryState;
use crate::store::StoreState;

use super::assemble::document;
use super::operations;
use super::*;

/// Routes that have no operation yet, by method and path.
const UNDESCRIBED: &[(&str, &str)] = &[];

const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Every method and path that is answered, but for the files of the page.
async fn answered() -> BTreeSet<(String, String)> {
    let app = App::new();
    let (_store, state) = watch::channel(StoreState::Ok);
    let (_history, history) = watch::channel(HistoryState::Ok);
    let health: Routes = health::routes(Arc::new(Readiness::new(state, history)));
    let of_health = health.declared().iter().map(|route| ("get".to_owned(), route.path.clone()));
    let mut answered: BTreeSet<_> = of_health.collect();
    for path in app.declared.iter().map(|route| &route.path) {
        for method in METHODS {
            let asked = path.replace(['{', '}', '*'], "");
            if app.status(method.clone(), &asked).await != 405 {
                answered.insert((method.as_str().to_lowercase(), path.clone()));
            }
        }
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn every_route_has_its_operation_and_every_operation_a_route() {
    let described: BTreeSet<(String, String)> = operations::topics()
        .iter()
        .flat_map(|topic| &topic.operations)
        .map(|operation| (operation.method.to_owned(), operation.path.to_owned()))
        .collect();
    let answered = answered().await;
    assert!(answered.len() > 25, "{answered:?}");
    let is_left_out = |(method, path): &&(String, String)| {
        UNDESCRIBED.contains(&(method.as_str(), path.as_str()))
    };
    let undescribed: Vec<_> =
        answered.difference(&described).filter(|one| !is_left_out(one)).collect();
    assert!(undescribed.is_empty(), "describe in api/contract/operations: {undescribed:?}");
    let unanswered: Vec<_> = described.difference(&answered).collect();
    assert!(unanswered.is_empty(), "no such route: {unanswered:?}");
}

#[test]
fn names_are_good_and_mean_one_thing() {
    let (document, twice) = document();
    assert_eq!(twice, Vec::<String>::new());
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        let is_good = name.chars().all(|c| c.is_ascii_alphabetic()) && !name.ends_with("View");
        assert!(is_good, "{name}");
    }
    for name in ["Host", "HostSummary", "Service", "Model", "Problem", "Change", "Alert", "Gpu"] {
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn ids_of_operations_are_unique() {
    let topics = operations::topics();
    let ids: Vec<_> = topics.iter().flat_map(|t| &t.operations).map(|o| o.id).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
}

#[test]
fn all_that_is_referred_to_is_there() {
    let mut references = Vec::new();
    let mut texts = Vec::new();
    walk(&DOCUMENT, &mut |key, value| match (key, value) {
        ("$ref", Value::String(path)) => references.push(path.clone()),
        ("description" | "summary", Value::String(text)) => texts.push(text.clone()),
        _ => (),
    });
    assert!(references.len() > 100);
    for path in references {
        let there = path.strip_prefix('#').and_then(|path| DOCUMENT.pointer(path));
        assert!(there.is_some(), "{path}");
    }
    for text in texts {
        let is_words = !text.contains("](") && !text.contains("[`") && !text.contains("::");
        assert!(is_words, "{text}");
    }
}

fn walk(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| walk(value, see)),
        Value::Object(fields) => {
            for (key, value) in fields {
                see(key, value);
                walk(value, see);
            }
        }
        _ => (),
    }
}

#[tokio::test]
async fn the_page_and_the_document_are_served_with_a_strict_policy() {
    let app = App::new();
    let answer = app.get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.body, *DOCUMENT);
    let (headers, page) = app.page("/docs").await;
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.contains("<h3 id=\"listHosts\">") && page.contains("id=\"schema-Host\""));
    // Nothing but its own style is loaded, and nothing runs.
    assert_eq!(page.matches("stylesheet").count(), 1);
    for outside in ["<script", "<img", "<iframe", " style=", "onclick", "src=", "@import"] {
        assert!(!page.contains(outside) && !STYLE.contains(outside), "{outside}");
    }
    let (headers, _) = app.page("/docs.css").await;
    assert_eq!(headers["content-type"], "text/css; charset=utf-8");
}

#[test]
fn links_within_the_page_lead_somewhere() {
    let page = page::render(&DOCUMENT);
    let mut n_links = 0;
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
        n_links += 1;
    }
    assert!(n_links > 100);
}
