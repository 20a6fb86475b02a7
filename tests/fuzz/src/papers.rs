//! A ledger with known keys, so that signatures can be good: the same in every run.

use std::sync::OnceLock;

use dab_proof::hash::Hash;
use dab_proof::leaf::Subject;
use dab_proof::testing::TinyLedger;
use dab_proof::trust::Trust;

/// What targets hold inputs against.
pub(crate) struct Papers {
    /// Three tables, a catalog and a heads leaf; three cosigners, all of whom the policy asks for.
    pub(crate) ledger: TinyLedger,
    pub(crate) trust: Trust,
    /// The root at the present size.
    pub(crate) root: Hash,
}

/// The papers, made at the first call.
pub(crate) fn papers() -> &'static Papers {
    static PAPERS: OnceLock<Papers> = OnceLock::new();
    PAPERS.get_or_init(|| {
        let mut ledger = TinyLedger::with_cosigners(3);
        ledger.append(&Subject::catalog(), b"tables", None, "CREATE TABLE");
        for body in 0..9_u8 {
            let subject = Subject::table(&format!("t{}", body % 3)).expect("a good id");
            ledger.append(&subject, &[body], None, "WRITE");
        }
        ledger.append_heads(ledger.size());
        Papers {
            trust: ledger.trust(),
            root: ledger.checkpoint().checkpoint().root,
            ledger,
        }
    })
}
