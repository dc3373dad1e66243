use proptest::prelude::*;

use super::*;

fn unit(service: &str) -> UnitText {
    let mut text = UnitText::default();
    text.apply(&format!("[Unit]\nEnvironment=OLLAMA_HOST=wrong\n[Service]\n{service}"));
    text
}

#[test]
fn environment_is_read_with_all_its_quotes() {
    let table = [
        ("Environment=OLLAMA_HOST=a", Some("a")),
        ("Environment=\"OLLAMA_HOST=a b\"", Some("a b")),
        ("Environment='OLLAMA_HOST=a' X=1", Some("a")),
        ("Environment=X=1 OLLAMA_HOST=\"a\"", Some("a")),
        ("Environment = OLLAMA_HOST=a", Some("a")),
        ("Environment=OLLAMA_HOST=a\nEnvironment=OLLAMA_HOST=b", Some("b")),
        ("Environment=OLLAMA_HOST=a\nEnvironment=\nEnvironment=X=1", None),
        ("Environment=OLLAMA_HOST=a\nUnsetEnvironment=OLLAMA_HOST", None),
        ("Environment=X=1 \\\n  OLLAMA_HOST=a", Some("a")),
        ("Environment=X=1 \\\n# no\n; no\n  OLLAMA_HOST=a", Some("a")),
        ("#Environment=OLLAMA_HOST=a", None),
        ("Environment=OLLAMA_HOST", None),
        ("Environment=\"OLLAMA_HOST=a", Some("a")),
        ("Environment=OLLAMA_HOST=a\n[Install]\nEnvironment=OLLAMA_HOST=b", Some("a")),
    ];
    for (text, expected) in table {
        assert_eq!(unit(text).environment("OLLAMA_HOST").as_deref(), expected, "{text}");
    }
}

#[test]
fn a_unit_runs_ollama_behind_any_wrapper() {
    let table = [
        ("ExecStart=/usr/local/bin/ollama serve", true),
        ("ExecStart=-/usr/bin/ollama serve", true),
        ("ExecStart=@/usr/bin/ollama ollama serve", true),
        ("ExecStart=/bin/sh -c 'exec /opt/ollama/bin/ollama serve'", true),
        ("ExecStart=/usr/bin/numactl -N 0 ollama serve", true),
        ("ExecStart=/usr/bin/ollama serve\nExecStart=\nExecStart=/bin/true", false),
        ("ExecStart=/usr/bin/ollama pull gemma4", false),
        ("ExecStart=/usr/bin/ollama-exporter serve", false),
        ("ExecStartPre=/usr/bin/ollama serve", false),
        ("", false),
    ];
    for (text, expected) in table {
        assert_eq!(unit(text).runs_ollama(), expected, "{text}");
    }
}

#[test]
fn a_command_may_set_its_own_environment() {
    let table = [
        ("ExecStart=/usr/bin/env OLLAMA_HOST=a ollama serve", Some("a")),
        ("ExecStart=/bin/sh -c 'OLLAMA_HOST=a ollama serve'", Some("a")),
        ("ExecStart=ollama serve", None),
    ];
    for (text, expected) in table {
        assert_eq!(unit(text).on_command_line("OLLAMA_HOST").as_deref(), expected, "{text}");
    }
}

#[test]
fn files_of_variables_are_read_with_quotes_and_comments() {
    let table = [
        ("OLLAMA_HOST=a\n", Some("a")),
        ("# OLLAMA_HOST=a\n; OLLAMA_HOST=a\n", None),
        ("export OLLAMA_HOST='a'\n", Some("a")),
        ("OLLAMA_HOST=\"a\"\nOLLAMA_HOST=b\n", Some("b")),
        ("XOLLAMA_HOST=a\n", None),
        ("OLLAMA_HOST=\n", Some("")),
    ];
    for (text, expected) in table {
        assert_eq!(variable(text, "OLLAMA_HOST").as_deref(), expected, "{text}");
    }
}

#[test]
fn specifiers_stand_for_parts_of_the_name() {
    let of = Specifiers::of("ollama@gpu1.service");
    let table = [
        ("%i", "gpu1"),
        ("%p-%i.%%", "ollama-gpu1.%"),
        ("%n %N", "ollama@gpu1.service ollama@gpu1"),
        ("%h/x", "%h/x"),
        ("%", "%"),
        ("%é", "%é"),
    ];
    for (text, expected) in table {
        assert_eq!(of.expand(text), expected);
    }
    assert_eq!(template("ollama@gpu1.service").as_deref(), Some("ollama@.service"));
    for none in ["ollama.service", "ollama@.service", "ollama@1.socket"] {
        assert_eq!(template(none), None);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(.|\\n){0,300}", more in "[\\[\\]a-zA-Z=\\\\\"'%# \\n]{0,200}") {
        let mut unit = unit(&text);
        unit.apply(&format!("[Service]\nExecStart={more}\nEnvironment={text}"));
        let _ = (unit.environment("A"), unit.runs_ollama(), unit.on_command_line("A"));
        let _ = (variable(&text, "A"), Specifiers::of(&text).expand(&more), template(&text));
    }

    #[test]
    fn a_quoted_value_comes_back(value in "[^\\pC\"\\\\]{0,30}") {
        let text = unit(&format!("Environment=\"OLLAMA_HOST={value}\""));
        prop_assert_eq!(text.environment("OLLAMA_HOST"), Some(value));
    }

    #[test]
    fn words_come_back(all in proptest::collection::vec("[a-z0-9./:=]{1,10}", 0..10)) {
        prop_assert_eq!(words(&all.join("  ")), all);
    }
}
