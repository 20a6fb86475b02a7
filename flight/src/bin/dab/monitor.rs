//! `dab monitor`: follows a ledger, and calls out when something is wrong.

mod command;
mod ledger_files;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, value_parser};
use dab_ledger::clock::{Clock, SystemClock};
use dab_ledger::monitor::MonitorState;
use dab_proof::files::{DirSource, LedgerPlace, ledger_place, read_trust};
use dab_proof::monitor::{Alarm, AlarmKind, Expected, HEADS_MAX, Heads, Known, Pending, Seen, Trouble, look};
use dab_proof::policy::Policy;
use dab_proof::report::{LINE_CHARS_MAX, escape};
use dab_proof::trust::Trust;

use self::ledger_files::LedgerFiles;
use crate::audit::web_source::WebSource;
use crate::program::shell_word;

/// With --once, when not all could be checked and nothing was found wrong.
const UNDECIDED: u8 = 2;

/// How long a look may take where neither --look-s nor --stall-s says it.
const LOOK_TIME_MAX_S: u64 = 3600;

const HELP: &str = "\
Each look fetches the checkpoint, proves that the ledger only grew since the
last one accepted, and checks every new leaf. The first look checks all leaves.
DIR/checkpoint is what was accepted last. An alarm changes nothing there, so the
next start looks at the same again; its evidence is kept in DIR/evidence.

A certified checkpoint whose files cannot be read, or do not hold, is kept in
DIR/pending: what is shown later has to go together with it. A server is read where the URL says:
redirects are not followed, and proxies of the environment are not used.

Exit codes:
   0  with --once: all that was looked at is good
   1  the monitor cannot work, for instance write into its directory
   2  with --once: something could not be read or followed, nothing was found
      wrong
  10  fork: two checkpoints, both certified, contradict each other
  11  shrunk: the ledger shows a smaller tree than before
  12  stalled: nothing new for longer than --stall-s; where the policy asks for
      cosigners, no new cosignatures, else no growth
  13  writer: a leaf by somebody who is not expected, or on what they may not
  14  bad: a checkpoint, tile or leaf that does not hold
  15  witnesses: all is good, and TRUST/policy asks for other witnesses outside
      than at the last look; said once, the next start goes on
  64  the command line is wrong

Where a ledger changes who certifies, its checkpoints soon do not count under the
policy before: `dab-verify follow` has the trust directory follow, tells who
comes and goes, and the monitor goes on from what it had accepted.

COMMAND runs in a shell, with these in its environment:
  DAB_ALARM           fork, shrunk, stalled, writer, bad or witnesses
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

    /// Seconds that one look at a server may take, the first one over all leaves too
    /// [default: as long as a stall, else 3600]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), allow_negative_numbers = true)]
    look_s: Option<u64>,

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
    /// The policy as the trust directory has it.
    policy: Vec<u8>,
    /// Where the ledger is read, as it was named.
    place: String,
    source: LedgerFiles,
    state: MonitorState,
    known: Option<Known>,
    /// What was shown and could not be followed to.
    pending: Pending,
    /// When this process began: a ledger that it never saw is silent since then.
    began: Instant,
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
        if monitor.unread.is_none() {
            let told = monitor
                .witnesses_changed()?
                .map(|alarm| monitor.call_out(&alarm))
                .transpose()?;
            // only now: a crash before has it told once more
            monitor
                .state
                .keep_policy(&monitor.policy)
                .context("cannot keep the policy")?;
            if let Some(exit) = told {
                return Ok(exit);
            }
        }
        if args.once {
            return Ok(ExitCode::from(if monitor.checked_all() { 0 } else { UNDECIDED }));
        }
        thread::sleep(Duration::from_secs(args.interval_s));
    }
}

