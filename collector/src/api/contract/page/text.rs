//! Text into HTML.

/// With nothing in it that means anything, be it between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The same, where what stands between back-ticks is code.
pub(super) fn words(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // The last of an odd number of back-ticks opens nothing.
    let n_closed = (parts.len() - 1) / 2 * 2;
    let part = |(n, part): (usize, &&str)| match n {
        0 => escaped(part),
        n if n > n_closed => format!("`{}", escaped(part)),
        n if n % 2 == 1 => format!("<code>{}</code>", escaped(part)),
        _ => escaped(part),
    };
    parts.iter().enumerate().map(part).collect()
}

/// A name as the end of a link.
pub(super) fn slug(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_between_back_ticks() {
        assert_eq!(words("a `b<` c"), "a <code>b&lt;</code> c");
        assert_eq!(words("a ` b"), "a ` b");
        assert_eq!(words("`a` `b"), "<code>a</code> `b");
    }

    #[test]
    fn a_slug_needs_no_escape() {
        assert_eq!(slug("Picks & leases"), "picks---leases");
    }
}
