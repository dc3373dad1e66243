//! The table of all operations, one file a topic. A route that is not in it fails a test.

mod agents;
mod alerts;
mod catalogs;
mod feed;
mod health;
mod hosts;
mod models;
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
        health::topic(),
        program::topic(),
    ]
}
