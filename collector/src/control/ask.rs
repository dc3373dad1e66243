//! What can be asked, as the command line says it.

use clap::Subcommand;
use ipnet::IpNet;

use crate::auth::Role;

/// One thing to ask.
#[derive(Debug)]
pub enum Ask {
    /// Of tokens.
    Token(TokenAsk),
    /// Of hosts that joined, or want to.
    Host(HostAsk),
    /// Of people.
    Person(PersonAsk),
    /// Who did what.
    Audit {
        /// Go through the whole log instead.
        verify: bool,
        /// As JSON.
        json: bool,
    },
}

/// Tokens, by which hosts join and programs use the API.
#[derive(Debug, Subcommand)]
pub enum TokenAsk {
    /// Print the line by which a host joins; with --role, a token by which a program uses the API
    Create {
        /// For a program instead of a host: viewer, client or admin
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// What the program is
        #[arg(long, requires = "role")]
        name: Option<String>,
        /// How many hosts may join by it [default: 1]
        #[arg(long, conflicts_with = "role")]
        uses: Option<u32>,
        /// How long it holds, such as 24h or 30d [default: 24h for hosts, else until revoked]
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<u64>,
        /// Only hosts with such names, 'gpu-*' for instance
        #[arg(long, value_name = "PATTERN", conflicts_with = "role")]
        name_pattern: Option<String>,
        /// Only hosts from this network, 10.0.0.0/8 for instance
        #[arg(long, value_name = "CIDR", conflicts_with = "role")]
        from: Option<IpNet>,
        /// Print all about it as JSON
        #[arg(long)]
        json: bool,
    },
    /// List tokens, without their texts
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token back; whatever uses it ends at once
    Revoke {
        /// Its id, as `token list` tells it
        id: String,
    },
}

/// Hosts that joined, or want to.
#[derive(Debug, Subcommand)]
pub enum HostAsk {
    /// List the hosts that wait for approval
    Pending {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a host in that waits; compare the fingerprint with what the host shows
    Approve {
        /// Its fingerprint: a name is what any host may tell
        #[arg(value_name = "FINGERPRINT")]
        which: String,
    },
    /// Shut a host out; its session ends at once
    Revoke {
        /// Its fingerprint, or its name where only one has it
        #[arg(value_name = "FINGERPRINT|NAME")]
        which: String,
    },
}

/// People who may sign in.
#[derive(Debug, Subcommand)]
pub enum PersonAsk {
    /// Let somebody sign in; the password is read from standard input
    Add {
        /// By which they sign in
        name: String,
        /// viewer, client or admin
        #[arg(long, value_parser = role)]
        role: Role,
    },
    /// List people
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove somebody; whatever they have open ends at once
    Remove {
        /// By which they sign in
        name: String,
    },
}

fn role(text: &str) -> Result<Role, &'static str> {
    Role::of_word(text).ok_or("expected viewer, client or admin")
}

/// A number with its unit, as seconds.
fn seconds(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "expected a whole number and s, m, h or d, such as 24h";
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(EXPECTED),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| EXPECTED)?;
    number.checked_mul(unit_s).filter(|seconds| *seconds > 0).ok_or(EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        for (text, expected) in [("90s", 90), ("5m", 300), ("24h", 86_400), ("30d", 2_592_000)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "24", "h", "-1h", "1.5h", "0s", "1w", "99999999999999999999d", "24ß"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
