//! Is the folder that nodes share the one that the ledger knows, also after a crash while it was bound?

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dab_ledger::testing::TestLedger;
use dab_storage::{Error, Lake, Sharing};

use crate::world::open_at;

async fn open(ledger: &TestLedger, root: &Path) -> Result<Arc<Lake>, Error> {
    open_at(ledger, root, Sharing::WithOtherNodes).await
}

#[tokio::test]
async fn the_first_folder_is_bound_and_any_other_is_refused() {
    let ledger = TestLedger::start();
    let (first, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(&ledger, first.path()).await.unwrap();
    open(&ledger, first.path()).await.unwrap();
    let refused = |told: Result<Arc<Lake>, Error>| told.unwrap_err().to_string();
    let told = refused(open(&ledger, other.path()).await);
    assert!(told.contains("no .dab-root is here"), "{told}");
    fs::write(other.path().join(".dab-root"), "another\n").unwrap();
    let told = refused(open(&ledger, other.path()).await);
    assert!(told.contains("in another folder"), "{told}");
    let told = refused(open(&ledger, &other.path().join("missing")).await);
    assert!(told.contains("there is no such folder"), "{told}");
}

/// Between the file and the leaf: the name that lies there is proposed once more, not replaced.
#[tokio::test]
async fn a_name_that_nobody_has_bound_yet_is_bound_as_it_lies_there() {
    let ledger = TestLedger::start();
    let root = tempfile::tempdir().unwrap();
    let name = root.path().join(".dab-root");
    fs::write(&name, "of a start that was cut off\n").unwrap();
    open(&ledger, root.path()).await.unwrap();
    assert_eq!(fs::read_to_string(&name).unwrap(), "of a start that was cut off\n");
    fs::write(&name, "changed\n").unwrap();
    let told = open(&ledger, root.path()).await.unwrap_err().to_string();
    assert!(told.contains("in another folder"), "{told}");
}

/// Whoever mounts another folder may have any file there under that name.
#[tokio::test]
async fn a_name_that_is_too_long_is_refused_and_not_read() {
    for bound in [false, true] {
        let ledger = TestLedger::start();
        let root = tempfile::tempdir().unwrap();
        if bound {
            open(&ledger, root.path()).await.unwrap();
        }
        // a file with a hole, larger than any memory
        let name = fs::File::create(root.path().join(".dab-root")).unwrap();
        name.set_len(1 << 40).unwrap();
        let told = open(&ledger, root.path()).await.unwrap_err().to_string();
        assert!(
            told.contains(".dab-root has 1099511627776 bytes, more than the limit"),
            "{told}"
        );
    }
}
