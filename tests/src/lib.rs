//! dab-tests
