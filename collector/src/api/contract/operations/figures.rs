//! The fleet and the collector in figures, and the services as targets.

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{list_of, text, told};
use crate::api::discovery::{TargetGroup, Wanted};
use crate::api::metrics;
use crate::api::problem::Kind;
use crate::api::services::Filter;
use crate::api::stats::Stats;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Figures",
        about: "For monitoring: on one page, and for Prometheus.",
        operations: vec![stats(), metrics(), targets()],
    }
}

fn stats() -> Operation {
    Operation::get("/api/v1/stats", "getStats", "The fleet and the collector in figures")
        .about("What is counted (`…_total`) is counted since the start of the collector.")
        .answers(200, "The figures.", told::<Stats>())
}

fn metrics() -> Operation {
    Operation::get("/metrics", "getMetrics", "All series, for Prometheus")
        .about("In the text format of Prometheus, version 0.0.4, whatever else is asked for.")
        .query::<metrics::Wanted>()
        .answers(200, "The series.", text("text/plain"))
        .refuses_when(Kind::NotFound, "There is no such host.")
}

fn targets() -> Operation {
    Operation::get("/api/v1/sd/prometheus", "listTargets", "The services as targets")
        .about(
            "As `http_sd_configs` reads them. What is reached from its own host alone is left \
            out unless it is asked for.",
        )
        .query_of::<Filter>(&["view"])
        .query::<Wanted>()
        .answers(200, "Targets.", list_of::<TargetGroup>())
}
