//! Who joins: the keys of agents, and the tokens of join lines.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{taken, told};
use crate::api::enrolment::{AgentList, AgentSearch, JoinTokenForm, JoinTokenList, JoinTokenMade};
use crate::api::list::Page;
use crate::api::problem::Kind;
use crate::enrol::AgentView;

const KEY: &str = "sha256:4b7YgVZLqjBFy3EnPCE8LHYZK5AHyjRO2C7OQ0RZkVw";
const NOT_DEMANDED: &str =
    "This collector demands no credentials, or it is not in the state for it.";

pub(super) fn topic() -> Topic {
    Topic {
        name: "Enrolment",
        about: "Which agents may report a host, and how new ones join.",
        operations: vec![
            list(),
            approve(),
            revoke(),
            rotate(),
            forget(),
            list_tokens(),
            make_token(),
            revoke_token(),
        ],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/agents", "listAgents", "List the keys of agents")
        .about(
            "Those that count, those that were revoked, and those that wait to be approved, in the \
            order of their fingerprints. Where no credentials are demanded there are none.",
        )
        .query::<AgentSearch>()
        .answers(200, "Agents.", told::<AgentList>())
}

fn act(operation: Operation) -> Operation {
    operation
        .example("fingerprint", KEY)
        .refuses(Kind::NotFound)
        .refuses(Kind::BadField)
        .refuses_when(Kind::Conflict, NOT_DEMANDED)
        .kept()
}

fn approve() -> Operation {
    let path = "/api/v1/agents/{fingerprint}/approve";
    act(Operation::post(path, "approveAgent", "Let an agent in that waits")
        .about("Compare the fingerprint with what the agent's log says.")
        .answers(200, "It may come.", told::<AgentView>()))
}

fn revoke() -> Operation {
    let path = "/api/v1/agents/{fingerprint}/revoke";
    act(Operation::post(path, "revokeAgent", "End the right of a key, for ever")
        .about("Its connection ends within a second; the host stays listed until it is removed.")
        .answers(200, "It counts no longer.", told::<AgentView>()))
}

fn rotate() -> Operation {
    let path = "/api/v1/agents/{fingerprint}/rotate";
    act(Operation::post(path, "rotateAgent", "Ask an agent to make itself another key")
        .about("At once where it is connected, else when it comes next.")
        .answers(200, "It is asked.", told::<AgentView>()))
}

fn forget() -> Operation {
    let path = "/api/v1/agents/{fingerprint}";
    act(Operation::delete(path, "forgetAgent", "Take a key from the list")
        .about("One that waits or was revoked. What was revoked stays so.")
        .answers_empty(204, "It is listed no longer."))
}

fn list_tokens() -> Operation {
    Operation::get("/api/v1/join-tokens", "listJoinTokens", "List the tokens of join lines")
        .about("In the order of their ids; those that were over 30 days ago are left out.")
        .query::<Page>()
        .answers(200, "Join tokens, without what makes them tokens.", told::<JoinTokenList>())
}

fn make_token() -> Operation {
    let example = json!({ "uses": 8, "expires_in_s": 3600, "name_pattern": "gpu-*" });
    Operation::post("/api/v1/join-tokens", "makeJoinToken", "Make a join line")
        .about("The token is told this once; of what is kept nobody can tell it again.")
        .takes(taken::<JoinTokenForm>(), example)
        .answers(201, "The line to run on a new host.", told::<JoinTokenMade>())
        .refuses_when(Kind::Conflict, "No credentials are demanded, or there are 1,000 already.")
        .kept()
}

fn revoke_token() -> Operation {
    Operation::delete("/api/v1/join-tokens/{id}", "revokeJoinToken", "End a join token")
        .about("It lets nobody in from here on; who came in by it stays.")
        .answers_empty(204, "It is over.")
        .refuses(Kind::BadField)
        .refuses_when(Kind::Conflict, "No credentials are demanded.")
        .kept()
}
