//! dab-query
