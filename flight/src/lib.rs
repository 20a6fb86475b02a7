//! dab-flight
