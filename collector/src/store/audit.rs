//! The audit log: who did what, as rows that are only ever added, each sealed to the one before it
//! by a hash. The writer gives number and hash, inside the transaction of what the row tells.
//!
//! The chain shows that a row was changed, removed or put in by somebody who did not compute all
//! later ones again. Against somebody who can, only a copy of its head kept elsewhere helps.

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod fold;

pub(super) use fold::Fold;

/// Most characters of a text in a row.
const TEXT_CHARACTERS: usize = 256;
/// Most bytes of a row's detail.
pub const DETAIL_BYTES: usize = 1024;
/// What the collector itself says that it has done.
const PRUNED: &str = "audit.pruned";

/// Something that somebody did, on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: a person, a token, an agent or the collector itself, in words.
    pub actor: String,
    /// What was done, as the operation is called in the API.
    pub action: String,
    /// To what, by its id or name.
    pub subject: Option<String>,
    /// From which address it was asked for.
    pub from_address: Option<String>,
    /// More, for people; never a secret.
    pub detail: String,
}

/// A row of the log as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AuditEntry {
    /// Its number: one more than that of the row before.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a person, a token, an agent or the collector itself, in words.
    pub actor: String,
    /// What was done, as the operation is called here.
    pub action: String,
    /// To what, by its id or name.
    pub subject: Option<String>,
    /// From which address it was asked for.
    pub from_address: Option<String>,
    /// More, for people.
    pub detail: String,
    /// SHA-256, in hexadecimal, over the hash of the row before and this row.
    pub hash: String,
}

/// Where the log ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AuditHead {
    /// The number of the newest row.
    pub seq: i64,
    /// Its hash. A copy of it kept elsewhere shows later whether the log was written anew.
    pub hash: String,
}

/// What came of going through the whole log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AuditVerdict {
    /// Whether every row follows from the one before it.
    pub intact: bool,
    /// How many rows there are.
    pub n: u64,
    /// The number of the oldest row that is kept.
    pub first_seq: Option<i64>,
    /// Where it ends.
    pub head: Option<AuditHead>,
    /// The first row that does not follow.
    pub broken_at: Option<i64>,
}

/// How many rows are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditBounds {
    /// At most so many.
    pub(super) rows: i64,
    /// So many oldest go at a time, and a row says so.
    pub(super) a_pass: i64,
}

pub(super) const AUDIT_BOUNDS: AuditBounds = AuditBounds { rows: 200_000, a_pass: 1_000 };

type Hash = [u8; 32];

/// The number and hash of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    seq: i64,
    hash: Hash,
}

impl Link {
    /// Before the first row.
    const START: Self = Self { seq: 0, hash: [0; 32] };

    fn next(self, doc: &str) -> Self {
        let digest = Sha256::new().chain_update(self.hash).chain_update(doc);
        Self { seq: self.seq.saturating_add(1), hash: digest.finalize().into() }
    }

    fn text(&self) -> String {
        format!("{}:{}", self.seq, hex(&self.hash))
    }

    fn of_text(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        Some(Self { seq: seq.parse().ok()?, hash: unhex(hash)? })
    }
}

/// Adds a row, and removes the oldest where there are too many.
pub(super) fn put(
    connection: &Connection,
    row: &AuditRow,
    bounds: &AuditBounds,
) -> rusqlite::Result<()> {
    let head = add(connection, head(connection)?, row)?;
    let first = "SELECT coalesce(min(seq), 0) FROM audit";
    let first: i64 = connection.prepare_cached(first)?.query_row([], |row| row.get(0))?;
    if head.seq - first + 1 < bounds.rows {
        return Ok(());
    }
    let through = first + bounds.a_pass - 1;
    let last = "SELECT hash FROM audit WHERE seq = ?1";
    let last: Option<Vec<u8>> =
        connection.prepare_cached(last)?.query_row([through], |row| row.get(0)).optional()?;
    connection.prepare_cached("DELETE FROM audit WHERE seq <= ?1")?.execute([through])?;
    let pruned = AuditRow {
        at: row.at,
        actor: "collector".to_owned(),
        action: PRUNED.to_owned(),
        subject: Some(through.to_string()),
        from_address: None,
        detail: last.map(|hash| hex(&hash)).unwrap_or_default(),
    };
    add(connection, head, &pruned).map(|_| ())
}

fn add(connection: &Connection, head: Link, row: &AuditRow) -> rusqlite::Result<Link> {
    let doc = serde_json::to_string(&row.bounded())
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let link = head.next(&doc);
    let insert = "INSERT INTO audit (seq, at, doc, hash) VALUES (?1, ?2, ?3, ?4)";
    let values = params![link.seq, row.at.unix_ms(), doc, &link.hash[..]];
    connection.prepare_cached(insert)?.execute(values)?;
    let note = "INSERT INTO meta VALUES ('audit_head', ?1)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(note)?.execute([link.text()])?;
    Ok(link)
}

