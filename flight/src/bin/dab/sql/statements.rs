//! Cuts a script into statements at its semicolons.

/// The statements of a script, without their semicolons; a semicolon inside quotes or a comment ends nothing, and comments
/// alone are no statement.
pub(super) fn split_statements(script: &str) -> Vec<&str> {
    let bytes = script.as_bytes();
    let mut statements = Vec::new();
    let (mut start, mut at, mut says_something) = (0, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'-' if bytes[at..].starts_with(b"--") => at = after(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => at = after(bytes, at + 2, b"*/"),
            b';' => {
                statements.extend(says_something.then(|| script[start..at].trim()));
                at += 1;
                (start, says_something) = (at, false);
            }
            blank if blank.is_ascii_whitespace() => at += 1,
            other => {
                says_something = true;
                at = match other {
                    b'\'' | b'"' => after(bytes, at + 1, &[other]),
                    _ => at + 1,
                };
            }
        }
    }
    statements.extend(says_something.then(|| script[start..].trim()));
    statements
}

/// Whether the text ends with a semicolon that ends a statement.
pub(super) fn is_complete(text: &str) -> bool {
    // A semicolon that counts splits: one more statement appears when something follows it.
    let probe = format!("{} x", text.trim_end());
    text.trim_end().ends_with(';') && split_statements(&probe).last() == Some(&"x")
}

fn after(bytes: &[u8], from: usize, end: &[u8]) -> usize {
    let found = bytes[from.min(bytes.len())..]
        .windows(end.len())
        .position(|window| window == end);
    found.map_or(bytes.len(), |position| from + position + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        let script = "SELECT ';' AS \"a;b\"; -- one; two\n/* x;y */ SELECT 2;\n;\n";
        assert_eq!(
            split_statements(script),
            ["SELECT ';' AS \"a;b\"", "-- one; two\n/* x;y */ SELECT 2"]
        );
        assert_eq!(split_statements("SELECT 'it''s;'"), ["SELECT 'it''s;'"]);
        assert_eq!(split_statements("SELECT 'open; "), ["SELECT 'open;"]);
        for nothing in [
            "",
            ";;",
            " -- nothing\n",
            "-- no; end",
            "/* nothing; */ ; -- and\n /* more */",
        ] {
            assert!(split_statements(nothing).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn a_statement_is_complete_at_a_semicolon_of_its_own() {
        assert!(is_complete("SELECT 1;\n"));
        for open in ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "/* ;"] {
            assert!(!is_complete(open), "{open}");
        }
    }
}
