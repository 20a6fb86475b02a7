//! The ledger node from outside: what its callers, its operators and a crash do to it.

mod contention;
mod crash;
mod first_start;
mod http;
mod kill;
mod mixed;
mod node;
mod syscalls;
mod world;
