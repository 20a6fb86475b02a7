//! The blocks of code in a Markdown document.

/// Opens a line above a block that the tests do not run; the reason follows, then `-->`.
const NOT_RUN: &str = "<!-- not run by a test of its own: ";

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// Where it begins: `README.md:8`.
    pub place: String,
    /// The word behind its fence; empty where there is none.
    pub language: String,
    /// Its lines.
    pub text: String,
    /// Why no test runs it, if the line above it says so.
    pub not_run: Option<String>,
}

/// All fenced blocks of a document.
///
/// # Panics
/// When one is not closed.
pub fn snippets(document: &str, text: &str) -> Vec<Snippet> {
    let mut found = Vec::new();
    let mut open: Option<Snippet> = None;
    let mut above = "";
    for (line, number) in text.lines().zip(1..) {
        let fence = line.trim_start().strip_prefix("```");
        match (open.take(), fence) {
            (None, Some(language)) => {
                let reason = above.strip_prefix(NOT_RUN).and_then(|rest| rest.strip_suffix(" -->"));
                open = Some(Snippet {
                    place: format!("{document}:{number}"),
                    language: language.trim().to_owned(),
                    text: String::new(),
                    not_run: reason.map(str::to_owned),
                });
            }
            (Some(snippet), Some(_)) => found.push(snippet),
            (Some(mut snippet), None) => {
                snippet.text += line.trim_start_matches("$ ");
                snippet.text.push('\n');
                open = Some(snippet);
            }
            (None, None) => {}
        }
        above = line;
    }
    assert!(open.is_none(), "{document}: a block is not closed");
    found
}

/// The commands of a shell's snippet, continued lines joined.
pub fn commands(text: &str) -> Vec<String> {
    text.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// The code spans of a document, those inside blocks left out.
pub fn code_spans(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
