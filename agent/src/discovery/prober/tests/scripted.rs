//! A server without a socket, which answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::sleep;

use crate::discovery::answer::{Installed, List, Loaded, NotTheAnswer, Shown};
use crate::discovery::client::{Ask, Asked, Deadlines, ProbeError};

/// How a layer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Well,
    Refused,
    Silent,
    Wrong,
    Unauthorized,
    /// Well, but only after 20 s.
    Late,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) version: Says,
    pub(super) loaded: Says,
    pub(super) installed: Says,
    pub(super) show: Says,
    pub(super) models: Vec<Installed>,
    pub(super) warm: Vec<Loaded>,
    pub(super) asked: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    pub(super) fn with_models(models: Vec<Installed>) -> Self {
        Self(Arc::new(Mutex::new(State {
            version: Says::Well,
            loaded: Says::Well,
            installed: Says::Well,
            show: Says::Well,
            models,
            warm: Vec::new(),
            asked: Vec::new(),
        })))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn n_asked(&self, what: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| *asked == what).count()
    }

    async fn say<T>(
        &self,
        what: &str,
        says: fn(&State) -> Says,
        deadline: Duration,
        answer: fn(&State) -> T,
    ) -> Result<T, ProbeError> {
        self.change(|state| state.asked.push(what.to_owned()));
        let how = says(&self.0.lock().unwrap());
        match how {
            Says::Well => {}
            Says::Refused => return Err(ProbeError::Refused),
            Says::Silent => {
                sleep(deadline).await;
                return Err(ProbeError::Silent(deadline));
            }
            Says::Wrong => {
                let error = NotTheAnswer { expected: "{…}" };
                return Err(ProbeError::NotTheAnswer(error));
            }
            Says::Unauthorized => return Err(ProbeError::Credential(StatusCode::UNAUTHORIZED)),
            Says::Late => sleep(Duration::from_secs(20)).await,
        }
        Ok(answer(&self.0.lock().unwrap()))
    }
}

impl Ask for Scripted {
    async fn version(&self) -> Result<String, ProbeError> {
        let deadline = Deadlines::default().version;
        self.say("version", |s| s.version, deadline, |_| "0.33.0".to_owned()).await
    }

    async fn loaded(&self) -> Result<List<Loaded>, ProbeError> {
        let deadline = Deadlines::default().loaded;
        let answer = |s: &State| List { items: s.warm.clone(), left_out: 0 };
        self.say("ps", |s| s.loaded, deadline, answer).await
    }

    async fn installed(&self, _: Asked) -> Result<List<Installed>, ProbeError> {
        let deadline = Deadlines::default().installed;
        let answer = |s: &State| List { items: s.models.clone(), left_out: 0 };
        self.say("tags", |s| s.installed, deadline, answer).await
    }

    async fn show(&self, model: &str) -> Result<Shown, ProbeError> {
        let deadline = Deadlines::default().show;
        let answer = |_: &State| Shown { context_length: Some(7), capabilities: Vec::new() };
        self.say(&format!("show {model}"), |s| s.show, deadline, answer).await
    }
}
