//! dab-bench
