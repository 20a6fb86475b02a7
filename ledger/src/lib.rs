//! dab-ledger
