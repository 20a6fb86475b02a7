//! Notices a CSV file that ends inside a quoted field, which its reader would take for the field's end.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};

/// Where the reader stands in a record (RFC 4180, with quotes inside plain fields taken as they are).
#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or the first of two that mean one.
    QuoteInQuoted,
}

/// Whether the file ends inside quotes: whoever wrote it was cut off.
pub(super) fn ends_inside_quotes(path: &Path) -> Result<bool> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut buffer = vec![0; 1 << 20];
    let mut state = State::FieldStart;
    loop {
        match reader
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", path.display()))?
        {
            0 => return Ok(state == State::Quoted),
            read => state = buffer[..read].iter().fold(state, |state, byte| step(state, *byte)),
        }
    }
}

fn step(state: State, byte: u8) -> State {
    match (state, byte) {
        (State::Quoted, b'"') => State::QuoteInQuoted,
        (State::Quoted, _) | (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
        (_, b',' | b'\n' | b'\r') => State::FieldStart,
        _ => State::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_quote_at_the_end_is_torn() {
        let torn = |text: &str| text.bytes().fold(State::FieldStart, step) == State::Quoted;
        assert!(torn("a,\"b") && torn("a,\"b\"\"") && torn("\"x\n1,2\n"));
        for whole in ["a,b", "a,\"b\"\n", "5\" pipe,1\n", "\"a \"\"b\"\"\",c", "\"\""] {
            assert!(!torn(whole), "{whole}");
        }
    }
}
