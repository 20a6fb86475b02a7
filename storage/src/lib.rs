//! dab-storage
