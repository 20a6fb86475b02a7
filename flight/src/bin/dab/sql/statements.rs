//! Cuts a script into statements at its semicolons.

/// The statements of a script, without their semicolons; a semicolon inside quotes or a comment ends nothing.
pub(super) fn split_statements(script: &str) -> Vec<&str> {
    let bytes = script.as_bytes();
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => at = after(bytes, at + 1, &[quote]),
            b'-' if bytes[at..].starts_with(b"--") => at = after(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => at = after(bytes, at + 2, b"*/"),
            b';' => {
                statements.push(&script[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    statements.push(&script[start..]);
    statements.retain(|statement| !is_blank(statement));
    statements.into_iter().map(str::trim).collect()
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

fn is_blank(statement: &str) -> bool {
    statement
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with("--"))
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
        assert!(split_statements(" -- nothing\n").is_empty());
    }

    #[test]
    fn a_statement_is_complete_at_a_semicolon_of_its_own() {
        assert!(is_complete("SELECT 1;\n"));
        for open in ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "/* ;"] {
            assert!(!is_complete(open), "{open}");
        }
    }
}
