//! `dab witness`: cosigns checkpoints of ledgers that it knows, until it is interrupted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use dab_flight::{Limits, serve_http, tls};
use dab_ledger::clock::SystemClock;
use dab_ledger::witness::{Witness, WitnessConfig, router};
use dab_proof::files::read_trust;
use dab_proof::note::VerifierKey;
use dab_proof::report::escape;
use tokio::net::TcpListener;

use crate::output::print_line;
use crate::stopping::{StopSignals, stdin_ended};

/// Connections open at once, and from one address: ledgers are few, and each keeps one. Few enough from one address that
/// many have to come together to take them all.
const CONNECTIONS_MAX: usize = 256;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 8;

/// How long a connection on which nothing moves is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way have after the signal to stop; each is a matter of milliseconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

const HELP: &str = "\
A witness cosigns a ledger's checkpoint when the ledger only grew since the last
one that it cosigned (C2SP tlog-witness). It keeps one checkpoint for each
ledger, and no data. Whoever brings it a ledger's checkpoints gets a
cosignature, which a policy may ask for by the printed line; whoever verifies
then knows that nobody was shown another history than this witness. A DAB node
asks those that its trust/policy names with a URL.

What contradicts a cosigned checkpoint is kept in DIR/evidence, to be checked
with `dab-verify fork`. Never restore DIR from an old copy: a witness that
forgets what it cosigned is worse than none. It notices that where it can, and
then cosigns nothing more.";

/// What `dab witness` takes.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct WitnessArgs {
    /// The witness's own directory: its key, and what it cosigned last
    #[arg(long, value_name = "DIR")]
    state: PathBuf,

    /// A ledger to witness, by its key (from its trust/policy, after `log`)
    #[arg(long = "log", value_name = "VKEY", required_unless_present_any = ["trust", "print_key"])]
    logs: Vec<VerifierKey>,

    /// Witness every ledger that DIR/policy lists
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,

    /// Print the witness's key, making it where it is missing, and end: a ledger may be founded with it
    #[arg(long)]
    print_key: bool,

    /// The witness's name, fixed at the first start [default: a random one]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Where to serve; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:32012",
        env = "DAB_WITNESS_LISTEN"
    )]
    listen: SocketAddr,

    /// Serve over TLS with this certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its private key, PEM, mode 0600
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Stop when standard input ends: with whoever started this witness
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

pub(crate) async fn run(args: WitnessArgs) -> Result<()> {
    let config = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(tls::config_of_files(certificate, key)?),
        _ if args.listen.ip().is_loopback() => None,
        _ => bail!(
            "on {} only with --tls-cert and --tls-key: without them, only on 127.0.0.1 or [::1]",
            args.listen
        ),
    };
    if args.print_key {
        return print_key(args);
    }
    let logs = logs(&args)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another with --listen", args.listen))?;
    let scheme = if config.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr()?);
    let witness = WitnessConfig {
        dir: args.state.clone(),
        name: args.name,
        logs,
        clock: Arc::new(SystemClock),
    };
    let opened = tokio::task::spawn_blocking(move || Witness::open(witness)).await?;
    let witness = Arc::new(opened.context("cannot start the witness")?);
    announce(&witness, &url);
    // Before anybody is answered: a signal in between would find nobody who listens for it.
    let mut signals = StopSignals::new()?;
    let stop = async move {
        tokio::select! {
            () = signals.wait() => {}
            () = stdin_ended(args.until_stdin_ends) => {}
        }
    };
    serve_http(vec![listener], router(witness), config, &limits(), stop).await?;
    Ok(())
}

fn print_key(args: WitnessArgs) -> Result<()> {
    let witness = WitnessConfig {
        dir: args.state,
        name: args.name,
        logs: Vec::new(),
        clock: Arc::new(SystemClock),
    };
    let witness = Witness::open(witness).context("cannot open the witness")?;
    print_line!("{}", witness.verifier());
    Ok(())
}

fn logs(args: &WitnessArgs) -> Result<Vec<VerifierKey>> {
    let mut logs = args.logs.clone();
    if let Some(dir) = &args.trust {
        let trust = read_trust(dir).with_context(|| format!("the trust directory {} cannot be used", dir.display()))?;
        logs.extend(trust.policy.logs().iter().map(|log| log.key.clone()));
        if logs.is_empty() {
            bail!(
                "{} lists no log: there is nothing to witness",
                dir.join("policy").display()
            );
        }
    }
    logs.sort_by_key(ToString::to_string);
    logs.dedup();
    Ok(logs)
}

fn announce(witness: &Witness, url: &str) {
    println!("witness     {url}");
    for origin in witness.origins() {
        println!("ledger      {}", escape(origin));
    }
    // what a policy calls a witness is one word, as the name of its key is
    println!(
        "policy      witness {} {} {url}",
        witness.verifier().name(),
        witness.verifier()
    );
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.connections_max = CONNECTIONS_MAX;
    limits.connections_per_address_max = CONNECTIONS_PER_ADDRESS_MAX;
    limits.connection_idle_timeout = IDLE_TIMEOUT;
    limits.drain_timeout = DRAIN_TIMEOUT;
    limits
}