/// Where the log ends: the note of it, or its last row where the note was tampered with. Tampering
/// must not keep anybody from writing; going through the log finds it.
fn head(connection: &Connection) -> rusqlite::Result<Link> {
    let noted = noted_head(connection)?.unwrap_or(Link::START);
    let last = "SELECT seq, CAST(hash AS BLOB) FROM audit ORDER BY seq DESC LIMIT 1";
    let last = connection.prepare_cached(last)?.query_row([], |row| {
        let hash: Vec<u8> = row.get(1)?;
        Ok(Link { seq: row.get(0)?, hash: hash.try_into().unwrap_or_default() })
    });
    let last = last.optional()?.unwrap_or(Link::START);
    Ok(if last.seq > noted.seq { last } else { noted })
}

fn noted_head(connection: &Connection) -> rusqlite::Result<Option<Link>> {
    let noted = "SELECT value FROM meta WHERE key = 'audit_head'";
    let noted: Option<String> =
        connection.prepare_cached(noted)?.query_row([], |row| row.get(0)).optional()?;
    Ok(noted.as_deref().and_then(Link::of_text))
}

/// The newest rows first, from the one before `before`.
pub(super) fn list(
    connection: &Connection,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditEntry>> {
    let select = "SELECT seq, CAST(at AS INTEGER), CAST(doc AS BLOB), CAST(hash AS BLOB) FROM audit
        WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
    let mut select = connection.prepare_cached(select)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = select.query_map(params![before.unwrap_or(i64::MAX), limit], |row| {
        let (seq, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (doc, hash): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
        Ok(entry(seq, Timestamp::from_unix_ms(at), &doc, &hash))
    })?;
    rows.collect()
}

/// A row that was tampered with is still shown, as what it is.
fn entry(seq: i64, at: Timestamp, doc: &[u8], hash: &[u8]) -> AuditEntry {
    let row = serde_json::from_slice(doc).unwrap_or_else(|_| AuditRow {
        at,
        actor: "unknown".to_owned(),
        action: "unreadable".to_owned(),
        subject: None,
        from_address: None,
        detail: "this row was changed outside of the collector".to_owned(),
    });
    let AuditRow { at, actor, action, subject, from_address, detail } = row;
    AuditEntry { seq, at, actor, action, subject, from_address, detail, hash: hex(hash) }
}

/// Goes through the whole log.
pub(super) fn verify(connection: &Connection) -> rusqlite::Result<AuditVerdict> {
    // One moment for all that is read, however much is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let pruned = pruned_before_first(&snapshot)?;
    let mut select = snapshot.prepare("SELECT seq, at, doc, hash FROM audit ORDER BY seq")?;
    let mut rows = select.query([])?;
    let (mut link, mut first_seq, mut broken_at, mut n) = (pruned, None, None, 0);
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        first_seq.get_or_insert(seq);
        n += 1;
        if broken_at.is_some() {
            continue;
        }
        let expected = row.get_ref(2)?.as_str().ok().map(|doc| (link.next(doc), doc));
        let found = (row.get_ref(1)?.as_i64().ok(), row.get_ref(3)?.as_blob().ok());
        match expected {
            Some((next, doc))
                if next.seq == seq && found == (written_at(doc), Some(&next.hash[..])) =>
            {
                link = next;
            }
            _ => broken_at = Some(seq),
        }
    }
    // Rows that were cut off at the end are missed by the note of where the log ends.
    if broken_at.is_none() && noted_head(&snapshot)?.unwrap_or(Link::START) != link {
        broken_at = Some(link.seq.saturating_add(1));
    }
    let head = (n > 0).then(|| AuditHead { seq: link.seq, hash: hex(&link.hash) });
    Ok(AuditVerdict { intact: broken_at.is_none(), n, first_seq, head, broken_at })
}

fn written_at(doc: &str) -> Option<i64> {
    serde_json::from_str::<AuditRow>(doc).ok().map(|row| row.at.unix_ms())
}

/// What the oldest row follows from: a row of the log says so where older ones were removed.
fn pruned_before_first(connection: &Connection) -> rusqlite::Result<Link> {
    let first = "SELECT coalesce(min(seq), 1) - 1 FROM audit";
    let through: i64 = connection.query_row(first, [], |row| row.get(0))?;
    let select = "SELECT json_extract(doc, '$.detail') FROM audit
        WHERE json_valid(doc) AND json_extract(doc, '$.action') = ?1
            AND json_extract(doc, '$.subject') = ?2
            AND json_extract(doc, '$.actor') = 'collector' LIMIT 1";
    let hash: Option<String> = connection
        .query_row(select, params![PRUNED, through.to_string()], |row| row.get(0))
        .optional()?;
    let hash = hash.as_deref().and_then(unhex);
    Ok(hash.map_or(Link::START, |hash| Link { seq: through, hash }))
}

impl AuditRow {
    /// Texts come from requests, names of hosts among them.
    fn bounded(&self) -> Self {
        let cut = |text: &String| text.chars().take(TEXT_CHARACTERS).collect::<String>();
        let end = self.detail.floor_char_boundary(DETAIL_BYTES);
        Self {
            at: self.at,
            actor: cut(&self.actor),
            action: cut(&self.action),
            subject: self.subject.as_ref().map(cut),
            from_address: self.from_address.as_ref().map(cut),
            detail: self.detail[..end].to_owned(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != hash.len() * 2 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[n * 2..n * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
