//! What SQLite says of a failure, once: the error that it is made of says the same in other words.

/// A failure of SQLite as the cause of another error. It has no cause of its own.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct Said {
    // Not called `source`: that would make it one.
    said: rusqlite::Error,
}

impl From<rusqlite::Error> for Said {
    fn from(said: rusqlite::Error) -> Self {
        Self { said }
    }
}
