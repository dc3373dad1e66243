//! The text format, read back by a reader that knows nothing of the writer.

use proptest::prelude::*;

use crate::metrics::family::{counter, gauge, gauge_by, info};
use crate::metrics::testing::Parsed;

use super::*;

const ONE: Family<Option<f64>> = gauge("one", "A number.", |n| n.map(Into::into));
const COUNT: Family<u64> = counter("count_total", "A count.", |n| Some((*n).into()));
const PARTS: Family<u64> =
    gauge_by("parts", "part", "Parts.", |n| vec![("whole", (*n).into()), ("half", (n / 2).into())]);
const WORDS: Family<String> = info("words", &["said"], "Words.", |said| Some(vec![said]));

fn written(write: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::default();
    write(&mut text);
    String::from_utf8(text.take()).unwrap()
}

#[test]
fn a_family_has_its_words_once_and_its_samples_behind_them() {
    let text = written(|text| {
        text.write(&ONE, &Some(0.125), &[("host", "a")]);
        text.write(&ONE, &Some(2.0), &[("host", "b")]);
        text.write(&COUNT, &7, &[]);
        text.write(&PARTS, &4, &[("host", "a")]);
        text.write(&WORDS, &"hm".to_owned(), &[]);
    });
    let expected = "\
# HELP one A number.
# TYPE one gauge
one{host=\"a\"} 0.125
one{host=\"b\"} 2
# HELP count_total A count.
# TYPE count_total counter
count_total 7
# HELP parts Parts.
# TYPE parts gauge
parts{host=\"a\",part=\"whole\"} 4
parts{host=\"a\",part=\"half\"} 2
# HELP words Words.
# TYPE words gauge
words{said=\"hm\"} 1
";
    assert_eq!(text, expected);
}

#[test]
fn the_words_are_not_said_again_in_the_next_piece() {
    let mut text = Text::default();
    text.write(&ONE, &Some(1.0), &[("host", "a")]);
    assert!(text.len() > 20);
    let first = String::from_utf8(text.take()).unwrap();
    assert!(text.is_empty());
    text.write(&ONE, &Some(2.0), &[("host", "b")]);
    let both = first + std::str::from_utf8(&text.take()).unwrap();
    assert_eq!(Parsed::of(&both).families.len(), 1, "{both}");
}

#[test]
fn what_is_missing_or_no_number_is_left_out_with_its_family() {
    for missing in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
        assert_eq!(written(|text| text.write(&ONE, &missing, &[("host", "a")])), "");
    }
}

#[test]
fn what_ends_a_value_is_escaped_and_what_ends_the_text_replaced() {
    let text = written(|text| text.write(&ONE, &Some(1.0), &[("host", "a\\\"b\nc\0,d=\"}")]));
    assert!(text.ends_with("one{host=\"a\\\\\\\"b\\nc\u{fffd},d=\\\"}\"} 1\n"), "{text}");
}

proptest! {
    #[test]
    fn any_label_is_read_back(
        values in proptest::collection::vec(any::<String>(), 1..8),
        number in any::<f64>().prop_filter("a number", |n| n.is_finite()),
    ) {
        let text = written(|text| {
            for (place, value) in values.iter().enumerate() {
                let labels = [("place", place.to_string()), ("host", value.clone())];
                let labels = labels.each_ref().map(|(name, value)| (*name, value.as_str()));
                text.write(&ONE, &Some(number), &labels);
                text.write(&WORDS, value, &labels[..1]);
            }
        });
        // Families alternate here, which no answer does: each is read by itself.
        let (mut ones, mut words) = (String::new(), String::new());
        for line in text.split_inclusive('\n') {
            let is_words = line.starts_with("words") || line.contains(" words ");
            let of = if is_words { &mut words } else { &mut ones };
            if !(line.starts_with('#') && of.contains(line)) {
                of.push_str(line);
            }
        }
        let (ones, words) = (Parsed::of(&ones), Parsed::of(&words));
        for (place, value) in values.iter().enumerate() {
            let (place, value) = (place.to_string(), value.replace('\0', "\u{fffd}"));
            let labels = [("place", place.as_str()), ("host", value.as_str())];
            prop_assert_eq!(ones.get("one", &labels), Some(number));
            prop_assert_eq!(words.get("words", &[labels[0], ("said", value.as_str())]), Some(1.0));
        }
    }
}
