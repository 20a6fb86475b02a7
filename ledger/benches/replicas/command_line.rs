//! What is to be measured.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::clients::Load;

pub(crate) const USAGE: &str = "\
replicas load [--clients N] [--per-second N] [--seconds N] [--unsigned]
                     leaves/s and submit-to-certified latency of four replicas;
                     with --unsigned nobody signs a leaf or checks one
replicas failover [--rounds N]
                     time without an answer when the leader crashes
replicas fill DIR [--leaves N]
                     founds four replicas in DIR, three of which take N leaves
                     and crash
replicas recover DIR [--proofs N]
                     starts those three again; proofs, audit, memory
replicas catch-up DIR
                     starts the fourth, which is empty";

/// What is to be measured.
#[derive(Debug)]
pub(crate) enum Command {
    Load(Load),
    Failover { rounds: usize },
    Fill { dir: PathBuf, leaves: u64 },
    Recover { dir: PathBuf, proofs: usize },
    CatchUp { dir: PathBuf },
}

impl Command {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let (mut words, mut load) = (Vec::new(), Load::default());
        let (mut rounds, mut leaves, mut proofs) = (3, 1_000_000, 1000);
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("clients") => load.clients = arguments.value()?.parse()?,
                Long("per-second") => load.per_second = Some(arguments.value()?.parse()?),
                Long("unsigned") => load.unsigned = true,
                Long("seconds") => load.span = Duration::from_secs_f64(arguments.value()?.parse()?),
                Long("rounds") => rounds = arguments.value()?.parse()?,
                Long("leaves") => leaves = arguments.value()?.parse()?,
                Long("proofs") => proofs = arguments.value()?.parse()?,
                // what cargo says to every benchmark
                Long("bench") => {}
                Value(word) => words.push(word),
                other => return Err(other.unexpected()),
            }
        }
        let mut words = words.into_iter();
        let verb = words.next().ok_or("it takes a command")?.string()?;
        let mut dir = || words.next().map(PathBuf::from).ok_or("it takes a directory");
        Ok(match verb.as_str() {
            "load" => Self::Load(load),
            "failover" => Self::Failover { rounds },
            "fill" => Self::Fill { dir: dir()?, leaves },
            "recover" => Self::Recover { dir: dir()?, proofs },
            "catch-up" => Self::CatchUp { dir: dir()? },
            other => return Err(format!("there is no command {other}").into()),
        })
    }
}
