//! What a person pastes to join a collector: `URL TOKEN PIN[,PIN…]`, or the whole command around it.
//!
//! It holds a secret: it is read from stdin or a file, never from an argument or the environment,
//! and never shown.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use herdbook_shared::fingerprint::Fingerprint;

use super::{PINS_MAX, Target, Trust};
use crate::config::CollectorUrl;

/// A line longer than this is something else.
pub(crate) const LINE_BYTES_MAX: u64 = 4096;

const TOKEN_PREFIX: &str = "hbj_";
const TOKEN_BYTES: usize = 32;

/// A join line that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinLine {
    url: CollectorUrl,
    token: String,
    pins: Vec<Fingerprint>,
}

impl fmt::Debug for JoinLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinLine")
            .field("url", &self.url)
            .field("pins", &self.pins)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a join line. None of it is quoted: it may hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinLineError {
    /// Nothing but blanks.
    #[error("no join line: paste the one that herdbook-collector token create printed")]
    Empty,
    /// Too much.
    #[error("the join line is longer than 4096 bytes: paste one line and nothing else")]
    TooLong,
    /// Too few or too many parts.
    #[error(
        "the join line has {0} parts, expected 3: the collector's URL, a token and the key's \
         fingerprint; was it cut off?"
    )]
    Parts(usize),
    /// The URL is none.
    #[error("the URL of the join line: {0}")]
    Url(String),
    /// Without TLS a token would be for everybody to read.
    #[error("the URL of the join line begins with http://, expected https://")]
    Plain,
    /// The token is none.
    #[error("the token of the join line is none, expected hbj_ and 43 characters; was it cut off?")]
    Token,
    /// A pin is none.
    #[error(
        "the fingerprint of the join line is none, expected sha256: and 43 characters; was it cut \
         off?"
    )]
    Pin,
    /// More pins than a collector has keys.
    #[error("the join line has {0} fingerprints, expected at most 4")]
    Pins(usize),
}

impl JoinLine {
    /// Reads a line, or the `echo '…' | sudo herdbook-agent join` around it.
    ///
    /// # Errors
    ///
    /// Which part is wrong, and what was expected.
    pub fn parse(text: &str) -> Result<Self, JoinLineError> {
        if text.len() as u64 > LINE_BYTES_MAX {
            return Err(JoinLineError::TooLong);
        }
        let parts: Vec<&str> = bare(text.trim()).split_whitespace().collect();
        let [url, token, pins] = parts[..] else {
            return Err(match parts.len() {
                0 => JoinLineError::Empty,
                n_parts => JoinLineError::Parts(n_parts),
            });
        };
        // A token in the wrong place must not be quoted.
        if url.contains(TOKEN_PREFIX) {
            return Err(JoinLineError::Url("expected https://HOST:PORT".to_owned()));
        }
        let url = match CollectorUrl::read(url) {
            Ok(url) if !url.is_tls() => return Err(JoinLineError::Plain),
            read => read.map_err(JoinLineError::Url)?,
        };
        if !is_token(token) {
            return Err(JoinLineError::Token);
        }
        let pins: Vec<Fingerprint> = pins
            .split(',')
            .map(|pin| pin.parse().map_err(|_| JoinLineError::Pin))
            .collect::<Result<_, _>>()?;
        if pins.len() > PINS_MAX {
            return Err(JoinLineError::Pins(pins.len()));
        }
        Ok(Self { url, token: token.to_owned(), pins })
    }

    /// Where the collector is, and by what it is known.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { url: self.url.clone(), trust: Trust::Pins(self.pins.clone()) }
    }

    /// What lets the agent join. A secret.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// As it is kept in the state directory. A secret.
    #[must_use]
    pub fn text(&self) -> String {
        let pins: Vec<String> = self.pins.iter().map(Fingerprint::to_string).collect();
        format!("{} {} {}\n", self.url, self.token, pins.join(","))
    }
}

/// What stands within the quotes of a pasted command; the text itself where it is none.
fn bare(text: &str) -> &str {
    let command = text.strip_prefix("$ ").or_else(|| text.strip_prefix("# ")).unwrap_or(text);
    let Some(rest) = command.strip_prefix("echo ").map(str::trim_start) else { return text };
    match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => rest[1..].split(quote).next().unwrap_or_default(),
        _ => rest.split('|').next().unwrap_or_default(),
    }
}

fn is_token(token: &str) -> bool {
    let random = token.strip_prefix(TOKEN_PREFIX);
    let random = random.and_then(|random| BASE64_URL_SAFE_NO_PAD.decode(random).ok());
    random.is_some_and(|random| random.len() == TOKEN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        format!("hbj_{}", "A".repeat(43))
    }

    fn pin(n: u8) -> String {
        Fingerprint::of_digest([n; 32]).to_string()
    }

    #[test]
    fn a_line_is_read_however_it_is_pasted() {
        let line = format!("https://gpu-0:6121 {} {},{}", token(), pin(1), pin(2));
        let read = JoinLine::parse(&line).unwrap();
        assert_eq!(read.target().url.to_string(), "https://gpu-0:6121");
        assert_eq!(read.token(), token());
        assert_eq!(JoinLine::parse(&read.text()), Ok(read.clone()));
        for pasted in [
            format!("\n  {line}\r\n"),
            line.replace(' ', "\t"),
            format!("echo '{line}' | sudo herdbook-agent join"),
            format!("$ echo \"{line}\" | sudo herdbook-agent join\n"),
            format!("echo {line} | sudo herdbook-agent join"),
        ] {
            assert_eq!(JoinLine::parse(&pasted).as_ref(), Ok(&read), "{pasted}");
        }
    }

    #[test]
    fn says_which_part_is_wrong_and_quotes_no_token() {
        let (token, pin) = (token(), pin(1));
        let pins = vec![pin.clone(); 5].join(",");
        for (line, words) in [
            (String::new(), "no join line"),
            ("a".repeat(5000), "longer than 4096 bytes"),
            (format!("https://gpu-0:1 {token}"), "has 2 parts"),
            (format!("https://gpu-0:1 {token} {pin} more"), "has 4 parts"),
            (format!("gpu-0 {token} {pin}"), "names no port"),
            (format!("{token} https://gpu-0:1 {pin}"), "expected https://HOST:PORT"),
            (format!("http://127.0.0.1:1 {token} {pin}"), "expected https://"),
            (format!("https://gpu-0:1 {} {pin}", &token[..40]), "the token of the join line"),
            (format!("https://gpu-0:1 hbt_{} {pin}", &token[4..]), "the token of the join line"),
            (format!("https://gpu-0:1 {token} {}", &pin[..40]), "the fingerprint of the join"),
            (format!("https://gpu-0:1 {token} {pin},"), "the fingerprint of the join"),
            (format!("https://gpu-0:1 {token} {pins}"), "has 5 fingerprints"),
        ] {
            let error = JoinLine::parse(&line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
            assert!(!error.contains("AAAA"), "{error}");
        }
        let read = JoinLine::parse(&format!("https://gpu-0:1 {token} {pin}")).unwrap();
        assert!(!format!("{read:?}").contains("AAAA"));
    }

    #[test]
    fn no_text_panics() {
        proptest::proptest!(|(text in "\\PC*")| { let _ = JoinLine::parse(&text); });
        proptest::proptest!(|(text in "(echo )?['\"]?[ a|'\"]{0,8}")| {
            let _ = JoinLine::parse(&text);
        });
    }
}
