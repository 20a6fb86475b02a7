//! The line under a result, broken where it is longer than a terminal is wide.

use dab_flight::receipt_metadata::ResultPins;

/// The longest line, where it can be broken between tables.
const COLUMNS: usize = 80;
const COMMA: &str = ", ";

/// What was read, where the ledger has it, and who certified that; nothing where no table was read.
pub(crate) fn footer(pins: &ResultPins) -> Option<String> {
    (!pins.tables.is_empty()).then(|| wrapped(&pins.to_string()))
}

/// The same text with a line's end in place of the space after some commas.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split(COMMA) {
        match lines.last_mut() {
            // the comma that may follow has to fit too
            Some(line) if line.chars().count() + COMMA.len() + part.chars().count() < COLUMNS => {
                *line += COMMA;
                *line += part;
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines.join(",\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_tables_and_nowhere_else() {
        let text =
            "customer@0 · leaf 6, lineitem@0 · leaf 14, nation@0 · leaf 2, orders@0 · leaf 12, region@0 · leaf 4";
        let broken = wrapped(text);
        assert!(
            broken.lines().count() == 2 && broken.lines().all(|line| line.chars().count() <= COLUMNS),
            "{broken}"
        );
        assert_eq!(broken.replace(",\n", ", "), text);
        assert_eq!(
            wrapped("t@1 · leaf 2 · certifies alone"),
            "t@1 · leaf 2 · certifies alone"
        );
    }
}
