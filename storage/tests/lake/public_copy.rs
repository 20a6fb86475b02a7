//! Can the copy of the ledger's public files be audited at every moment, whoever writes it and wherever they are cut off?

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::TestLedger;
use dab_proof::audit::audit_ledger;
use dab_proof::files::DirSource;
use dab_proof::report::{Report, Verdict};
use dab_proof::source::Source;
use dab_storage::public_copy::{PUBLIC_COPY, PublicFiles};
use dab_storage::{Error, PublicCopy};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Leaves that fill a tile and begin the next.
const LEAVES: usize = 258;

/// More than the copy of so many leaves takes.
const PUTS_MAX: usize = 20;

fn copy_to(store: &Arc<dyn ObjectStore>, ledger: &TestLedger) -> Arc<PublicCopy> {
    let files: PublicFiles = Arc::new(DirSource::new(ledger.node().public_dir()));
    let node = ledger.node().clone();
    let policy = Box::new(move || node.trust().policy.clone());
    PublicCopy::new(store.clone(), files, ledger.node().clone(), policy)
}

async fn grow(ledger: &TestLedger, leaves: usize) {
    for leaf in 0..leaves {
        ledger.notarize(&format!("table/{}", leaf % 3), "body").await;
    }
}

/// The files of the copy under their own names, as a web server that knows nothing of tiles has them.
struct Files(BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&self, path: &str) -> std::result::Result<Option<Vec<u8>>, dab_proof::Error> {
        Ok(self.0.get(path).cloned())
    }
}

async fn files(store: &dyn ObjectStore) -> Files {
    let prefix = Path::from(PUBLIC_COPY);
    let found: Vec<ObjectMeta> = store.list(Some(&prefix)).try_collect().await.unwrap();
    let mut files = BTreeMap::new();
    for object in found {
        let name = object.location.as_ref().strip_prefix("_ledger/").unwrap().to_owned();
        let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        files.insert(name, bytes.to_vec());
    }
    Files(files)
}

async fn audit(store: &dyn ObjectStore, ledger: &TestLedger) -> Report {
    audit_ledger(&files(store).await, &ledger.node().trust(), None)
}

async fn is_whole(store: &dyn ObjectStore, ledger: &TestLedger, size: u64) {
    let report = audit(store, ledger).await;
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let leaves = report.facts.iter().find(|(name, _)| *name == "leaves");
    assert_eq!(
        leaves.map(|(_, leaves)| leaves.as_str()),
        Some(size.to_string().as_str())
    );
}

/// A store that fails every put but the first few, as if the process had ended there.
#[derive(Debug)]
struct FewPuts {
    inner: Arc<InMemory>,
    left: AtomicUsize,
}

#[async_trait]
impl ObjectStore for FewPuts {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return Err(object_store::Error::NotImplemented {
                operation: "a further put".into(),
                implementer: "the test".into(),
            });
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl std::fmt::Display for FewPuts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FewPuts")
    }
}

#[tokio::test]
async fn cut_off_after_any_put_the_copy_is_whole_and_the_next_look_brings_it_up() {
    let ledger = TestLedger::start();
    let inner = Arc::new(InMemory::new());
    let store: Arc<dyn ObjectStore> = inner.clone();
    let mut whole = 0;
    for more in [1, 2, LEAVES - 3, 1] {
        grow(&ledger, more).await;
        let size = ledger.node().certified().await.size.0;
        for left in 0.. {
            assert!(left < PUTS_MAX, "it never comes to an end");
            let cut: Arc<dyn ObjectStore> = Arc::new(FewPuts {
                inner: inner.clone(),
                left: left.into(),
            });
            // each is a node that was started anew, and puts what it does not find
            if copy_to(&cut, &ledger).catch_up().await.is_ok() {
                break;
            }
            match whole {
                0 => assert!(!files(&*store).await.0.contains_key("checkpoint")),
                whole => is_whole(&*store, &ledger, whole).await,
            }
        }
        is_whole(&*store, &ledger, size).await;
        whole = size;
    }
}

