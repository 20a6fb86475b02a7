//! Do all nodes of a ledger write below the same table root?
//!
//! A file `.dab-root` there holds a random name, and the first leaf of the subject `table-root` binds it: whichever node
//! comes first has its folder become the table root, and every later start compares. A node that sees another folder, or
//! none because a mount is missing, would publish commits where nobody looks for them.
//!
//! A crash between file and leaf leaves a name that nobody has bound; the next start proposes it again.

use std::path::Path;

use bytes::Bytes;
use dab_proof::leaf::{BodyDigest, Subject};
use object_store::{ObjectStore, PutMode, PutOptions};

use crate::Error;
use crate::commit::ratify::{Draft, Ratified, ratify};
use crate::lake::Ledger;
use crate::object_store::DurableStore;
use crate::table_log::read_small;

const NAME_FILE: &str = ".dab-root";
const SUBJECT: &str = "table-root";

/// A name is a UUID and a line end; whoever mounts another file there shall not have it read.
const NAME_BYTES_MAX: usize = 256;

/// Checks that `root` is the table root of the ledger, or makes it that where it has none.
pub(crate) async fn check(root: &Path, ledger: &Ledger) -> Result<(), Error> {
    let refused = |reason: String| Error::TableRoot {
        path: root.display().to_string(),
        reason,
    };
    if !root.is_dir() {
        let reason = "there is no such folder, and nodes that share one do not make it";
        return Err(refused(reason.to_owned()));
    }
    let subject: Subject = SUBJECT.parse()?;
    let store = DurableStore::open(root)?;
    if ledger.reader.head(&subject).await?.is_none() {
        let name = found_or_made(&store).await.map_err(|error| match error {
            Error::Proof(error) => refused(error.to_string()),
            error => error,
        })?;
        bind(&subject, name, ledger).await?;
    }
    let bound = ledger.reader.body(&subject, 0).await?;
    let found = match read_name(&store).await {
        Err(Error::Proof(error)) => return Err(refused(error.to_string())),
        found => found?,
    };
    match (found, bound) {
        (Some(found), Some(bound)) if found == bound => Ok(()),
        (None, _) => Err(refused(format!(
            "no {NAME_FILE} is here: is the folder that the nodes share mounted?"
        ))),
        (Some(_), _) => Err(refused(
            "the ledger's other nodes have their tables in another folder".to_owned(),
        )),
    }
}

async fn found_or_made(store: &DurableStore) -> Result<Bytes, Error> {
    let path = object_store::path::Path::from(NAME_FILE);
    let name = Bytes::from(format!("{}\n", uuid::Uuid::new_v4()));
    let options = PutOptions {
        mode: PutMode::Create,
        ..Default::default()
    };
    match store.put_opts(&path, name.into(), options).await {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let found = read_name(store).await?;
    found.ok_or_else(|| Error::TableRoot {
        path: NAME_FILE.to_owned(),
        reason: "it was written, and is gone".to_owned(),
    })
}

async fn read_name(store: &DurableStore) -> Result<Option<Bytes>, Error> {
    let path = object_store::path::Path::from(NAME_FILE);
    read_small(store, &path, NAME_FILE, NAME_BYTES_MAX).await
}

/// Whether it won is seen by reading back.
async fn bind(subject: &Subject, name: Bytes, ledger: &Ledger) -> Result<(), Error> {
    let draft = Draft {
        subject: subject.clone(),
        sequence: 0,
        parent: None,
        digest: BodyDigest::of(&name),
        files: None,
        operation: "TABLE ROOT".to_owned(),
        body: Some(name),
    };
    match ratify(ledger, vec![draft], None).await? {
        Ratified::Certified(_) | Ratified::Conflict(_) => Ok(()),
    }
}
