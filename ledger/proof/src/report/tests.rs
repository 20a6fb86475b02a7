//! Verdicts, limits and the two forms of a report.

use serde_json::json;

use super::*;

#[test]
fn failure_outweighs_doubt_and_doubt_outweighs_nothing() {
    let mut report = Report::new("x");
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Valid, 0));
    report.doubt(Finding::new("unreadable"));
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Undecided, 2));
    report.fail(Finding::new("forged"));
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Invalid, 1));
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let mut report = Report::new("x");
    (0..FINDINGS_MAX + 5).for_each(|_| report.fail(Finding::new("forged")));
    assert_eq!((report.failures.len(), report.failures_left_out), (FINDINGS_MAX, 5));
    assert!(report.to_string().contains("and 985 more"), "{report}");
    let mut report = Report::new("x");
    (0..FINDINGS_MAX + 5).for_each(|_| report.doubt(Finding::new("unreadable")));
    assert_eq!((report.undecided.len(), report.undecided_left_out), (FINDINGS_MAX, 5));
    assert_eq!(report.verdict(), Verdict::Undecided);
}

#[test]
fn text_fits_80_columns_and_shows_no_control_characters() {
    let mut report = Report::new("receipt \u{1b}[2J");
    report.fact("subject", "x".repeat(200));
    report.check("word ".repeat(40));
    report.fail(Finding::new("wrong ".repeat(30)).version(3).file("a\nb").leaf(9));
    report.certified(
        Certification {
            log: "dab/x".into(),
            cosigners: vec![],
            quorum: "none".into(),
            alone: true,
        },
        4,
    );
    let text = report.to_string();
    assert!(text.starts_with("INVALID  receipt \\u{1b}[2J\n"), "{text}");
    assert!(
        text.contains("certifies alone: signed by the log key only, no independent cosigner"),
        "{text}"
    );
    assert!(text.contains("version 3, a\\nb, leaf 9: wrong"), "{text}");
    for line in text.lines() {
        assert!(!line.contains(char::is_control), "{line:?}");
        // a word that is longer than the line stays whole, so that it can be copied
        assert!(line.chars().count() <= 80 || line.ends_with("xxx"), "{line}");
    }
}

#[test]
fn lines_are_broken_where_the_81st_column_would_begin() {
    assert_eq!(Report::new("x").to_string(), "VALID  x\n");
    let mut report = Report::new("x");
    let (long, first, last) = ("y".repeat(90), "a".repeat(37), "b".repeat(38));
    report.fact("subject", long.as_str());
    report.check(format!("{first} {last}"));
    report.check(format!("{first} {last}b"));
    let text = format!("VALID  x\n\n  subject  {long}\n\nchecked\n  - {first} {last}\n  - {first}\n    {last}b\n");
    assert_eq!(report.to_string(), text);
}

#[test]
fn json_carries_every_section() {
    let mut report = Report::new("x");
    report.fact("subject", "table/t");
    report.fail(Finding::new("wrong").version(3).file("f"));
    report.written("dab/x/writer", "leaf 3");
    let json = report.to_json();
    let signature = json!({ "role": "writer", "name": "dab/x/writer", "signed": "leaf 3", "time_unix_s": null });
    assert_eq!(json["signatures"], json!([signature]));
    assert_eq!(json["verdict"], "invalid");
    assert_eq!(json["exit_code"], 1);
    assert_eq!(json["facts"]["subject"], "table/t");
    assert_eq!(json["failures"][0]["version"], 3);
    assert_eq!(json["failures"][0]["file"], "f");
    assert!(json["certification"].is_null());
}

#[test]
fn endless_lines_are_cut_wherever_they_stand() {
    let mut report = Report::new("x");
    let long = "é".repeat(LINE_CHARS_MAX + 7);
    report.fail(Finding::new(long.as_str()).file(long.as_str()));
    report.doubt(Finding::new(long.as_str()));
    report.fact("subject", long.as_str());
    report.check(long.as_str());
    report.leave_out(long.as_str());
    let cut = format!("{}... (7 more characters)", "é".repeat(LINE_CHARS_MAX));
    let Report {
        failures,
        undecided,
        facts,
        checked,
        not_checked,
        ..
    } = &report;
    assert_eq!((&failures[0].message, failures[0].file.as_ref()), (&cut, Some(&cut)));
    assert_eq!(
        [&undecided[0].message, &facts[0].1, &checked[0], &not_checked[0]],
        [&cut; 4]
    );
}
