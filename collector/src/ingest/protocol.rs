//! The protocol of one connection as a state machine: frames in, what they mean out. It knows
//! neither socket nor registry, and time comes in.

use std::time::Duration;

use herdbook_shared::ids::HostId;
use herdbook_shared::limits;
use herdbook_shared::wire::codec::{self, DecodeError};
use herdbook_shared::wire::enrol::{Knock, Rekey};
use herdbook_shared::wire::hello::{Goodbye, Hello, ProtocolRange, RefusalCode, Refused};
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;
use herdbook_shared::wire::{AgentMessage, PROTOCOL};
use tokio::time::Instant;

use super::dropped::DropReason;
use super::known;
use crate::budget::Budget;
use crate::limits::{AGENT_BYTES, AGENT_ERRORS, AGENT_FRAMES};

/// How long a connection may take to say hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// After an upgrade of one side is needed, the other asks again this late.
const RETRY_AFTER_SKEW_MS: u64 = 600_000;
/// After a refusal for what the agent said.
const RETRY_AFTER_ERROR_MS: u64 = 60_000;

const KNOCK_NEEDED: &str = "this collector demands credentials: make a join line with \
     herdbook-collector token create, and give it to herdbook-agent join";
const TLS_NEEDED: &str = "this collector demands credentials, which agents give over TLS to the \
     collector itself: connect to its https:// address, not through a proxy that ends TLS";

/// What a frame means.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// An agent is at the door: ask it for a proof, or refuse it.
    Knock(Knock),
    /// The host wants to be taken in under this id; where it had to knock, what it said then.
    Hello(HostId, Box<Hello>, Option<Knock>),
    /// It wants to have another key.
    Rekey(Box<Rekey>),
    /// A whole inventory.
    Inventory(Box<Inventory>),
    /// A sample.
    Sample(Box<Sample>),
    /// The host leaves.
    Goodbye(Goodbye),
    /// Nothing yet: a part of an inventory.
    Nothing,
    /// It is not used: count it, and say so where that is not too often.
    Drop(DropReason, String),
    /// The connection must end with this word.
    Refuse(DropReason, Refused),
}

/// Where the conversation is.
#[derive(Debug)]
enum State {
    AwaitingKnock,
    AwaitingHello(Option<Knock>),
    Open,
}

/// How a conversation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// With a hello: no credentials are demanded.
    Hello,
    /// With a knock: the agent has to prove who it is.
    Knock,
    /// Not at all: credentials are demanded, and what carries the connection is not TLS.
    Nowhere,
}

/// One connection's conversation.
#[derive(Debug)]
pub struct Protocol {
    state: State,
    begins: Begins,
    parts: Vec<Inventory>,
    frames: Budget,
    bytes: Budget,
    errors: Budget,
}

impl Protocol {
    /// Of a connection that begins now.
    #[must_use]
    pub fn new(begins: Begins, now: Instant) -> Self {
        let budget = |(burst, per_second)| Budget::new(burst, per_second, now);
        let state = match begins {
            Begins::Hello => State::AwaitingHello(None),
            Begins::Knock | Begins::Nowhere => State::AwaitingKnock,
        };
        Self {
            state,
            begins,
            parts: Vec::new(),
            frames: budget(AGENT_FRAMES),
            bytes: budget(AGENT_BYTES),
            errors: budget(AGENT_ERRORS),
        }
    }

