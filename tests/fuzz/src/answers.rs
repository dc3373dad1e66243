//! Answers of model servers: the agent asks whatever looks like one, and reads what anybody on the
//! host says.

/// See `herdbook_agent::discovery::fuzzing::answers`.
pub fn run(input: &[u8]) {
    herdbook_agent::discovery::fuzzing::answers(input);
}
