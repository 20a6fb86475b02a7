//! What the verbs share in reading their arguments.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use dab_proof::files::LedgerPlace;
use dab_proof::leaf::Subject;
use dab_proof::report::Report;

/// Stands under the help of every verb.
const EXIT_CODES: &str = "\
Exit codes:
   0  valid      all that was checked holds
   1  invalid    something is changed, forged or missing
   2  undecided  something could not be read, nothing was found wrong
  64  the command line is wrong: nothing was checked
";

/// What a verb comes to.
pub(super) enum Outcome {
    /// A text that was asked for, such as the help.
    Text(String),
    /// The answer to a check.
    Report {
        /// What was found.
        report: Box<Report>,
        /// Whether it is to be printed as JSON.
        json: bool,
    },
}

/// A command line that cannot be understood, and why.
#[derive(Debug)]
pub(super) struct Usage(pub(super) String);

impl Outcome {
    pub(super) fn help(text: &str) -> Outcome {
        Outcome::Text(with_exit_codes(text))
    }

    pub(super) fn report(report: Report, options: &Options) -> Outcome {
        Outcome::Report {
            report: Box::new(report),
            json: options.json,
        }
    }
}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Usage {
        Usage(format!("{error}, see --help"))
    }
}

pub(super) fn with_exit_codes(help: &str) -> String {
    format!("{help}\n{EXIT_CODES}")
}

/// The arguments as text; what is no UTF-8 is no verb either and becomes an empty word.
pub(super) fn words(arguments: &[OsString]) -> Vec<&str> {
    arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or(""))
        .collect()
}

/// Options of one verb, each at most once (`--data` may come again).
#[derive(Default)]
pub(super) struct Options {
    pub(super) operand: Option<PathBuf>,
    pub(super) second: Option<PathBuf>,
    pub(super) trust: Option<PathBuf>,
    pub(super) table_id: Option<String>,
    pub(super) subject: Option<Subject>,
    pub(super) commit: Option<PathBuf>,
    pub(super) data: Vec<PathBuf>,
    pub(super) ledger: Option<OsString>,
    pub(super) since: Option<PathBuf>,
    pub(super) proof: Option<PathBuf>,
    pub(super) deep: bool,
    pub(super) write: bool,
    pub(super) json: bool,
    pub(super) help: bool,
}

impl Options {
    /// Reads the arguments of a verb that takes `--trust`, `--json` and the options `allowed`.
    pub(super) fn read(arguments: &[OsString], allowed: &[&str]) -> Result<Options, Usage> {
        use lexopt::Arg::{Long, Short, Value};
        let mut options = Options::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("help") | Short('h') => options.help = true,
                Long("json") => options.json = true,
                Long("trust") => set(&mut options.trust, "--trust", parser.value()?.into())?,
                Long("table-id") if allowed.contains(&"table-id") => {
                    set(&mut options.table_id, "--table-id", read_table_id(parser.value()?)?)?;
                }
                Long("subject") if allowed.contains(&"subject") => {
                    set(&mut options.subject, "--subject", read_subject(parser.value()?)?)?;
                }
                Long("commit") if allowed.contains(&"commit") => {
                    set(&mut options.commit, "--commit", parser.value()?.into())?;
                }
                Long("data") if allowed.contains(&"data") => options.data.push(parser.value()?.into()),
                Long("ledger") if allowed.contains(&"ledger") => {
                    set(&mut options.ledger, "--ledger", parser.value()?)?;
                }
                Long("since") if allowed.contains(&"since") => {
                    set(&mut options.since, "--since", parser.value()?.into())?;
                }
                Long("proof") if allowed.contains(&"proof") => {
                    set(&mut options.proof, "--proof", parser.value()?.into())?;
                }
                Long("write") if allowed.contains(&"write") => options.write = true,
                Long("deep") if allowed.contains(&"deep") => options.deep = true,
                Value(operand) if options.operand.is_none() => options.operand = Some(operand.into()),
                Value(operand) if allowed.contains(&"second") && options.second.is_none() => {
                    options.second = Some(operand.into());
                }
                unexpected => return Err(unexpected.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// The operand, which has to be there. The words of `what` say which.
    pub(super) fn operand(&self, what: &str) -> Result<&Path, Usage> {
        self.operand
            .as_deref()
            .ok_or_else(|| Usage(format!("{what} is needed, see --help")))
    }

    /// The trust folder, which has to be there.
    pub(super) fn trust(&self) -> Result<&Path, Usage> {
        let needed = "--trust DIR is needed: the folder with the files policy and writers";
        self.trust.as_deref().ok_or_else(|| Usage(needed.to_owned()))
    }
}

fn read_table_id(value: OsString) -> Result<String, Usage> {
    let value = value.to_string_lossy();
    match Subject::table(&value) {
        Ok(_) if !value.starts_with("table/") => Ok(value.into_owned()),
        _ => Err(Usage(format!(
            "--table-id {value:?} is no table id: give what a report prints after `table id`"
        ))),
    }
}

fn read_subject(value: OsString) -> Result<Subject, Usage> {
    let value = value.to_string_lossy();
    value
        .parse()
        .map_err(|_| Usage(format!("--subject {value:?} is no subject: give one as digest/NAME")))
}

/// The folder of a ledger, or the advice where URLs are read.
pub(super) fn local(place: LedgerPlace) -> Result<PathBuf, Usage> {
    match place {
        LedgerPlace::Folder(folder) => Ok(folder),
        LedgerPlace::Url(url) => Err(remote(&url)),
    }
}

/// Refuses an operand that is a URL.
pub(super) fn check_local(operand: &OsStr) -> Result<(), Usage> {
    match operand.to_str() {
        Some(url) if url.contains("://") => Err(remote(url)),
        _ => Ok(()),
    }
}

fn remote(url: &str) -> Usage {
    Usage(format!(
        "{url} is a URL, and this program reads local files only: `dab audit` reads URLs"
    ))
}

fn set<T>(place: &mut Option<T>, option: &str, value: T) -> Result<(), Usage> {
    match place.replace(value) {
        Some(_) => Err(Usage(format!("{option} is given twice"))),
        None => Ok(()),
    }
}
