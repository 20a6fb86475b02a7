//! The ledger node from outside: what its callers, its operators and a crash do to it.

mod catching_up;
mod contention;
mod cores;
mod crash;
mod first_start;
mod forwarded;
mod group;
mod head_proofs;
mod http;
mod kill;
mod members;
mod mixed;
mod node;
mod replicas;
mod syscalls;
mod vectors;
mod witnessed;
mod world;
mod writers;
mod writing;

/// The harness's own way to say what is skipped. Its file and not its crate, which needs much that a ledger does not.
#[allow(unreachable_pub)]
#[path = "../../../tests/src/say.rs"]
mod say;
