//! dab
fn main() {}
