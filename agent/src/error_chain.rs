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
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        for _ in 0..SOURCES {
            let Some(error) = next else { break };
            write!(f, ": {error}")?;
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
}
