//! What is answered only once it is on the disk. A handler that changes what is kept asks first
//! whether anything can be kept ([`Api::may_write`]), and waits last ([`Api::kept`]).

use super::Api;
use super::problem::{Kind, Problem};
use crate::store::{StoreState, WriteError};

impl Api {
    /// Whether a command may be applied now. Called before anything is changed: what is known not
    /// to be kept is not begun.
    ///
    /// # Errors
    ///
    /// Where the disk is full, or the database cannot be written.
    pub fn may_write(&self) -> Result<(), Problem> {
        match self.store.state() {
            StoreState::Ok => Ok(()),
            StoreState::DiskFull => Err(Problem::new(
                Kind::StorageFull,
                "the disk of the collector is full: nothing was changed; free some space there, \
                 and it goes on by itself",
            )),
            StoreState::Failing => Err(Problem::new(
                Kind::Unavailable,
                "the collector cannot write to its database: nothing was changed; its log says \
                 why, and it goes on by itself once it can",
            )),
        }
    }

    /// Waits until what this command changed in the register, and all that commands changed before,
    /// is on the disk: only then is it answered.
    ///
    /// # Errors
    ///
    /// Where it could not be kept. It is applied, and will be kept as soon as that is possible.
    pub async fn kept(&self) -> Result<(), Problem> {
        self.registry.kept().await.map_err(|error| applied_only(&error))
    }
}

fn applied_only(error: &WriteError) -> Problem {
    match error {
        WriteError::DiskFull => Problem::new(
            Kind::StorageFull,
            "the disk of the collector is full: this holds now, and is kept over a restart once \
             there is space again",
        ),
        WriteError::Io(_) => Problem::new(
            Kind::Unavailable,
            "the collector cannot write to its database: this holds now, and is kept over a \
             restart once it can; its log says why",
        ),
        WriteError::Closed => Problem::new(
            Kind::Unavailable,
            "the collector stops: this holds, and may not be kept over the restart",
        ),
    }
}

