//! What an admin on the collector's machine asks of it while it runs: tokens, hosts, people and the
//! audit log. It speaks the API over the socket in the data directory, which only the collector's
//! own user can open, so that nobody needs credentials to make the first ones.

mod ask;
mod client;
mod password;
mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use ask::{Ask, HostAsk, PersonAsk, TokenAsk};

use client::Client;
use show::{Column, lines, table};

/// The collector was not asked, or refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens there.
    #[error(
        "no collector runs on {}: start it, or name the data directory of the one that runs by \
         --data-dir", dir.display()
    )]
    NotRunning {
        /// Its data directory.
        dir: PathBuf,
    },
    /// The socket cannot be used.
    #[error("failed to ask the collector by {}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It answered in other words than expected.
    #[error("failed to read what the collector at {} answered", path.display())]
    Unreadable {
        /// The socket.
        path: PathBuf,
    },
    /// It refused, in its own words.
    #[error("the collector refused: {0}")]
    Refused(String),
    /// No password came.
    #[error("failed to read the password from standard input")]
    Password(#[source] io::Error),
    /// No key has that name.
    #[error("no host is called {0:?}; `herdbook-collector host pending` lists who waits")]
    NoHost(String),
    /// More than one key has that name.
    #[error("several hosts are called {name:?}: say which by its fingerprint, one of {all}")]
    SeveralHosts {
        /// Which name.
        name: String,
        /// Their fingerprints.
        all: String,
    },
    /// A name does not say whom to let in.
    #[error(
        "a host is approved by its fingerprint, since any host may say that it is called {name:?}: \
         compare with what the host itself shows; these wait: {all}"
    )]
    ByFingerprint {
        /// Which name.
        name: String,
        /// Their fingerprints.
        all: String,
    },
    /// Nobody reads what is told.
    #[error("failed to write to standard output")]
    Out(#[source] io::Error),
}

/// Asks the collector that runs on this data directory, and tells `out` what it answered.
///
/// # Errors
///
/// [`ControlError`].
pub async fn run(dir: &Path, ask: Ask, out: &mut (dyn Write + Send)) -> Result<(), ControlError> {
    let mut client = Client::connect(dir).await?;
    let text = match ask {
        Ask::Token(ask) => token(&mut client, ask).await?,
        Ask::Host(ask) => host(&mut client, ask).await?,
        Ask::Person(ask) => person(&mut client, ask).await?,
        Ask::Audit { verify: true, json } => {
            let verdict = client.get("/audit/verify").await?;
            let told = if json { lines(&verdict) } else { show::verdict(&verdict) };
            tell(out, &told)?;
            return match verdict["intact"].as_bool() {
                Some(true) => Ok(()),
                _ => Err(ControlError::Refused("the audit log is not whole".to_owned())),
            };
        }
        Ask::Audit { verify: false, json } => {
            shown(json, client.get("/audit?limit=100").await?, "audit", AUDIT)
        }
    };
    tell(out, &text)
}

/// Whoever stops reading has read enough.
fn tell(out: &mut (dyn Write + Send), text: &str) -> Result<(), ControlError> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ControlError::Out(error)),
        _ => Ok(()),
    }
}

/// What a fingerprint begins with.
const FINGERPRINT: &str = "sha256:";
/// How many agents are asked for at a time.
const AGENTS_A_PAGE: usize = 10_000;

const TOKENS: &[Column] = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("ROLE", "role"),
    ("STATE", "state"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
    ("MADE BY", "created_by"),
];
const JOIN_TOKENS: &[Column] = &[
    ("ID", "id"),
    ("USES LEFT", "uses_left"),
    ("NAMES", "name_pattern"),
    ("FROM", "from"),
    ("STATE", "state"),
    ("EXPIRES", "expires_at"),
    ("MADE BY", "created_by"),
];
const AGENTS: &[Column] = &[
    ("NAME", "name"),
    ("FINGERPRINT", "fingerprint"),
    ("FROM", "from_address"),
    ("FIRST SEEN", "first_seen_at"),
    ("LAST SEEN", "last_seen_at"),
];
const PEOPLE: &[Column] = &[
    ("NAME", "name"),
    ("ROLE", "role"),
    ("SINCE", "created_at"),
    ("BY", "created_by"),
    ("LAST SEEN", "last_seen_at"),
];
const AUDIT: &[Column] = &[
    ("SEQ", "seq"),
    ("AT", "at"),
    ("WHO", "actor"),
    ("WHAT", "action"),
    ("TO", "subject"),
    ("FROM", "from_address"),
    ("DETAIL", "detail"),
];

