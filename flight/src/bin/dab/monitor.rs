//! `dab monitor`: follows a ledger, and calls out when something is wrong.

mod command;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, value_parser};
use dab_ledger::clock::{Clock, SystemClock};
use dab_ledger::monitor::MonitorState;
use dab_proof::files::{DirSource, LedgerPlace, ledger_place, read_trust};
use dab_proof::monitor::{Alarm, AlarmKind, Expected, Known, Seen, Trouble, look};
use dab_proof::report::{LINE_CHARS_MAX, escape};
use dab_proof::source::Source;
use dab_proof::trust::Trust;

use crate::audit::web_source::WebSource;
use crate::program::shell_word;

/// With --once, when something could not be read and nothing was found wrong.
const UNDECIDED: u8 = 2;

const HELP: &str = "\
Each look fetches the checkpoint, proves that the ledger only grew since the
last one accepted, and checks every new leaf. The first look checks all leaves.
DIR/checkpoint is what was accepted last. An alarm changes nothing there, so the
next start looks at the same again; its evidence is kept in DIR/evidence.

Exit codes:
   0  with --once: all that was looked at is good
   1  the monitor cannot work, for instance write into its directory
   2  with --once: something could not be read, nothing was found wrong
  10  fork: two checkpoints, both certified, contradict each other
  11  shrunk: the ledger shows a smaller tree than before
  12  stalled: nothing new for longer than --stall-s; where the policy asks for
      cosigners, no new cosignatures, else no growth
  13  writer: a leaf by somebody who is not expected, or on what they may not
  14  bad: a checkpoint, tile or leaf that does not hold
  64  the command line is wrong

COMMAND runs in a shell, with these in its environment:
  DAB_ALARM           fork, shrunk, stalled, writer or bad
  DAB_ALARM_REASON    what is wrong, in plain words
  DAB_ALARM_EVIDENCE  the folder of the evidence; empty when none was kept
  DAB_ALARM_LEDGER    where the ledger was read";

/// What `dab monitor` takes.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct MonitorArgs {
    /// The ledger's public files [default: the one named in trust/ledger]
    #[arg(value_name = "URL_OR_PATH")]
    ledger: Option<String>,

    /// The trust directory
    #[arg(long, value_name = "DIR")]
    trust: PathBuf,

    /// The monitor's own directory: what it accepted last, and evidence
    #[arg(long, value_name = "DIR")]
    state: PathBuf,

    /// Seconds from one look to the next
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = value_parser!(u64).range(1..), allow_negative_numbers = true)]
    interval_s: u64,

    /// Look once and end
    #[arg(long)]
    once: bool,

    /// Call out when nothing is new for N seconds [default: never]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), allow_negative_numbers = true)]
    stall_s: Option<u64>,

    /// Expect this writer, of trust/writers; may be given several times [default: all of them]
    #[arg(long = "writer", value_name = "NAME")]
    writers: Vec<String>,

    /// Run this when there is an alarm
    #[arg(long, value_name = "COMMAND")]
    on_alarm: Option<String>,
}

/// A monitor that runs.
struct Monitor<'a> {
    args: &'a MonitorArgs,
    trust: Trust,
    /// Where the ledger is read, as it was named.
    place: String,
    source: Box<dyn Source>,
    state: MonitorState,
    known: Option<Known>,
    /// Why the last look could not tell, so that the same is not said again and again.
    unread: Option<String>,
}

/// Follows the ledger until there is an alarm.
pub(crate) fn run(args: &MonitorArgs) -> Result<ExitCode> {
    let mut monitor = Monitor::start(args)?;
    loop {
        let alarm = match monitor.look()? {
            Ok(()) => None,
            Err(Trouble::Alarm(alarm)) => Some(*alarm),
            Err(Trouble::Undecided(error)) => {
                monitor.say_unread(error.to_string());
                None
            }
        };
        if let Some(alarm) = alarm.map_or_else(|| monitor.stalled(), |alarm| Ok(Some(alarm)))? {
            return monitor.call_out(&alarm);
        }
        if args.once {
            return Ok(ExitCode::from(if monitor.unread.is_some() { UNDECIDED } else { 0 }));
        }
        thread::sleep(Duration::from_secs(args.interval_s));
    }
}

impl<'a> Monitor<'a> {
    fn start(args: &'a MonitorArgs) -> Result<Self> {
        let trust = read_trust(&args.trust)
            .with_context(|| format!("the trust directory {} cannot be used", args.trust.display()))?;
        for name in &args.writers {
            if !trust.writers.iter().any(|writer| writer.name() == name) {
                let file = args.trust.join("writers");
                bail!("--writer {name}: {} lists no key of that name", file.display());
            }
        }
        let (place, source) = open_source(args, &trust)?;
        let state = MonitorState::open(&args.state).context("cannot use the monitor's directory")?;
        let known = state.load(&trust.policy)?;
        Ok(Self {
            args,
            trust,
            place,
            source,
            state,
            known,
            unread: None,
        })
    }

