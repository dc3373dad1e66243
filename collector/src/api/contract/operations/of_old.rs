//! The calls that clients made before there was `/api/v1`.

use serde_json::{Value, json};

use crate::api::contract::components::Components;
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{Shape, own, taken, told};
use crate::api::legacy::entry::Status;
use crate::api::legacy::read::{Stats, Wanted};
use crate::api::legacy::write::{Beat, Leave, Left, Promotion, Registered, Registration, Taken};
use crate::api::problem::Kind;
use crate::registry::graph::Whole;
use crate::registry::view::service::ServiceView;
use herdbook_shared::time::Timestamp;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Clients of old",
        about: "The calls that there were before `/api/v1`, on the same register. What a body \
            holds besides is ignored, and so are parameters.",
        operations: vec![
            register(),
            beat(),
            discover(),
            promote(),
            deregister(),
            services(),
            service(),
            stats(),
            graph(),
        ],
    }
}

fn register() -> Operation {
    let example = json!({
        "name": "finder", "type": "tool", "url": "http://10.0.0.9:8888",
        "heartbeat_interval_s": 60, "ttl_s": 90,
    });
    Operation::post("/register", "registerOfOld", "Register yourself")
        .about("The same name, type and URL are the same service. It promises to beat.")
        .takes(taken::<Registration>(), example)
        .answers(200, "It is registered.", told::<Registered>())
        .refuses_when(Kind::Conflict, "It was added with another `type`.")
        .kept()
}

fn beat() -> Operation {
    let example = json!({ "service_id": "a1b2", "status": "ok", "p95_ms": 123.4, "load": 0.35 });
    Operation::put("/heartbeat", "beatOfOld", "Say that a service lives")
        .takes(taken::<Beat>(), example)
        .answers(200, "How it does now.", told::<Taken>())
        .refuses_when(Kind::NotFound, "The register does not know it: register again.")
        .refuses_when(Kind::Conflict, "Somebody else judges this service.")
}

fn discover() -> Operation {
    Operation::get("/discover", "discover", "List the services that can be used")
        .query::<Wanted>()
        .answers(200, "Those that are `ok` or `degraded` and do not drain.", list())
}

fn promote() -> Operation {
    let example = json!({ "service_id": "a1b2", "role": "production" });
    Operation::post("/promote", "promoteOfOld", "Give a service a role")
        .takes(taken::<Promotion>(), example)
        .answers(200, "The service.", own("ServiceOfOld", entry))
        .refuses_when(Kind::NotFound, "There is no such service.")
        .kept()
}

fn deregister() -> Operation {
    Operation::post("/deregister", "deregister", "Leave the register")
        .takes(taken::<Leave>(), json!({ "service_id": "a1b2" }))
        .answers(200, "It has left.", told::<Left>())
        .refuses_when(Kind::NotFound, "There is no such service.")
        .refuses_when(Kind::Conflict, "It would come back by itself; `detail` says what to do.")
        .kept()
}

fn services() -> Operation {
    Operation::get("/services", "listServicesOfOld", "List services").answers(
        200,
        "All of them, in the order of their ids.",
        list(),
    )
}

fn service() -> Operation {
    Operation::get("/services/{id}", "getServiceOfOld", "Get a service")
        .about("Under its id or any of its aliases.")
        .answers(200, "The service.", own("ServiceOfOld", entry))
}

fn stats() -> Operation {
    Operation::get("/stats", "getServiceStats", "How many services there are, and how they do")
        .answers(200, "Their numbers.", told::<Stats>())
}

fn graph() -> Operation {
    Operation::get("/api/graph", "getGraphOfOld", "The fleet as nodes and links")
        .about("What `/api/v1/graph` answers.")
        .answers(200, "The graph.", told::<Whole>())
        .tagged()
}

fn list() -> Shape {
    own("ServiceListOfOld", |components| {
        let entry = entry(components);
        let entry = components.named("ServiceOfOld", entry);
        json!({
            "description": "Services, all at once.",
            "type": "object",
            "properties": { "services": { "type": "array", "items": entry } },
            "required": ["services"],
        })
    })
}

/// As `legacy::entry` writes it: a service, with three fields of old.
fn entry(components: &mut Components) -> Value {
    let mut schema = components.unnamed::<ServiceView>();
    schema["description"] = "A service, with its status as clients of old know it.".into();
    let old = [
        ("service_id", json!({ "type": "string", "description": "Its id." })),
        ("status", components.told::<Status>()),
        ("last_heartbeat_ts", components.told::<Option<Timestamp>>()),
    ];
    for (name, field) in old {
        schema["properties"][name] = field;
        if let Some(required) = schema["required"].as_array_mut()
            && !required.iter().any(|known| known == name)
        {
            required.push(name.into());
        }
    }
    schema
}
