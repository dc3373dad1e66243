//! Proxies in front of the collector: whose word counts, and for what.

use std::net::IpAddr;

use axum::http::HeaderName;
use ipnet::IpNet;

use super::error::ConfigError;
use super::given::Given;
use super::table::{Table, unknown};
use crate::auth::Role;

/// The keys of `[proxy]` in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// `trusted`, none: networks of proxies whose forwarding headers count.
    pub trusted: Vec<IpNet>,
    /// `user_header`, none: the header in which a trusted proxy names who signed in there.
    pub user_header: Option<HeaderName>,
    /// `role`, `viewer`: what they may do.
    pub role: Role,
    /// `admins`, none: which of them are admins.
    pub admins: Vec<String>,
}

const KEYS: [&str; 4] = ["trusted", "user_header", "role", "admins"];

impl Default for Proxy {
    fn default() -> Self {
        Self { trusted: Vec::new(), user_header: None, role: Role::Viewer, admins: Vec::new() }
    }
}

impl Proxy {
    /// Whether this is the address of a proxy that is trusted.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

impl Proxy {
    /// Where nobody needs credentials, whoever comes by the proxy would be admin as soon as it
    /// leaves out the header by which that shows.
    pub(super) fn check_beside(&self, demands_credentials: bool) -> Result<(), ConfigError> {
        if !demands_credentials && !self.trusted.is_empty() {
            return Err(ConfigError::Contradiction {
                table: Self::NAME,
                words: "trusted needs auth = \"required\": without it everybody who comes by the \
                        proxy is on this machine",
            });
        }
        Ok(())
    }
}

impl Table for Proxy {
    const NAME: &'static str = "proxy";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        match given.key.as_str() {
            "trusted" => self.trusted = several(given, network)?,
            "user_header" => self.user_header = Some(header(given)?),
            "role" => self.role = role(given)?,
            "admins" => self.admins = several(given, name)?,
            _ => return Err(unknown::<Self>(given, &KEYS)),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.user_header.is_some() && self.trusted.is_empty() {
            return Err(ConfigError::Contradiction {
                table: Self::NAME,
                words: "user_header needs trusted: the networks of the proxies that set it",
            });
        }
        Ok(())
    }
}

fn several<T>(
    given: &Given,
    read: impl Fn(&Given) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    given.clone().elements().iter().map(read).collect()
}

fn network(given: &Given) -> Result<IpNet, ConfigError> {
    const EXPECTED: &str = "networks such as 127.0.0.1/32: the addresses of proxies alone";
    given.as_text(EXPECTED)?.parse().map_err(|_| given.bad(EXPECTED))
}

/// A header that means something else cannot name anybody.
fn header(given: &Given) -> Result<HeaderName, ConfigError> {
    const EXPECTED: &str = "the name of a header such as x-forwarded-user";
    const OTHERS: [&str; 5] = ["authorization", "cookie", "host", "origin", "x-forwarded-for"];
    let name: HeaderName = given.as_text(EXPECTED)?.parse().map_err(|_| given.bad(EXPECTED))?;
    if OTHERS.contains(&name.as_str()) { Err(given.bad(EXPECTED)) } else { Ok(name) }
}

fn role(given: &Given) -> Result<Role, ConfigError> {
    const EXPECTED: &str = "viewer, client or admin";
    Role::of_word(given.as_text(EXPECTED)?).ok_or_else(|| given.bad(EXPECTED))
}

fn name(given: &Given) -> Result<String, ConfigError> {
    given.as_text("names of people as the proxy tells them").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::given::Source;
    use super::*;

    fn given(key: &str, value: impl Into<toml::Value>) -> Given {
        Given { key: key.to_owned(), value: value.into(), source: Source::Default }
    }

    fn list(texts: &[&str]) -> toml::Value {
        toml::Value::Array(texts.iter().map(|text| toml::Value::from(*text)).collect())
    }

    #[test]
    fn every_key_that_is_named_can_be_set() {
        for key in KEYS {
            let value = match key {
                "trusted" => list(&["10.0.0.0/8", "fd00::/8"]),
                "role" => "client".into(),
                "admins" => list(&["anna"]),
                _ => "x-remote-user".into(),
            };
            let mut proxy = Proxy::default();
            proxy.set(&given(key, value)).unwrap();
            assert_ne!(proxy, Proxy::default(), "{key}");
        }
        let unknown = Proxy::default().set(&given("trust", "10.0.0.0/8")).unwrap_err();
        assert!(unknown.to_string().contains("trusted"), "{unknown}");
    }

    #[test]
    fn what_is_no_network_role_or_header_is_refused() {
        for (key, value) in [
            ("trusted", list(&["10.0.0.0"])),
            ("trusted", list(&["proxy.example"])),
            ("role", "root".into()),
            ("user_header", "authorization".into()),
            ("user_header", "no header".into()),
            ("admins", list(&[""])),
        ] {
            assert!(Proxy::default().set(&given(key, value.clone())).is_err(), "{key} {value}");
        }
        let named = Proxy { user_header: Some("x-user".parse().unwrap()), ..Proxy::default() };
        assert!(named.check().is_err());
    }

    #[test]
    fn a_mapped_address_is_the_one_that_it_means() {
        let proxy = Proxy { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..Proxy::default() };
        assert!(proxy.trusts("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!proxy.trusts("11.1.2.3".parse().unwrap()));
    }
}
