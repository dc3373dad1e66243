//! One frozen frame of each message as version 1 wrote it. They are read for ever; tests of both
//! sides begin with them.

/// An agent's hello.
pub const HELLO: &str = include_str!("../../fixtures/v1/hello.json");
/// An inventory in one part.
pub const INVENTORY: &str = include_str!("../../fixtures/v1/inventory.json");
/// A complete sample.
pub const SAMPLE: &str = include_str!("../../fixtures/v1/sample.json");
/// An inventory with every field that version 1 grew after its first release.
pub const INVENTORY_DEPTH: &str = include_str!("../../fixtures/v1/inventory_depth.json");
/// A complete sample with every field that version 1 grew after its first release.
pub const SAMPLE_DEPTH: &str = include_str!("../../fixtures/v1/sample_depth.json");
/// A goodbye.
pub const GOODBYE: &str = include_str!("../../fixtures/v1/goodbye.json");
/// The collector's welcome.
pub const WELCOME: &str = include_str!("../../fixtures/v1/welcome.json");
/// The collector's refusal.
pub const REFUSED: &str = include_str!("../../fixtures/v1/refused.json");