#[tokio::test]
async fn nodes_that_write_the_same_copy_do_not_disturb_each_other() {
    let ledger = TestLedger::start();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (one, two) = (copy_to(&store, &ledger), copy_to(&store, &ledger));
    for round in 1..12 {
        grow(&ledger, round).await;
        let size = ledger.node().certified().await.size.0;
        let (first, second) = tokio::join!(one.catch_up(), two.catch_up());
        first.unwrap();
        second.unwrap();
        is_whole(&*store, &ledger, size).await;
        for copy in [&one, &two] {
            let status = copy.status().await;
            assert_eq!((status.size.0, status.behind_for, status.trouble), (size, None, None));
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_put_again_and_a_checkpoint_that_is_none_replaced() {
    let ledger = TestLedger::start();
    grow(&ledger, LEAVES).await;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let copy = copy_to(&store, &ledger);
    copy.catch_up().await.unwrap();
    let older = files(&*store).await.0["checkpoint"].clone();
    let size = ledger.node().certified().await.size.0;
    let at = |name: &str| Path::from(format!("{PUBLIC_COPY}/{name}"));
    // by somebody who removes, sets back, or writes something else
    for name in files(&*store).await.0.keys() {
        store.delete(&at(name)).await.unwrap();
    }
    copy.catch_up().await.unwrap();
    is_whole(&*store, &ledger, size).await;
    store.put(&at("checkpoint"), "no checkpoint".into()).await.unwrap();
    copy.catch_up().await.unwrap();
    is_whole(&*store, &ledger, size).await;
    grow(&ledger, 1).await;
    copy.catch_up().await.unwrap();
    store.put(&at("checkpoint"), older.into()).await.unwrap();
    copy.catch_up().await.unwrap();
    is_whole(&*store, &ledger, size + 1).await;
    // torn, as after a power cut
    store.put(&at("tile/0/000"), "".into()).await.unwrap();
    store.delete(&at("checkpoint")).await.unwrap();
    copy.catch_up().await.unwrap();
    is_whole(&*store, &ledger, size + 1).await;
}

#[tokio::test]
async fn what_contradicts_the_ledger_is_told_and_left_as_evidence() {
    let ledger = TestLedger::start();
    grow(&ledger, 100).await;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let at = |name: &str| Path::from(format!("{PUBLIC_COPY}/{name}"));
    let copy = copy_to(&store, &ledger);
    copy.catch_up().await.unwrap();
    // a full tile that somebody was quicker to put
    let other = vec![7; 8192];
    store.put(&at("tile/0/000"), other.clone().into()).await.unwrap();
    grow(&ledger, LEAVES - 100).await;
    let error = copy.catch_up().await.unwrap_err();
    assert!(matches!(error, Error::PublicCopy { .. }), "{error}");
    assert!(copy.status().await.trouble.unwrap().contains("_ledger/tile/0/000"));
    assert_eq!(files(&*store).await.0["tile/0/000"], other, "it is evidence");
    is_whole(&*store, &ledger, 100).await;
    store.delete(&at("tile/0/000")).await.unwrap();
    copy.catch_up().await.unwrap();
    is_whole(&*store, &ledger, LEAVES as u64).await;
    // what is changed later is what audits are for
    store.put(&at("tile/0/000"), other.into()).await.unwrap();
    copy.catch_up().await.unwrap();
    let report = audit(&*store, &ledger).await;
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    assert!(report.to_string().contains("tile/0/000"), "{report}");

    let fork = TestLedger::start();
    grow(&fork, 2).await;
    let foreign = std::fs::read(fork.node().public_dir().join("checkpoint")).unwrap();
    let forked: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    forked.put(&at("checkpoint"), foreign.clone().into()).await.unwrap();
    let both = format!(
        "log {}\nlog {}\nquorum none\n",
        fork.node().trust().policy.logs()[0].key,
        ledger.node().trust().policy.logs()[0].key
    );
    let files_of: PublicFiles = Arc::new(DirSource::new(ledger.node().public_dir()));
    let both = dab_proof::policy::Policy::parse(both).unwrap();
    let policy = Box::new(move || both.clone());
    let copy = PublicCopy::new(forked.clone(), files_of, ledger.node().clone(), policy);
    let error = copy.catch_up().await.unwrap_err();
    assert!(matches!(error, Error::PublicCopy { .. }), "{error}");
    assert!(copy.status().await.trouble.unwrap().contains("another ledger"));
    assert_eq!(files(&*forked).await.0["checkpoint"], foreign);
}

#[tokio::test]
async fn a_failure_is_told_and_tried_again_and_then_the_copy_follows() {
    let ledger = TestLedger::start();
    grow(&ledger, 2).await;
    let inner = Arc::new(InMemory::new());
    let failing = Arc::new(FewPuts {
        inner: inner.clone(),
        left: 0.into(),
    });
    let store: Arc<dyn ObjectStore> = failing.clone();
    let copy = copy_to(&store, &ledger);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = copy.clone();
    let following = tokio::spawn(async move {
        following
            .follow(async {
                let _ = stopped.await;
            })
            .await;
    });
    let trouble = |copy: Arc<PublicCopy>, is_wanted: bool| async move {
        while copy.status().await.trouble.is_some() != is_wanted {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        copy.status().await
    };
    let status = trouble(copy.clone(), true).await;
    assert!(status.trouble.unwrap().contains("a further put"));
    assert!(status.behind_for.is_some() && status.size.0 == 0);
    failing.left.store(usize::MAX, Ordering::SeqCst);
    let status = trouble(copy.clone(), false).await;
    assert_eq!(
        (status.size, status.behind_for),
        (ledger.node().certified().await.size, None)
    );
    is_whole(&*inner, &ledger, status.size.0).await;
    stop.send(()).unwrap();
    following.await.unwrap();
}
