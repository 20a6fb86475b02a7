//! What goes to standard output and standard error. Words from outside do not steer the terminal, and a reader that has
//! seen enough, as in `dab history orders | head`, is no failure.

use std::io::{ErrorKind, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

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
    write!(StandardOutput::new(), "{text}")?;
    Ok(())
}

/// Set once nobody reads standard output any more.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Standard output, which remembers that nobody reads it any more.
#[derive(Debug)]
pub(crate) struct StandardOutput(Stdout);

impl StandardOutput {
    pub(crate) fn new() -> Self {
        Self(std::io::stdout())
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).inspect_err(note_unread)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().inspect_err(note_unread)
    }
}

fn note_unread(error: &std::io::Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        UNREAD.store(true, Ordering::Relaxed);
    }
}

/// Says on standard error what went wrong, and why.
pub(crate) fn complain(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let lines: Vec<_> = text.lines().map(escape).collect();
    let _ = writeln!(std::io::stderr(), "error: {}", lines.join("\n"));
}

/// Whether what ended a command is that nobody reads its output any more. A broken connection says the same words: it is told by
/// where it was met.
pub(crate) fn is_unread() -> bool {
    UNREAD.load(Ordering::Relaxed)
}
