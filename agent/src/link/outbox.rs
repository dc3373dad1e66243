//! What waits to be sent: never more than one sample, one inventory, one ping and one word besides.
//! Pure.

use std::collections::VecDeque;

use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::split;
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;

/// One frame to send.
#[derive(Debug, PartialEq)]
pub enum Outgoing {
    /// A WebSocket ping.
    Ping,
    /// A message.
    Message(AgentMessage),
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ping: Option<Ping>,
    word: Option<AgentMessage>,
    parts: VecDeque<Inventory>,
    sample: Option<Sample>,
    is_sample_lost: bool,
    turn: Turn,
    samples_dropped: u64,
}

#[derive(Debug)]
struct Ping;

/// Whose turn it is where both wait.
#[derive(Clone, Copy, Debug, Default)]
enum Turn {
    #[default]
    Inventory,
    Sample,
}

impl Outbox {
    pub(super) fn ping(&mut self) {
        self.ping = Some(Ping);
    }

    /// Goes before all that can wait.
    pub(super) fn say(&mut self, message: AgentMessage) {
        self.word = Some(message);
    }

    /// Whether an inventory is still on its way; a newer one has to wait until it is whole.
    pub(super) fn has_inventory(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(super) fn inventory(&mut self, inventory: Inventory) {
        self.parts = split(inventory).into();
    }

    /// Whether the collector does not know the last sample: the socket has not yet taken it, so
    /// that the next one will replace it, or it was lost.
    pub(super) fn lacks_sample(&self) -> bool {
        self.sample.is_some() || self.is_sample_lost
    }

    /// The sample that was handed out last could not be sent.
    pub(super) fn lost_sample(&mut self) {
        self.is_sample_lost = true;
        self.samples_dropped += 1;
    }

    /// The newest sample wins: one that still waits is dropped. That the host slept is said once,
    /// and is not dropped with it.
    pub(super) fn sample(&mut self, mut sample: Sample) {
        if let Some(dropped) = self.sample.take() {
            sample.gap = sample.gap.or(dropped.gap);
            self.samples_dropped += 1;
        }
        self.is_sample_lost = false;
        self.sample = Some(sample);
    }

    pub(super) fn samples_dropped(&self) -> u64 {
        self.samples_dropped
    }

    /// What to send now that the socket can take a frame. Parts of an inventory and samples take
    /// turns, so that a long inventory on a slow link is no silence.
    pub(super) fn next(&mut self) -> Option<Outgoing> {
        if self.ping.take().is_some() {
            return Some(Outgoing::Ping);
        }
        if let Some(word) = self.word.take() {
            return Some(Outgoing::Message(word));
        }
        match self.turn {
            Turn::Inventory => self.next_part().or_else(|| self.next_sample()),
            Turn::Sample => self.next_sample().or_else(|| self.next_part()),
        }
    }

    fn next_part(&mut self) -> Option<Outgoing> {
        let part = self.parts.pop_front()?;
        self.turn = Turn::Sample;
        Some(Outgoing::Message(AgentMessage::Inventory(Box::new(part))))
    }

    fn next_sample(&mut self) -> Option<Outgoing> {
        let sample = self.sample.take()?;
        self.turn = Turn::Inventory;
        Some(Outgoing::Message(AgentMessage::Sample(Box::new(sample))))
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::time::Timestamp;
    use herdbook_shared::wire::inventory::{Model, Service, ServiceState};
    use herdbook_shared::wire::sample::Gap;

    use super::*;

    fn sample(seq: u64) -> Sample {
        Sample { seq, ..Sample::default() }
    }

    fn large_inventory() -> Inventory {
        let model = Model { digest: Some("d".repeat(250)), ..Model::default() };
        let service = Service {
            kind: "ollama".to_owned(),
            address: "127.0.0.1".to_owned(),
            port: 11434,
            state: ServiceState::Idle,
            models: vec![model; 1000],
            ..Service::default()
        };
        Inventory { services: vec![service], ..Inventory::empty() }
    }

    fn kinds(outbox: &mut Outbox) -> String {
        let frames = std::iter::from_fn(|| outbox.next());
        frames
            .map(|frame| match frame {
                Outgoing::Ping => 'p',
                Outgoing::Message(AgentMessage::Inventory(_)) => 'i',
                Outgoing::Message(_) => 's',
            })
            .collect()
    }

    #[test]
    fn the_newest_sample_wins() {
        let mut outbox = Outbox::default();
        (1..=1000).for_each(|seq| outbox.sample(sample(seq)));
        let newest = Outgoing::Message(AgentMessage::Sample(Box::new(sample(1000))));
        assert_eq!(outbox.next(), Some(newest));
        assert_eq!(outbox.next(), None);
        assert_eq!(outbox.samples_dropped(), 999);
    }

    #[test]
    fn that_the_host_slept_outlives_the_sample_that_said_it() {
        let gap = Some(Gap { from: Timestamp::from_unix_ms(1), to: Timestamp::from_unix_ms(9) });
        let mut outbox = Outbox::default();
        outbox.sample(Sample { gap, ..sample(1) });
        outbox.sample(sample(2));
        let newest = Sample { gap, ..sample(2) };
        assert_eq!(outbox.next(), Some(Outgoing::Message(AgentMessage::Sample(Box::new(newest)))));
    }

    #[test]
    fn an_inventory_goes_first_and_then_takes_turns() {
        let mut outbox = Outbox::default();
        outbox.sample(sample(1));
        outbox.inventory(large_inventory());
        outbox.ping();
        assert!(outbox.parts.len() >= 2, "the test wants several parts");
        let n_parts = outbox.parts.len();
        assert_eq!(kinds(&mut outbox), format!("pis{}", "i".repeat(n_parts - 1)));
    }
}
