//! Who is told of alerts.

#[cfg(test)]
pub(crate) mod testing;