async fn token(client: &mut Client, ask: TokenAsk) -> Result<String, ControlError> {
    match ask {
        TokenAsk::Create { role: Some(role), name, expires, json, .. } => {
            let name = name.unwrap_or_else(|| "command line".to_owned());
            let form = json!({ "name": name, "role": role, "expires_in_s": expires });
            let made = client.post("/tokens", &form).await?;
            Ok(if json { lines(&made) } else { line(&made["token"]) })
        }
        TokenAsk::Create { role: None, uses, expires, name_pattern, from, json, .. } => {
            let form = json!({
                "uses": uses, "expires_in_s": expires, "name_pattern": name_pattern,
                "from": from.map(|from| from.to_string()),
            });
            let made = client.post("/join-tokens", &said(form)).await?;
            Ok(if json { lines(&made) } else { line(&made["line"]) })
        }
        TokenAsk::List { json } => {
            let tokens = client.get("/tokens").await?;
            let joins = client.get("/join-tokens").await?;
            if json {
                let both = json!({
                    "tokens": tokens["tokens"], "join_tokens": joins["join_tokens"],
                });
                return Ok(lines(&both));
            }
            let (tokens, joins) =
                (table(&tokens["tokens"], TOKENS), table(&joins["join_tokens"], JOIN_TOKENS));
            Ok(format!("Programs:\n{tokens}\nHosts that may join:\n{joins}"))
        }
        TokenAsk::Revoke { id } => {
            let id = show::segment(&id);
            if !client.delete(&format!("/tokens/{id}")).await? {
                client.must_delete(&format!("/join-tokens/{id}")).await?;
            }
            Ok(String::new())
        }
    }
}

async fn host(client: &mut Client, ask: HostAsk) -> Result<String, ControlError> {
    let (fingerprint, deed) = match ask {
        HostAsk::Pending { json } => {
            return Ok(shown(json, client.get("/agents?state=pending").await?, "agents", AGENTS));
        }
        HostAsk::Approve { which } => (to_approve(client, which).await?, "approve"),
        HostAsk::Revoke { which } => (to_revoke(client, which).await?, "revoke"),
    };
    let path = format!("/agents/{}/{deed}", show::segment(&fingerprint));
    client.post(&path, &json!({})).await?;
    Ok(String::new())
}

/// Only a fingerprint says who is let in: a name is what the host tells, and anybody may have told
/// it first.
async fn to_approve(client: &mut Client, which: String) -> Result<String, ControlError> {
    if which.starts_with(FINGERPRINT) {
        return Ok(which);
    }
    let waiting = called(client, &which, |state| state == "pending").await?;
    if waiting.is_empty() {
        return Err(ControlError::NoHost(which));
    }
    Err(ControlError::ByFingerprint { name: which, all: waiting.join(", ") })
}

async fn to_revoke(client: &mut Client, which: String) -> Result<String, ControlError> {
    if which.starts_with(FINGERPRINT) {
        return Ok(which);
    }
    let mut meant = called(client, &which, |state| state != "revoked").await?;
    match (meant.pop(), meant.is_empty()) {
        (None, _) => Err(ControlError::NoHost(which)),
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            meant.push(last);
            Err(ControlError::SeveralHosts { name: which, all: meant.join(", ") })
        }
    }
}

/// The fingerprints of all keys of this name, in a state that may be.
async fn called(
    client: &mut Client,
    name: &str,
    may_be: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ControlError> {
    let (mut all, mut path) = (Vec::new(), format!("/agents?limit={AGENTS_A_PAGE}"));
    loop {
        let page = client.get(&path).await?;
        let is_meant = |agent: &&Value| {
            agent["name"] == name && may_be(agent["state"].as_str().unwrap_or_default())
        };
        let meant = page["agents"].as_array().into_iter().flatten().filter(is_meant);
        all.extend(meant.filter_map(|agent| agent["fingerprint"].as_str().map(str::to_owned)));
        let Some(cursor) = page["next_cursor"].as_str() else { return Ok(all) };
        path = format!("/agents?limit={AGENTS_A_PAGE}&cursor={}", show::segment(cursor));
    }
}

async fn person(client: &mut Client, ask: PersonAsk) -> Result<String, ControlError> {
    match ask {
        PersonAsk::Add { name, role } => {
            let password = password::read().map_err(ControlError::Password)?;
            let form = json!({ "name": name, "role": role, "password": password.expose() });
            client.post("/people", &form).await?;
            Ok(String::new())
        }
        PersonAsk::List { json } => Ok(shown(json, client.get("/people").await?, "people", PEOPLE)),
        PersonAsk::Remove { name } => {
            client.must_delete(&format!("/people/{}", show::segment(&name))).await?;
            Ok(String::new())
        }
    }
}

fn shown(json: bool, answer: Value, list: &str, columns: &[Column]) -> String {
    if json { lines(&answer) } else { table(&answer[list], columns) }
}

fn line(text: &Value) -> String {
    format!("{}\n", text.as_str().unwrap_or_default())
}

/// What was not said is left out, and is as the collector has it.
fn said(mut form: Value) -> Value {
    if let Value::Object(fields) = &mut form {
        fields.retain(|_, value| !value.is_null());
    }
    form
}

#[cfg(test)]
mod tests;
