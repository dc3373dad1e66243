//! The table of all operations, one file a topic. A route that is not in it fails a test.

mod access;
mod agents;
mod alerts;
mod catalogs;
mod enrolment;
mod feed;
mod figures;
mod health;
mod hosts;
mod models;
mod nodes;
mod of_old;
mod picks;
mod program;
mod services;
mod silences;
mod skills;

use super::operation::Topic;

/// In the order in which they are read.
pub(super) fn topics() -> Vec<Topic> {
    vec![
        hosts::topic(),
        services::topic(),
        models::topic(),
        picks::topic(),
        feed::topic(),
        alerts::topic(),
        silences::topic(),
        catalogs::topic(),
        skills::topic(),
        agents::topic(),
        enrolment::topic(),
        access::topic(),
        figures::topic(),
        health::topic(),
        nodes::topic(),
        of_old::topic(),
        program::topic(),
    ]
}
