//! A witness from outside, over real sockets, and the ledger's client of it; and a monitor's directory.

mod client;
mod evidence;
mod memory;
mod monitor;
mod status;
mod vectors;
mod world;
