//! Where a model runs best now, and leases.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{either, page, taken, told};
use crate::api::leases::{Ended, LeaseView, Listed, Request, TakenView};
use crate::api::list::Page;
use crate::api::pick::{Asked, NoneUsableView, PickedView};
use crate::api::problem::{Kind, Problem};

pub(super) fn topic() -> Topic {
    Topic {
        name: "Picks and leases",
        about: "Where a request goes best now, and requests in flight.",
        operations: vec![pick(), list(), take(), give_back()],
    }
}

fn pick() -> Operation {
    Operation::get("/api/v1/pick", "pick", "Where can this model run now?")
        .about(
            "At least one of `model`, `type` and `cap` says what is wanted; a \
            parameter that is not known is refused.",
        )
        .query::<Asked>()
        .example("model", "llama3.1:8b")
        .answers(200, "The best, the next best, and why the others are not.", told::<PickedView>())
        .answers(404, "Nothing can be used.", told::<NoneUsableView>().of_problem())
}

fn list() -> Operation {
    Operation::get("/api/v1/leases", "listLeases", "List the leases that are out")
        .query::<Page>()
        .query::<Listed>()
        .answers(200, "Leases.", page("LeaseList", "leases", told::<LeaseView>()))
}

fn take() -> Operation {
    Operation::post("/api/v1/leases", "takeLease", "Take a service for one request")
        .about(
            "Picks and counts in one step: either the best service for `model`, or the \
            one of `service_id`.",
        )
        .takes(taken::<Request>(), json!({ "model": "llama3.1:8b", "ttl_s": 120 }))
        .answers(201, "It is taken.", told::<TakenView>())
        .answers(
            404,
            "Nothing can be used, or there is no such service.",
            either::<NoneUsableView, Problem>().of_problem(),
        )
        .refuses_when(Kind::Conflict, "The service of `service_id` cannot be used.")
}

fn give_back() -> Operation {
    Operation::delete("/api/v1/leases/{id}", "giveLeaseBack", "Give a lease back")
        .query::<Ended>()
        .answers_empty(204, "It is counted.")
        .refuses_when(Kind::NotFound, "The lease is not out; nothing is counted.")
}
