//! What is kept, and where the next dial goes.
