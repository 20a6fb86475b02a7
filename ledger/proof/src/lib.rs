//! dab-proof
