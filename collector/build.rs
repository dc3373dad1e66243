//! Says when the embedded page must be embedded anew: when its build changed, or first appeared.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A watched path that does not exist would rebuild the collector every time.
    let watched = if Path::new("dashboard/dist").exists() { "dashboard/dist" } else { "dashboard" };
    println!("cargo:rerun-if-changed={watched}");
}
