//! The bodies that webhooks get. Each receiver has its own signs that mean something; names and
//! messages are written so that they mean nothing there: no mention, no link, no markup.

use serde::{Deserialize, Serialize};

use crate::notices::What;
use crate::registry::alert::Alert;
use crate::registry::finding::Severity;

use super::message::Message;
use super::template::Template;

/// In which shape a webhook gets its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// [`WebhookBody`].
    Json,
    /// Slack's incoming webhooks, and servers that take the same.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// ntfy's JSON.
    Ntfy {
        /// The topic.
        topic: String,
    },
    /// The user's own.
    Template(Template),
}

/// What `format = "json"` sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WebhookBody {
    /// `raised` or `resolved`.
    pub state: String,
    /// The rule of all these alerts.
    pub rule: String,
    /// That of the worst of them.
    pub severity: Severity,
    /// How many there are.
    pub count: usize,
    /// All of it in one line.
    pub title: String,
    /// A line for each that is named.
    pub text: String,
    /// The page.
    pub link: String,
    /// The first of them, ten at most.
    pub alerts: Vec<Alert>,
}

impl WebhookBody {
    pub(super) fn of(message: &Message, link: &str) -> Self {
        Self {
            state: message.state().to_owned(),
            rule: message.rule.to_string(),
            severity: message.severity,
            count: message.n,
            title: message.title(),
            text: message.text(),
            link: link.to_owned(),
            alerts: message.alerts.iter().map(|alert| (**alert).clone()).collect(),
        }
    }
}

impl Format {
    pub(super) fn body(&self, message: &Message, link: &str) -> String {
        match self {
            Self::Json => json(&WebhookBody::of(message, link)),
            Self::Slack => json(&Slack::of(message, link)),
            Self::Discord => json(&Discord::of(message, link)),
            Self::Ntfy { topic } => json(&Ntfy::of(message, link, topic)),
            Self::Template(template) => template.render(&WebhookBody::of(message, link)),
        }
    }
}

/// These types have nothing that JSON cannot say.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// The colour of a message: green where it is over.
fn colour(message: &Message) -> u32 {
    match (message.what, message.severity) {
        (What::Resolved, _) => 0x002e_b67d,
        (What::Raised, Severity::Info) => 0x0036_8ee0,
        (What::Raised, Severity::Warning) => 0x00e8_a000,
        (What::Raised, Severity::Critical) => 0x00d0_2020,
    }
}

#[derive(Debug, Serialize)]
struct Slack<'a> {
    text: String,
    attachments: [SlackAttachment<'a>; 1],
}

#[derive(Debug, Serialize)]
struct SlackAttachment<'a> {
    fallback: String,
    color: String,
    title: &'static str,
    title_link: &'a str,
    text: String,
}

impl<'a> Slack<'a> {
    fn of(message: &Message, link: &'a str) -> Self {
        let title = for_slack(&message.title());
        let attachment = SlackAttachment {
            fallback: title.clone(),
            color: format!("#{:06x}", colour(message)),
            title: "Herdbook",
            title_link: link,
            text: for_slack(&message.text()),
        };
        Self { text: title, attachments: [attachment] }
    }
}

/// Slack reads `<…>` as a link or as a mention of everybody.
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[derive(Debug, Serialize)]
struct Discord<'a> {
    embeds: [DiscordEmbed<'a>; 1],
    allowed_mentions: DiscordMentions,
}

#[derive(Debug, Serialize)]
struct DiscordEmbed<'a> {
    title: String,
    description: String,
    url: &'a str,
    color: u32,
}

/// Nobody is mentioned, whatever a name says.
#[derive(Debug, Serialize)]
struct DiscordMentions {
    parse: [&'static str; 0],
}

impl<'a> Discord<'a> {
    /// Longest title and description that it takes, characters.
    const BOUNDS: (usize, usize) = (256, 4096);

