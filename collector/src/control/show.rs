//! How answers are shown to people.

use serde_json::Value;

/// The head of a column, and the field that stands in it.
pub(super) type Column = (&'static str, &'static str);

/// As JSON, with line breaks.
pub(super) fn lines(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// A table with aligned columns; the last is as long as it is.
pub(super) fn table(list: &Value, columns: &[Column]) -> String {
    let head = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let row = |entry: &Value| columns.iter().map(|(_, field)| cell(&entry[*field])).collect();
    let entries = list.as_array().into_iter().flatten().map(row);
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(entries).collect();
    let width = |n: usize| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What came over the network cannot move the cursor of a terminal.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// What came of going through the audit log, in a line.
pub(super) fn verdict(verdict: &Value) -> String {
    let (n, head) = (&verdict["n"], &verdict["head"]);
    match verdict["broken_at"].as_i64() {
        Some(seq) => format!("the audit log is broken at row {seq}, of {n} rows\n"),
        None if head.is_null() => "the audit log is empty\n".to_owned(),
        None => format!(
            "the audit log is whole: {n} rows; the newest is {} with hash {}\n",
            head["seq"],
            cell(&head["hash"])
        ),
    }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_moves_the_cursor() {
        let list = json!([
            {"name": "gpu-1", "role": "viewer", "n": 7},
            {"name": "ä\u{1b}[2J", "role": null, "n": 12345},
        ]);
        let columns: &[Column] = &[("NAME", "name"), ("ROLE", "role"), ("N", "n")];
        let expected = "NAME   ROLE    N\ngpu-1  viewer  7\nä?[2J  -       12345\n";
        assert_eq!(table(&list, columns), expected);
        assert_eq!(table(&json!([]), columns), "NAME  ROLE  N\n");
    }

    #[test]
    fn whatever_is_named_stays_one_segment() {
        assert_eq!(segment("sha256:aB-_"), "sha256:aB-_");
        assert_eq!(segment("../a b?"), "..%2Fa%20b%3F");
    }
}