    /// Whether the hello is still to come.
    #[must_use]
    pub fn awaits_hello(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    /// What a frame means.
    pub fn text(&mut self, text: &str, now: Instant) -> Step {
        let is_within = self.frames.take(1, now) && self.bytes.take(text.len(), now);
        if !is_within {
            return self.dropped(DropReason::OverBudget, "too much at once".to_owned(), now);
        }
        match codec::decode_agent(text) {
            Ok(message) => self.message(message, now),
            Err(error) => self.unusable(&error, now),
        }
    }

    /// A binary frame came.
    pub fn binary(&mut self) -> Step {
        refuse(
            DropReason::BadFrame,
            RefusalCode::BadFrame,
            "binary frame: expected JSON in text frames".to_owned(),
        )
    }

    /// A ping or pong came: it counts like any frame, so that a flood of them ends.
    pub fn control(&mut self, now: Instant) -> Step {
        if self.frames.take(1, now) {
            return Step::Nothing;
        }
        self.dropped(DropReason::OverBudget, "too much at once".to_owned(), now)
    }

    /// The time for the hello is up.
    #[must_use]
    pub fn hello_is_late(&self) -> Refused {
        let message = format!("no hello within {} s", HELLO_WITHIN.as_secs());
        refused(RefusalCode::HelloTimeout, message, RETRY_AFTER_ERROR_MS)
    }

    fn message(&mut self, message: AgentMessage, now: Instant) -> Step {
        if self.begins == Begins::Nowhere {
            return needs(TLS_NEEDED);
        }
        match (&mut self.state, message) {
            (State::AwaitingKnock, AgentMessage::Knock(knock)) => {
                self.state = State::AwaitingHello(Some(knock.clone()));
                Step::Knock(knock)
            }
            (State::AwaitingKnock, _) => needs(KNOCK_NEEDED),
            // Over TLS an agent knocks in any case: it cannot know what is demanded.
            (State::AwaitingHello(knock @ None), AgentMessage::Knock(said)) => {
                *knock = Some(said.clone());
                Step::Knock(said)
            }
            (State::AwaitingHello(knock), AgentMessage::Hello(hello)) => {
                let knock = knock.take();
                self.hello(hello, knock)
            }
            (State::AwaitingHello(_), _) => unexpected("the first message must be a hello"),
            (State::Open, AgentMessage::Hello(_)) => unexpected("a second hello"),
            (State::Open, AgentMessage::Inventory(mut part)) => {
                known::keep_in_inventory(&mut part);
                self.part(*part, now)
            }
            (State::Open, AgentMessage::Sample(mut sample)) => {
                known::keep_in_sample(&mut sample);
                Step::Sample(sample)
            }
            (State::Open, AgentMessage::Goodbye(goodbye)) => Step::Goodbye(goodbye),
            (State::Open, AgentMessage::Rekey(rekey)) if self.begins == Begins::Knock => {
                Step::Rekey(Box::new(rekey))
            }
            (State::Open, AgentMessage::Rekey(_)) => unexpected("no key is known here"),
            (State::Open, AgentMessage::Knock(_)) => unexpected("a second knock"),
        }
    }

    fn hello(&mut self, hello: Box<Hello>, knock: Option<Knock>) -> Step {
        let spoken = ProtocolRange { min: PROTOCOL, max: PROTOCOL };
        if hello.protocol.best_common(spoken).is_none() {
            let ProtocolRange { min, max } = hello.protocol;
            let who = if min > PROTOCOL { "collector" } else { "agent" };
            let message = format!(
                "protocol: the agent speaks {min} to {max}, this collector {PROTOCOL}: upgrade \
                 the {who}"
            );
            let refused = refused(RefusalCode::ProtocolOutOfRange, message, RETRY_AFTER_SKEW_MS);
            return Step::Refuse(DropReason::Refused, refused);
        }
        if knock.as_ref().is_some_and(|knock| knock.name != hello.name) {
            let words = "name: expected the one that knocked".to_owned();
            return refuse(DropReason::Refused, RefusalCode::BadHello, words);
        }
        match HostId::parse(&hello.host_id) {
            Ok(host_id) => {
                self.state = State::Open;
                Step::Hello(host_id, hello, knock)
            }
            Err(error) => refuse(
                DropReason::Refused,
                RefusalCode::BadHello,
                format!("host_id: {error}, not {:?}", hello.host_id),
            ),
        }
    }

    /// Parts must come in order; a new first one begins anew.
    fn part(&mut self, part: Inventory, now: Instant) -> Step {
        if part.part == 1 {
            self.parts.clear();
        }
        let n_had = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let follows = self.parts.first().is_none_or(|first| first.parts == part.parts);
        if !follows || part.part != n_had + 1 {
            self.parts.clear();
            let words = format!("inventory part {}: expected {}", part.part, n_had + 1);
            return self.dropped(DropReason::Unexpected, words, now);
        }
        let is_last = part.part == part.parts;
        self.parts.push(part);
        if !is_last {
            return Step::Nothing;
        }
        let Some(whole) = codec::join(std::mem::take(&mut self.parts)) else {
            return Step::Nothing;
        };
        let n_models: usize = whole.services.iter().map(|service| service.models.len()).sum();
        if n_models > limits::MODELS || whole.services.len() > limits::SERVICES {
            let words = format!(
                "inventory: at most {} services and {} models, not {} and {n_models}",
                limits::SERVICES,
                limits::MODELS,
                whole.services.len()
            );
            return self.dropped(DropReason::OutOfBounds, words, now);
        }
        Step::Inventory(Box::new(whole))
    }

    fn unusable(&mut self, error: &DecodeError, now: Instant) -> Step {
        let words = in_words(error);
        let is_open = !self.awaits_hello();
        match error {
            DecodeError::UnknownType(_) if is_open => {
                self.dropped(DropReason::UnknownType, words, now)
            }
            DecodeError::BadField { .. } if is_open => {
                self.dropped(DropReason::BadField, words, now)
            }
            DecodeError::OutOfBounds { .. } if is_open => {
                self.dropped(DropReason::OutOfBounds, words, now)
            }
            DecodeError::TooLarge(_) => refuse(DropReason::TooLarge, RefusalCode::TooLarge, words),
            DecodeError::UnknownType(_) => unexpected("the first message must be a hello"),
            DecodeError::BadField { kind: "hello" | "knock", .. }
            | DecodeError::OutOfBounds { kind: "hello" | "knock", .. } => {
                refuse(DropReason::Refused, RefusalCode::BadHello, words)
            }
            _ => refuse(DropReason::BadFrame, RefusalCode::BadFrame, words),
        }
    }

    /// A session outlives what it says wrong now and then, but not a stream of it.
    fn dropped(&mut self, reason: DropReason, words: String, now: Instant) -> Step {
        if self.errors.take(1, now) {
            return Step::Drop(reason, words);
        }
        let message = format!("too many unusable frames, the last: {words}");
        refuse(reason, RefusalCode::TooManyErrors, message)
    }
}

/// A refusal with the time after which to try again.
#[must_use]
pub fn refused(code: RefusalCode, message: String, retry_after_ms: u64) -> Refused {
    Refused { code, message, retry_after_ms: Some(retry_after_ms) }
}

fn refuse(reason: DropReason, code: RefusalCode, message: String) -> Step {
    Step::Refuse(reason, refused(code, message, RETRY_AFTER_ERROR_MS))
}

fn needs(words: &str) -> Step {
    refuse(DropReason::Refused, RefusalCode::CredentialsNeeded, words.to_owned())
}

fn unexpected(words: &str) -> Step {
    refuse(DropReason::Unexpected, RefusalCode::UnexpectedMessage, words.to_owned())
}

/// Longest words about a frame, characters: they may quote it, and go to the log and to its sender.
const WORDS_CHARS: usize = 300;

/// The error and what caused it, on one short line without control characters.
fn in_words(error: &DecodeError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words.chars().take(WORDS_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