    fn of(message: &Message, link: &'a str) -> Self {
        let clipped = |text: &str, max| for_discord(text).chars().take(max).collect();
        let embed = DiscordEmbed {
            title: clipped(&message.title(), Self::BOUNDS.0),
            description: clipped(&message.text(), Self::BOUNDS.1),
            url: link,
            color: colour(message),
        };
        Self { embeds: [embed], allowed_mentions: DiscordMentions { parse: [] } }
    }
}

/// Discord reads Markdown, links included.
fn for_discord(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\*_~`|[]()<>#@".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[derive(Debug, Serialize)]
struct Ntfy<'a> {
    topic: &'a str,
    title: String,
    message: String,
    priority: u8,
    tags: [&'static str; 1],
    click: &'a str,
}

impl<'a> Ntfy<'a> {
    /// Longest message that it takes, bytes.
    const MESSAGE_BYTES: usize = 4096;

    fn of(message: &Message, link: &'a str, topic: &'a str) -> Self {
        let (priority, tag) = match (message.what, message.severity) {
            (What::Resolved, _) => (3, "white_check_mark"),
            (What::Raised, Severity::Info) => (3, "information_source"),
            (What::Raised, Severity::Warning) => (4, "warning"),
            (What::Raised, Severity::Critical) => (5, "rotating_light"),
        };
        let (title, mut text) = (message.title(), message.text());
        text.truncate(text.floor_char_boundary(Self::MESSAGE_BYTES));
        Self { topic, title, message: text, priority, tags: [tag], click: link }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::notify::message::NAMED_MAX;
    use crate::notify::testing::alert;

    const LINK: &str = "http://127.0.0.1:6121/";

    fn body(format: &Format, message: &Message) -> Value {
        serde_json::from_str(&format.body(message, LINK)).unwrap()
    }

    fn named(name: &str) -> Message {
        let mut alert = (*alert("a", "gpu_lost")).clone();
        alert.subject.name = name.into();
        Message::of(What::Raised, &Arc::new(alert))
    }

    #[test]
    fn json_tells_all_there_is() {
        let message = named("gpu-1");
        let told: WebhookBody = serde_json::from_value(body(&Format::Json, &message)).unwrap();
        assert_eq!((&*told.state, told.count, &*told.link), ("raised", 1, LINK));
        assert_eq!(told.alerts, [(*message.alerts[0]).clone()]);
    }

    #[test]
    fn slack_gets_a_text_and_a_colour_and_no_mention() {
        let told = body(&Format::Slack, &named("<!channel> & <http://x|y>"));
        let name = "&lt;!channel&gt; &amp; &lt;http://x|y&gt;";
        let expected = json!({
            "text": format!("[critical] {name}: GPU 3 is lost"),
            "attachments": [{
                "fallback": format!("[critical] {name}: GPU 3 is lost"), "color": "#d02020",
                "title": "Herdbook", "title_link": LINK, "text": format!("{name}: GPU 3 is lost"),
            }],
        });
        assert_eq!(told, expected);
        let over = Message { what: What::Resolved, ..named("gpu-1") };
        let told = body(&Format::Slack, &over);
        assert_eq!(told["attachments"][0]["color"], "#2eb67d");
    }

    #[test]
    fn discord_gets_an_embed_whose_names_are_no_markup() {
        let told = body(&Format::Discord, &named("@everyone [x](http://y)"));
        let embed = &told["embeds"][0];
        let name = r"\@everyone \[x\]\(http://y\)";
        assert_eq!(embed["title"], format!(r"\[critical\] {name}: GPU 3 is lost"));
        assert_eq!((&embed["color"], &embed["url"]), (&json!(0xd0_2020), &json!(LINK)));
        assert_eq!(told["allowed_mentions"], json!({"parse": []}));
    }

    #[test]
    fn ntfy_gets_its_topic_and_a_priority() {
        let format = Format::Ntfy { topic: "gpu".to_owned() };
        let told = body(&format, &named("gpu-1"));
        let expected = json!({
            "topic": "gpu", "title": "[critical] gpu-1: GPU 3 is lost",
            "message": "gpu-1: GPU 3 is lost", "priority": 5, "tags": ["rotating_light"],
            "click": LINK,
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn the_largest_message_keeps_every_bound() {
        let mut message = named(&"[\u{1F999}".repeat(500));
        let more = Arc::clone(&message.alerts[0]);
        (0..100).for_each(|_| message.add(&more, NAMED_MAX));
        let embed = &body(&Format::Discord, &message)["embeds"][0];
        let n_chars = |value: &Value| value.as_str().unwrap().chars().count();
        assert!(n_chars(&embed["title"]) <= 256 && n_chars(&embed["description"]) <= 4096);
        let ntfy = body(&Format::Ntfy { topic: "t".to_owned() }, &message);
        assert!(ntfy["message"].as_str().unwrap().len() <= 4096);
    }
}
