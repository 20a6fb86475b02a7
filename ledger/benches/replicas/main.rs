//! Four replicas on this machine, with real files and real fsyncs, over TLS on loopback. Prints one line of JSON.
//!
//! ```text
//! cargo bench -p dab-ledger --features testing --bench replicas -- load --clients 64
//! ```
//!
//! `tests/bench/ledger/run` builds it, runs it in turns with etcd and prints what comes out; its README says what each
//! figure means. A long ledger is filled once and then looked at by processes that begin as after a crash.

mod clients;
mod command_line;

mod failover;
mod load;

mod lasting_group;

mod catch_up;
mod fill;
mod recover;

mod process;

use std::io::Write as _;

use command_line::Command;

// as `dab` has it
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    reason = "nothing may be dropped: every replica ends as in a crash"
)]
async fn main() {
    let command = match Command::parse() {
        Ok(command) => command,
        Err(error) => {
            eprintln!("replicas: {error}\n\n{}", command_line::USAGE);
            std::process::exit(64);
        }
    };
    let found = match command {
        Command::Load(load) => load::measure(&load).await,
        Command::Failover { rounds } => failover::measure(rounds).await,
        Command::Fill { dir, leaves } => fill::measure(&dir, leaves).await,
        Command::Recover { dir, proofs } => recover::measure(&dir, proofs).await,
        Command::CatchUp { dir } => catch_up::measure(&dir).await,
    };
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{found}").and_then(|()| out.flush());
    // Nothing is dropped: every replica ends as in a crash of its process, and the next command finds what that leaves.
    std::process::exit(0);
}