impl<'a> Monitor<'a> {
    fn start(args: &'a MonitorArgs) -> Result<Self> {
        let unusable = || format!("the trust directory {} cannot be used", args.trust.display());
        let mut trust = read_trust(&args.trust).with_context(unusable)?;
        let policy = std::fs::read(args.trust.join("policy")).with_context(unusable)?;
        // the same that is kept, also where somebody has just written another
        trust.policy = Policy::parse(&policy).with_context(unusable)?;
        for name in &args.writers {
            if !trust.writers.iter().any(|writer| writer.name() == name) {
                let file = args.trust.join("writers");
                bail!("--writer {name}: {} lists no key of that name", file.display());
            }
        }
        let (place, source) = open_source(args, &trust)?;
        let state = MonitorState::open(&args.state).context("cannot use the monitor's directory")?;
        let known = state.load(&trust.policy)?;
        let pending = state.load_pending(&trust.policy)?;
        Ok(Self {
            args,
            trust,
            policy,
            place,
            source,
            state,
            known,
            pending,
            began: Instant::now(),
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
        let look_s = self.args.look_s.or(self.args.stall_s).unwrap_or(LOOK_TIME_MAX_S);
        self.source.begin(Duration::from_secs(look_s));
        let mut pending = self.pending.clone();
        let found = look(&self.source, expected, self.known.as_ref(), &mut pending);
        if let Ok(seen) = &found {
            self.state
                .store(self.known.as_ref(), seen, &self.trust.policy, &self.policy)
                .context("cannot keep what was accepted")?;
        }
        // only now: what was accepted stands for those that are dropped
        if pending != self.pending {
            let kept = self.state.store_pending(&pending);
            kept.context("cannot keep what was shown")?;
            self.pending = pending;
        }
        let seen = match found {
            Ok(seen) => seen,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let incomplete_once = self.args.once && !seen.heads.is_complete();
        if self.unread.take().is_some() || seen.leaves > 0 || self.known.is_none() || incomplete_once {
            // whoever read our output may have seen enough; the alarm is still due
            let _ = writeln!(std::io::stdout(), "{}", summary(&seen));
        }
        for leaf in seen.changes.iter().filter(|_| self.known.is_some()) {
            let _ = writeln!(
                std::io::stdout(),
                "notice: leaf {leaf} begins an epoch: see dab-verify follow"
            );
        }
        self.known = Some(seen.into_known());
        Ok(Ok(()))
    }

    fn stalled(&self) -> Result<Option<Alarm>> {
        let Some(stall_s) = self.args.stall_s else {
            return Ok(None);
        };
        let Some(known) = &self.known else {
            return Ok(never_seen(self.began.elapsed(), stall_s, self.unread.as_deref()));
        };
        let now_unix_s = SystemClock.unix_ms() / 1000;
        let last = self.state.last_sign(known, &self.trust.policy)?;
        Ok(last.stalled(known, now_unix_s, stall_s, self.unread.as_deref()))
    }

    /// The alarm when the policy asks for other witnesses outside than at the last look, which this process or an earlier one took.
    fn witnesses_changed(&self) -> Result<Option<Alarm>> {
        let before = self.state.policy_before()?;
        let changed = before.and_then(|before| self.trust.policy.outside_since(&before));
        Ok(changed.map(|changed| {
            let reason = format!("the policy asks for other witnesses outside: {changed}");
            Alarm::new(AlarmKind::Witnesses, reason)
        }))
    }

    /// Whether the last look left nothing out.
    fn checked_all(&self) -> bool {
        let heads = self.known.as_ref().and_then(|known| known.heads.as_ref());
        self.unread.is_none() && heads.is_none_or(Heads::is_complete)
    }

    fn say_unread(&mut self, reason: String) {
        if self.unread.as_ref() != Some(&reason) {
            say(&format!("undecided: {}", shown(&reason)));
        }
        self.unread = Some(reason);
    }

    /// Keeps the evidence, runs the operator's command, and says what is wrong. In this order: nobody may read what is said,
    /// and a pipe that nobody empties would hold up the command.
    fn call_out(&self, alarm: &Alarm) -> Result<ExitCode> {
        // an alarm is called out even where its evidence cannot be kept
        let kept = self.state.keep(alarm);
        let evidence = kept.as_ref().ok().and_then(|kept| kept.as_deref());
        let reason = shown(&alarm.reason);
        let told = command::Alarm {
            word: alarm.kind.word(),
            reason: &reason,
            evidence,
            ledger: &self.place,
        };
        let ran = self.args.on_alarm.as_ref().map(|command| command::run(command, &told));
        say(&format!("ALARM {}: {reason}", alarm.kind.word()));
        match (&kept, evidence) {
            (Err(error), _) => say(&format!("the evidence cannot be kept: {error}")),
            (Ok(_), Some(folder)) => say(&format!("evidence: {}", folder.display())),
            (Ok(_), None) if alarm.files.is_empty() => {}
            (Ok(_), None) => say(&format!(
                "enough evidence of this kind is kept in {}",
                self.args.state.display()
            )),
        }
        if let (AlarmKind::Fork, Some(folder)) = (alarm.kind, evidence) {
            say(&format!("check it: {}", fork_command(folder, &self.args.trust)));
        }
        if let Some(Err(error)) = ran {
            say(&format!("--on-alarm: {error:#}"));
        }
        Ok(ExitCode::from(alarm.kind.exit_code()))
    }
}

/// The alarm where no look was ever accepted, when this process has tried for longer than `stall_s`.
fn never_seen(tried: Duration, stall_s: u64, unread: Option<&str>) -> Option<Alarm> {
    let tried_s = tried.as_secs();
    let unread = unread.map(|reason| format!(": {reason}")).unwrap_or_default();
    let reason = format!("the ledger could not be read for {tried_s} s, {stall_s} are allowed{unread}");
    (tried_s > stall_s).then(|| Alarm::new(AlarmKind::Stalled, reason))
}

fn open_source(args: &MonitorArgs, trust: &Trust) -> Result<(String, LedgerFiles)> {
    Ok(match ledger_place(&args.trust, trust, args.ledger.as_deref())? {
        LedgerPlace::Folder(folder) => (
            folder.display().to_string(),
            LedgerFiles::Folder(DirSource::new(folder)),
        ),
        LedgerPlace::Url(url) => {
            let source = WebSource::open(&url, &args.trust.join("ca.pem"))?;
            (url, LedgerFiles::Web(Box::new(source)))
        }
    })
}

/// A line for whoever watches; when nobody does any more, the monitor goes on.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
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
    let unfollowed = match seen.heads.is_complete() {
        true => String::new(),
        false => format!(", the order within subjects beyond the first {HEADS_MAX} is not checked"),
    };
    escape(&format!(
        "good: size {}, {new}, {signed}{unfollowed}, ledger {}",
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
