//! What goes to standard output and standard error. Words from outside do not steer the terminal, and a reader that has
//! seen enough, as in `dab history orders | head`, is no failure.

use std::io::{ErrorKind, Write};

use anyhow::Result;
use dab_proof::report::escape;

/// Prints a line as `println!` does, but for its end: where nobody reads any more the caller returns that as its error.
macro_rules! print_line {
    ($($text:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($($text)*)))?
    };
}

pub(crate) use print_line;

/// Prints a text.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}")?;
    Ok(())
}

/// Says on standard error what went wrong, and why.
pub(crate) fn complain(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let lines: Vec<_> = text.lines().map(escape).collect();
    let _ = writeln!(std::io::stderr(), "error: {}", lines.join("\n"));
}

/// Whether the error is only that nobody reads our output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        io == Some(ErrorKind::BrokenPipe) || cause.to_string().contains("Broken pipe")
    })
}
