//! Who may do what: signing in, people, tokens, and the audit log.

use serde_json::json;

use crate::api::audit::Entries;
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{taken, told};
use crate::api::list::Page;
use crate::api::people::{People, PersonForm, PersonPatch};
use crate::api::problem::Kind;
use crate::api::session::{FirstAdminForm, PasswordForm, Session, SignInForm};
use crate::api::tokens::{ApiTokenForm, Made, Tokens};
use crate::auth::PersonView;
use crate::store::AuditVerdict;

const NO_PARAMETERS: &str = "It takes no parameters; one that is there is refused.";
const COOKIE: (&str, &str) = ("Set-Cookie", "The sign-in. Only the browser reads it.");

pub(super) fn topic() -> Topic {
    Topic {
        name: "Access",
        about: "Who may do what. People sign in and get a cookie; programs send \
            `Authorization: Bearer hbt_…`.",
        operations: vec![
            session(),
            sign_in(),
            sign_out(),
            first_admin(),
            password(),
            people(),
            add_person(),
            change_person(),
            remove_person(),
            tokens(),
            make_token(),
            revoke_token(),
            audit(),
            verify(),
        ],
    }
}

fn session() -> Operation {
    Operation::get("/api/v1/session", "getSession", "Who asks").answers(
        200,
        "Who, and how the collector lets in.",
        told::<Session>(),
    )
}

fn sign_in() -> Operation {
    let example = json!({ "name": "anna", "password": "correct horse battery" });
    Operation::post("/api/v1/session", "signIn", "Sign in")
        .about("An unknown name and a wrong password are told in the same words and time.")
        .takes(taken::<SignInForm>(), example)
        .answers(200, "Who asks from now on.", told::<Session>())
        .tells(COOKIE.0, COOKIE.1)
        .kept()
}

fn sign_out() -> Operation {
    Operation::delete("/api/v1/session", "signOut", "Sign out")
        .about(NO_PARAMETERS)
        .answers_empty(204, "The sign-in has ended, and what used it.")
        .refuses(Kind::BadField)
        .kept()
}

fn first_admin() -> Operation {
    let example = json!({
        "code": "ABCDE-FGHIJ-KLMNO-PQRST", "name": "anna", "password": "correct horse battery",
    });
    Operation::post("/api/v1/first-admin", "makeFirstAdmin", "Become the first admin")
        .about("The collector prints the code when it starts and has no admin.")
        .takes(taken::<FirstAdminForm>(), example)
        .answers(201, "They are admin, and signed in.", told::<Session>())
        .tells(COOKIE.0, COOKIE.1)
        .refuses_when(Kind::Conflict, "There is an admin.")
        .kept()
}

fn password() -> Operation {
    let example = json!({
        "current": "correct horse battery", "new": "battery horse correct",
    });
    Operation::post("/api/v1/password", "changePassword", "Change one's own password")
        .about("It ends all other sign-ins of the same person.")
        .takes(taken::<PasswordForm>(), example)
        .answers_empty(204, "It is changed.")
        .refuses(Kind::NotFound)
        .refuses_when(Kind::Conflict, "Whoever asks has no password.")
        .kept()
}

fn people() -> Operation {
    Operation::get("/api/v1/people", "listPeople", "List people").answers(
        200,
        "All who may sign in.",
        told::<People>(),
    )
}

fn add_person() -> Operation {
    let example = json!({ "name": "otto", "password": "correct horse battery", "role": "viewer" });
    Operation::post("/api/v1/people", "addPerson", "Let somebody sign in")
        .about("Capital letters make no other name.")
        .takes(taken::<PersonForm>(), example)
        .answers(201, "They may.", told::<PersonView>())
        .refuses_when(Kind::Conflict, "There is such a person, or there are 1,000.")
        .kept()
}

fn change_person() -> Operation {
    Operation::patch("/api/v1/people/{name}", "changePerson", "Give another role or password")
        .about("What they have open ends; another password ends their sign-ins as well.")
        .takes(taken::<PersonPatch>(), json!({ "role": "client" }))
        .answers(200, "As they are now.", told::<PersonView>())
        .refuses_when(Kind::Conflict, "They are the last admin.")
        .kept()
}

fn remove_person() -> Operation {
    Operation::delete("/api/v1/people/{name}", "removePerson", "Remove a person")
        .about(NO_PARAMETERS)
        .answers_empty(204, "They may no longer sign in, and what they had open has ended.")
        .refuses(Kind::BadField)
        .refuses_when(Kind::Conflict, "They are the last admin.")
        .kept()
}

fn tokens() -> Operation {
    Operation::get("/api/v1/tokens", "listTokens", "List tokens of programs").answers(
        200,
        "All of them, without their texts.",
        told::<Tokens>(),
    )
}

fn make_token() -> Operation {
    let example = json!({ "name": "ci", "role": "client", "expires_in_s": 86_400 });
    Operation::post("/api/v1/tokens", "makeToken", "Make a token for a program")
        .takes(taken::<ApiTokenForm>(), example)
        .answers(201, "The token, told this once.", told::<Made>())
        .refuses_when(Kind::Conflict, "There are 1,000 already.")
        .kept()
}

fn revoke_token() -> Operation {
    Operation::delete("/api/v1/tokens/{id}", "revokeToken", "Revoke a token")
        .about(NO_PARAMETERS)
        .answers_empty(204, "It holds no more, and what used it has ended.")
        .refuses(Kind::BadField)
        .kept()
}

fn audit() -> Operation {
    Operation::get("/api/v1/audit", "listAudit", "Read who did what")
        .about("The newest first. 200,000 rows are kept.")
        .query::<Page>()
        .answers(200, "Rows of the audit log.", told::<Entries>())
}

fn verify() -> Operation {
    Operation::get("/api/v1/audit/verify", "verifyAudit", "Check the audit log")
        .about(
            "Each row holds a hash over the one before it and itself: a row that was changed, \
            removed or put in is found.",
        )
        .answers(200, "Whether it is whole.", told::<AuditVerdict>())
}