/// For rows that a handler writes itself, before it applies what they say.
impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        let (kind, words) = match error {
            WriteError::DiskFull => (
                Kind::StorageFull,
                "the disk of the collector is full: nothing was changed; free some space there",
            ),
            WriteError::Io(_) => (
                Kind::Unavailable,
                "the collector cannot write to its database: nothing was changed; its log says why",
            ),
            WriteError::Closed => (Kind::Unavailable, "the collector stops: nothing was changed"),
        };
        Self::new(kind, words)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::http::Method;
    use rusqlite::Connection;
    use serde_json::{Value, json};

    use crate::api::testing::{Answer, App};
    use crate::store::StoreState;

    const ALL: &str = "/api/v1/services";

    fn form(name: &str) -> Value {
        json!({"name": name, "type": "tool", "url": "http://gpu-9:8000", "ttl_s": 90})
    }

    /// What of the services is on the disk now, told by somebody else than the collector.
    fn on_disk(dir: &Path) -> Vec<Value> {
        let database = Connection::open(dir.join("state.db")).unwrap();
        let mut select = database.prepare("SELECT doc FROM services ORDER BY id").unwrap();
        let docs = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        docs.map(|doc| serde_json::from_str(&doc.unwrap()).unwrap()).collect()
    }

    #[tokio::test]
    async fn every_command_is_on_the_disk_when_it_is_answered() {
        let app = App::new();
        let revision = || on_disk(app.dir.path())[0]["revision"].clone();
        let added = app.post(ALL, form("a")).await;
        let path = added.header("location").to_owned();
        assert_eq!((added.status, revision()), (201, json!(1)));
        app.patch(&path, json!({"priority": 7})).await;
        assert_eq!(revision(), 2);
        app.post(&format!("{path}/promote"), json!({"role": "canary"})).await;
        assert_eq!(revision(), 3);
        app.post(&format!("{path}/drain"), json!({})).await;
        assert_eq!(revision(), 4);
        app.delete(&path).await;
        assert_eq!(on_disk(app.dir.path()), [Value::Null; 0]);
    }

    #[tokio::test]
    async fn what_changes_nothing_is_on_the_disk_as_well() {
        let app = App::over(&[("gpu-9:1", form("a"))]);
        assert_eq!(on_disk(app.dir.path()).len(), 0, "restored, and never written here");
        assert_eq!(app.patch(&format!("{ALL}/gpu-9%3A1"), json!({})).await.status, 200);
        assert_eq!(on_disk(app.dir.path()).len(), 1);
    }

    fn assert_told(answer: &Answer, status: u16, kind: &str, words: &str) {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.body["type"], format!("urn:herdbook:{kind}"));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
    }

    /// All durable commands, on a service that is there and a host that need not be.
    async fn commands(app: &App, path: &str) -> Vec<Answer> {
        let (role, none) = (r#"{"role":"canary"}"#, "");
        let mut answers = Vec::new();
        for (method, path, body) in [
            (Method::POST, ALL.to_owned(), form("other").to_string()),
            (Method::PATCH, path.to_owned(), json!({"priority": 1}).to_string()),
            (Method::POST, format!("{path}/promote"), role.to_owned()),
            (Method::POST, format!("{path}/drain"), none.to_owned()),
            (Method::DELETE, path.to_owned(), none.to_owned()),
            (Method::PATCH, "/api/v1/hosts/a".to_owned(), json!({"notes": "b"}).to_string()),
            (Method::PATCH, "/api/v1/hosts?all=true".to_owned(), json!({"notes": "b"}).to_string()),
            (Method::DELETE, "/api/v1/hosts/a".to_owned(), none.to_owned()),
        ] {
            answers.push(app.send(method, &path, &[], &body).await);
        }
        answers
    }

    #[tokio::test]
    async fn a_full_disk_refuses_commands_before_they_apply_and_lets_all_else_go_on() {
        let app = App::with_pages(90);
        let path = app.post(ALL, form("first")).await.header("location").to_owned();
        let mut n_more = 0;
        let refused = loop {
            let mut form = form(&format!("filler-{n_more}"));
            form["labels"] = (0..60).map(|n| (format!("k{n}"), json!("x".repeat(60)))).collect();
            let answer = app.post(ALL, form).await;
            n_more += 1;
            if answer.status != 201 {
                break answer;
            }
        };
        assert_told(&refused, 507, "storage_full", "this holds now, and is kept");
        app.store.watch_state().wait_for(|state| *state == StoreState::DiskFull).await.unwrap();
        let seq = app.registry.cursor().1;
        for answer in commands(&app, &path).await {
            assert_told(&answer, 507, "storage_full", "nothing was changed");
        }
        assert_eq!(app.registry.cursor().1, seq, "nothing was applied");
        let beat = app.send(Method::PUT, &format!("{path}/heartbeat"), &[], "{}").await;
        assert_eq!((beat.status, app.get(ALL).await.status), (200, 200));

        let database = Connection::open(app.dir.path().join("state.db")).unwrap();
        database.execute("DELETE FROM services WHERE doc LIKE '%filler-0%'", []).unwrap();
        app.store.watch_state().wait_for(|state| *state == StoreState::Ok).await.unwrap();
        assert_eq!(app.patch(&path, json!({"priority": 1})).await.status, 200);
        assert_eq!(
            on_disk(app.dir.path()).len(),
            n_more,
            "with the last, without the first filler"
        );
    }

    #[tokio::test]
    async fn a_database_that_fails_is_told_and_is_no_full_disk() {
        let app = App::new();
        let path = app.post(ALL, form("first")).await.header("location").to_owned();
        let database = Connection::open(app.dir.path().join("state.db")).unwrap();
        database.execute("ALTER TABLE services RENAME TO away", []).unwrap();
        let refused = app.patch(&path, json!({"priority": 1})).await;
        assert_told(&refused, 503, "unavailable", "this holds now, and is kept");
        app.store.watch_state().wait_for(|state| *state == StoreState::Failing).await.unwrap();
        for answer in commands(&app, &path).await {
            assert_told(&answer, 503, "unavailable", "nothing was changed");
        }
        database.execute("ALTER TABLE away RENAME TO services", []).unwrap();
        app.store.watch_state().wait_for(|state| *state == StoreState::Ok).await.unwrap();
        assert_eq!(on_disk(app.dir.path())[0]["revision"], 2);
    }
}