    /// One look; what is good becomes what is known.
    fn look(&mut self) -> Result<Result<(), Trouble>> {
        let writers = (!self.args.writers.is_empty()).then_some(self.args.writers.as_slice());
        let expected = Expected {
            trust: &self.trust,
            writers,
        };
        let seen = match look(self.source.as_ref(), expected, self.known.as_ref()) {
            Ok(seen) => seen,
            Err(trouble) => return Ok(Err(trouble)),
        };
        self.state
            .store(self.known.as_ref(), &seen, &self.trust.policy)
            .context("cannot keep what was accepted")?;
        if self.unread.take().is_some() || seen.leaves > 0 || self.known.is_none() {
            // whoever read our output may have seen enough; the alarm is still due
            let _ = writeln!(std::io::stdout(), "{}", summary(&seen));
        }
        self.known = Some(seen.into_known());
        Ok(Ok(()))
    }

    fn stalled(&self) -> Result<Option<Alarm>> {
        let (Some(stall_s), Some(known)) = (self.args.stall_s, &self.known) else {
            return Ok(None);
        };
        let now_unix_s = SystemClock.unix_ms() / 1000;
        let last = self.state.last_sign(known, &self.trust.policy)?;
        Ok(last.stalled(known, now_unix_s, stall_s, self.unread.as_deref()))
    }

    fn say_unread(&mut self, reason: String) {
        if self.unread.as_ref() != Some(&reason) {
            eprintln!("undecided: {}", shown(&reason));
        }
        self.unread = Some(reason);
    }

    /// Keeps the evidence, says what is wrong, and runs the operator's command.
    fn call_out(&self, alarm: &Alarm) -> Result<ExitCode> {
        // an alarm is called out even where its evidence cannot be kept
        let kept = self.state.keep(alarm);
        let evidence = kept.as_ref().ok().and_then(|kept| kept.as_deref());
        let reason = shown(&alarm.reason);
        eprintln!("ALARM {}: {reason}", alarm.kind.word());
        match (&kept, evidence) {
            (Err(error), _) => eprintln!("the evidence cannot be kept: {error}"),
            (Ok(_), None) => eprintln!("enough evidence of this kind is kept in {}", self.args.state.display()),
            (Ok(_), Some(folder)) => eprintln!("evidence: {}", folder.display()),
        }
        if let (AlarmKind::Fork, Some(folder)) = (alarm.kind, evidence) {
            eprintln!("check it: {}", fork_command(folder, &self.args.trust));
        }
        if let Some(command) = &self.args.on_alarm {
            let alarm = command::Alarm {
                word: alarm.kind.word(),
                reason: &reason,
                evidence,
                ledger: &self.place,
            };
            if let Err(error) = command::run(command, &alarm) {
                eprintln!("--on-alarm: {error:#}");
            }
        }
        Ok(ExitCode::from(alarm.kind.exit_code()))
    }
}

fn open_source(args: &MonitorArgs, trust: &Trust) -> Result<(String, Box<dyn Source>)> {
    Ok(match ledger_place(&args.trust, trust, args.ledger.as_deref())? {
        LedgerPlace::Folder(folder) => (folder.display().to_string(), Box::new(DirSource::new(folder))),
        LedgerPlace::Url(url) => {
            let source = WebSource::open(&url, &args.trust.join("ca.pem"))?;
            (url, Box::new(source))
        }
    })
}

/// Words from a ledger, safe to print and to hand on.
fn shown(reason: &str) -> String {
    escape(&reason.chars().take(LINE_CHARS_MAX).collect::<String>())
}

fn summary(seen: &Seen) -> String {
    let head = seen.signed.checkpoint();
    let new = match seen.leaves {
        0 => "nothing new".to_owned(),
        1 => "1 new leaf".to_owned(),
        leaves => format!("{leaves} new leaves"),
    };
    let signed = match seen.certification.cosigners.len() {
        0 => "certifies alone".to_owned(),
        1 => "1 cosigner".to_owned(),
        cosigners => format!("{cosigners} cosigners"),
    };
    escape(&format!(
        "good: size {}, {new}, {signed}, ledger {}",
        head.size, head.origin
    ))
}

fn fork_command(folder: &Path, trust: &Path) -> String {
    let [first, second, proof] = ["first", "second", "proof"].map(|name| folder.join(name));
    let mut command = format!("dab-verify fork {} {}", shell_word(&first), shell_word(&second));
    command += &format!(" --trust {}", shell_word(trust));
    if proof.exists() {
        command += &format!(" --proof {}", shell_word(&proof));
    }
    command
}
