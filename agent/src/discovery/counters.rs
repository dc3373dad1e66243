//! Reads single gauges out of Prometheus text (exposition format 0.0.4,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>): a line at a time, of which all
//! but the wanted ones are passed over unread. It keeps no text, no label and no other number.

/// A longer line is none of ours.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// More requests than this at one server are nonsense.
const COUNT_MAX: f64 = 1e9;

/// The sum over all label sets of the first of `names` that is there: a gauge may have had another
/// name in an older version, and a server may count each of its engines apart. `None` where none
/// is there, or one tells nonsense.
pub(super) fn gauge(text: &[u8], names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| sum(text, name))
}

/// Whether any metric's name begins so.
pub(super) fn has_prefix(text: &[u8], prefix: &str) -> bool {
    lines(text).any(|line| line.starts_with(prefix.as_bytes()))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| line.len() <= LINE_BYTES_MAX)
}

fn sum(text: &[u8], name: &str) -> Option<u64> {
    let mut values = lines(text).filter_map(|line| value(line, name)).peekable();
    values.peek()?;
    let sum: f64 = values.sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a count"
    )]
    (0.0..=COUNT_MAX).contains(&sum).then(|| sum.round() as u64)
}

/// What the line tells, where it is about this metric; nonsense is no number, which makes the sum
/// none either.
fn value(line: &[u8], name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name.as_bytes())?;
    let rest = match rest.first()? {
        b' ' | b'\t' => rest,
        b'{' => after_labels(&rest[1..])?,
        _ => return None,
    };
    // A timestamp may follow.
    let word = std::str::from_utf8(rest).ok()?.split_ascii_whitespace().next()?;
    Some(word.parse().unwrap_or(f64::NAN))
}

/// A label's value may hold any character, with `"` and `\` escaped.
fn after_labels(labels: &[u8]) -> Option<&[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (n, byte) in labels.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'}' if !is_quoted => return Some(&labels[n + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"# HELP vllm:num_requests_running Number of requests.\n\
        # TYPE vllm:num_requests_running gauge\n\
        vllm:num_requests_running{engine=\"0\",model_name=\"a} 9 \\\" b\"} 2.0\n\
        vllm:num_requests_running{engine=\"1\",model_name=\"a\"} 3.0 1785000000000\n\
        vllm:num_requests_running_total{engine=\"0\"} 100\n\
        vllm:num_requests_waiting 4e0\r\n\
        broken{a=\"x 7\n\
        negative -1\nnot_a_number NaN\nhuge 1e300\nhalf{} \n";

    #[test]
    fn sums_a_gauge_over_its_labels() {
        let table = [
            ("vllm:num_requests_running", Some(5)),
            ("vllm:num_requests_waiting", Some(4)),
            ("vllm:num_requests", None),
            ("broken", None),
            ("negative", None),
            ("not_a_number", None),
            ("huge", None),
            ("half", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(gauge(TEXT, &[name]), expected, "{name}");
        }
    }

    #[test]
    fn an_older_name_will_do() {
        assert_eq!(gauge(b"old 3\n", &["new", "old"]), Some(3));
        assert_eq!(gauge(b"old 3\nnew 4\n", &["new", "old"]), Some(4));
    }

    #[test]
    fn a_prefix_is_looked_for_in_names_alone() {
        assert!(has_prefix(TEXT, "vllm:"));
        assert!(!has_prefix(b"# vllm: is not here\n", "vllm:"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(text in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = gauge(&text, &["a", "b"]);
            let _ = has_prefix(&text, "a");
        }

        #[test]
        fn what_is_written_is_read(n in 0..1_000_000_u64, label in "[^\n]{0,40}") {
            let label = label.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("other 7\nwanted{{model=\"{label}\"}} {n}\n");
            prop_assert_eq!(gauge(text.as_bytes(), &["wanted"]), Some(n));
        }
    }
}
