//! The auditor's verifier.
fn main() {}
