//! Skills, their files, and registering one.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{taken, text, told};
use crate::api::list::Page;
use crate::api::problem::Kind;
use crate::api::skills::{SkillForm, SkillList, SkillView};

pub(super) fn topic() -> Topic {
    Topic {
        name: "Skills",
        about: "What an LLM agent reads before it does something. Nothing of it is run here.",
        operations: vec![list(), register(), get(), remove(), file()],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/skills", "listSkills", "List skills")
        .about("In the order of their names, without their bodies.")
        .query::<Page>()
        .answers(200, "Skills.", told::<SkillList>())
}

fn register() -> Operation {
    let example = json!({
        "name": "deploy", "description": "How a model is put into production.",
        "body": "# Deploy\n\n1. Pick a host.\n",
    });
    Operation::post("/api/v1/skills", "registerSkill", "Register a skill")
        .about("One that was registered under this name is replaced.")
        .header("If-None-Match", "`*`: refused with 409 if it is there already.")
        .takes(taken::<SkillForm>(), example)
        .answers(201, "It is new.", told::<SkillView>())
        .answers(200, "It was there, and is now as you say.", told::<SkillView>())
        .tells("ETag", "Its digest.")
        .tells("Location", "Its path.")
        .refuses_when(Kind::Conflict, "It is there already, or a file has it.")
        .kept()
}

fn get() -> Operation {
    Operation::get("/api/v1/skills/{name}", "getSkill", "Get a skill with its body")
        .example("name", "review")
        .answers(200, "The skill.", told::<SkillView>())
        .tagged()
}

fn remove() -> Operation {
    Operation::delete("/api/v1/skills/{name}", "removeSkill", "Remove a skill that was registered")
        .about("It takes no parameters; one that is there is refused.")
        .answers(200, "The skill as it was.", told::<SkillView>())
        .refuses_when(Kind::Conflict, "A file has it: remove it there.")
        .refuses(Kind::BadField)
        .kept()
}

fn file() -> Operation {
    Operation::get("/api/v1/skills/{name}/files/{*path}", "getSkillFile", "Get a file of a skill")
        .about("As it was when the skill was loaded: text, or bytes to be saved.")
        .example("name", "review")
        .example("path", "scripts/check.sh")
        .answers(200, "The file.", text("text/plain"))
        .or_answers(200, text("application/octet-stream"))
        .tagged()
}
