//! The whole-system tests, one module per question. `tests/README.md` says which answers which.

mod scene;
mod world;

mod attacks;
mod crash;
mod failed_ledger;
mod large_commits;
mod repeat;
mod tamper;

mod concurrency;
mod full_disk;

mod cli;
mod fsyncs;
mod offline;
mod quickstart;
mod refusals;
mod serving;
mod sql;

mod building;
mod layers;
mod snippets;
mod supply;
mod tidy;
