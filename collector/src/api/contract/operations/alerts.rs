//! Alerts, and the list of services' missed beats that was there before them.

use crate::api::alerts::{Alerts, Wanted};
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::told;
use crate::api::heartbeat_alerts::HeartbeatAlertList;
use crate::api::list::Page;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Alerts",
        about: "What a person should see: raised, and resolved once it is over.",
        operations: vec![list(), heartbeats()],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/alerts", "listAlerts", "List alerts")
        .about("Newest first: those that are open, and resolved ones of the last days.")
        .query::<Wanted>()
        .query::<Page>()
        .answers(200, "Alerts.", told::<Alerts>())
}

fn heartbeats() -> Operation {
    Operation::get("/alerts", "listHeartbeatAlerts", "What became of services that beat")
        .about("For clients that were there before this API: the last 1,000, the newest last.")
        .answers(200, "What became of them.", told::<HeartbeatAlertList>())
}
