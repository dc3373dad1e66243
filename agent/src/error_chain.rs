//! An error and its sources in one line: each says its part, so that only together do they tell.

use std::error::Error;
use std::fmt;

/// No error has more sources than this, unless it goes round in circles.
const SOURCES: usize = 8;

/// An error and its sources, separated by colons.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        for _ in 0..SOURCES {
            let Some(error) = next else { break };
            let text = error.to_string();
            // Some errors of other crates say their source themselves.
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn says_each_part_once() {
        let error = Outer(std::io::Error::other("no route"));
        assert_eq!(Chain(&error).to_string(), "cannot connect: no route");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("lost: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn a_source_that_was_said_already_is_not_said_again() {
        let error = Repeating(std::io::Error::other("reset"));
        assert_eq!(Chain(&error).to_string(), "lost: reset");
    }
}
