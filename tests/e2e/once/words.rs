//! Words for what is another at each run.

use serde_json::{Map, Value};

/// The ports of the fakes, and what they are called.
#[derive(Debug, Default)]
pub(super) struct Ports(Vec<(u16, &'static str)>);

impl Ports {
    pub(super) fn name(&mut self, port: u16, name: &'static str) {
        self.0.push((port, name));
    }

    /// The same with words instead of ports, times and the space on the test machine's disk.
    /// Servers that no fake is (the test machine's own) are left out; the others are sorted.
    pub(super) fn in_words(&self, mut told: Value) -> Value {
        for services in ["/inventory/services", "/sample/services"] {
            if let Some(services) = told.pointer_mut(services).and_then(Value::as_array_mut) {
                services.retain_mut(|service| self.name_port(service));
                services.sort_by_key(|service| service["port"].to_string());
            }
        }
        replace(&mut told);
        told
    }

    fn name_port(&self, service: &mut Value) -> bool {
        let is_it = |(port, _): &&(u16, &str)| service["port"] == *port;
        let Some((_, name)) = self.0.iter().find(is_it) else { return false };
        service["port"] = format!("[port of {name}]").into();
        true
    }
}

fn replace(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            forget_space(fields);
            let is_disk = fields.contains_key("used_bytes") && fields.contains_key("total_bytes");
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    "at" | "checked_at" | "expires_at" if value.is_string() => {
                        *value = "[time]".into();
                    }
                    "latency_ms" if value.is_number() => *value = "[ms]".into(),
                    "used_bytes" | "total_bytes" if is_disk => *value = "[bytes]".into(),
                    _ => replace(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(replace),
        _ => {}
    }
}

/// Whether the test machine has a disk of this number is chance.
fn forget_space(fields: &mut Map<String, Value>) {
    if !fields.contains_key("device") {
        return;
    }
    let Some(missing) = fields.get_mut("missing").and_then(Value::as_object_mut) else { return };
    missing.retain(|field, _| !matches!(field.as_str(), "used_bytes" | "total_bytes"));
    if missing.is_empty() {
        fields.remove("missing");
    }
}
