//! `dab.leaves`: every leaf of the ledger, those that bind others' data included.
//!
//! A condition `leaf_index = ...`, `leaf_hash = '...'`, `blake3 = '...'` or `sha256 = '...'` reads the leaves that it
//! names; before the first such question for a hash, every leaf once. The column `proof` is made where it is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use dab_proof::leaf::SignedLeaf;
use dab_proof::tree::LeafIndex;
use dab_storage::Lake;
use dab_storage::find::LeafHash;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, stream};

use super::told::{Told, tables};
use super::{Rows, Wanted, digest, hex, int64};
use crate::Error;

const LEAF_INDEX: &str = "leaf_index";
const LEAF_HASH: &str = "leaf_hash";
const BLAKE3: &str = "blake3";
const SHA256: &str = "sha256";
const PROOF: &str = "proof";

/// Leaves read before they are handed on.
const LEAVES_PER_BATCH: usize = 256;

type Leaves = Vec<(LeafIndex, SignedLeaf)>;

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(LEAF_INDEX, DataType::Int64, false),
        Field::new("subject", DataType::Utf8, false),
        Field::new("sequence", DataType::Int64, false),
        Field::new("operation", DataType::Utf8, false),
        // base64, as `parent` in dab.commits and in the next leaf
        Field::new(LEAF_HASH, DataType::Utf8, false),
        // of what the leaf binds, hexadecimal
        Field::new(BLAKE3, DataType::Utf8, false),
        Field::new(SHA256, DataType::Utf8, false),
        Field::new("bytes", DataType::Int64, false),
        // the key that signed it
        Field::new("writer", DataType::Utf8, false),
        // of a table's commit, whose version is `sequence`; NULL where the table was dropped
        Field::new("table_name", DataType::Utf8, true),
        Field::new("dropped_name", DataType::Utf8, true),
        // the text of a .tlog-proof file
        Field::new(PROOF, DataType::Utf8, false),
    ]))
}

/// Some leaves at a time, in the order of the ledger.
pub(super) fn rows(lake: Arc<Lake>, wanted: Wanted) -> Rows {
    let source = Source {
        lake,
        wanted,
        tables: None,
        next: LeafIndex(0),
    };
    stream::try_unfold(Some(source), Source::read_on).boxed()
}

struct Source {
    lake: Arc<Lake>,
    wanted: Wanted,
    /// By their ids.
    tables: Option<BTreeMap<String, Told>>,
    next: LeafIndex,
}

impl Source {
    async fn read_on(source: Option<Self>) -> Result<Option<(RecordBatch, Option<Self>)>, Error> {
        let Some(mut source) = source else {
            return Ok(None);
        };
        let lake = source.lake.clone();
        if source.tables.is_none() {
            let told = tables(&lake, &Wanted::default()).await?.into_iter();
            source.tables = Some(told.map(|told| (told.table.id.to_string(), told)).collect());
        }
        if let Some(found) = narrowed(&lake, &source.wanted).await? {
            return Ok(Some((source.batch(&found).await?, None)));
        }
        let reader = &lake.ledger().reader;
        let leaves = reader.leaves(source.next, LEAVES_PER_BATCH).await.map_err(storage)?;
        let Some((last, _)) = leaves.last() else {
            return Ok(None);
        };
        source.next = LeafIndex(last.0 + 1);
        Ok(Some((source.batch(&leaves).await?, Some(source))))
    }

    async fn batch(&self, leaves: &[(LeafIndex, SignedLeaf)]) -> Result<RecordBatch, Error> {
        let mut proofs = Vec::with_capacity(leaves.len());
        for (index, _) in leaves {
            proofs.push(match self.wanted.looks_at(PROOF) {
                true => self
                    .lake
                    .ledger()
                    .reader
                    .receipt(*index)
                    .await
                    .map_err(storage)?
                    .to_text(),
                false => String::new(),
            });
        }
        let text = |value: &dyn Fn(&SignedLeaf) -> Option<String>| -> ArrayRef {
            Arc::new(leaves.iter().map(|(_, leaf)| value(leaf)).collect::<StringArray>())
        };
        let whole = |value: &dyn Fn(&(LeafIndex, SignedLeaf)) -> u64| -> ArrayRef {
            Arc::new(leaves.iter().map(|leaf| int64(value(leaf))).collect::<Int64Array>())
        };
        let table = |leaf: &SignedLeaf, dropped: bool| {
            let told = self.tables.as_ref()?.get(leaf.leaf().subject.table_id()?)?;
            (told.dropped == dropped).then(|| told.table.name.to_string())
        };
        let columns = vec![
            whole(&|(index, _)| index.0),
            text(&|leaf| Some(leaf.leaf().subject.to_string())),
            whole(&|(_, leaf)| leaf.leaf().sequence),
            text(&|leaf| Some(leaf.leaf().operation.clone())),
            text(&|leaf| Some(leaf.hash().to_string())),
            text(&|leaf| Some(hex(&leaf.leaf().body.blake3))),
            text(&|leaf| Some(hex(&leaf.leaf().body.sha256))),
            whole(&|(_, leaf)| leaf.leaf().body.bytes),
            text(&|leaf| Some(leaf.signer_name().to_owned())),
            text(&|leaf| table(leaf, false)),
            text(&|leaf| table(leaf, true)),
            Arc::new(StringArray::from(proofs)),
        ];
        RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
    }
}

/// The leaves that the conditions name; `None` where there are no such conditions. The others are DataFusion's to apply.
async fn narrowed(lake: &Lake, wanted: &Wanted) -> Result<Option<Leaves>, Error> {
    if wanted.nothing() {
        return Ok(Some(Vec::new()));
    }
    if let Some(index) = wanted.number(LEAF_INDEX) {
        let Ok(index) = u64::try_from(index) else {
            return Ok(Some(Vec::new()));
        };
        let found = lake.ledger().reader.leaves(LeafIndex(index), 1).await;
        return Ok(Some(found.map_err(storage)?));
    }
    let hash = if let Some(text) = wanted.text(LEAF_HASH) {
        text.parse().ok().map(LeafHash::Leaf)
    } else if let Some(text) = wanted.text(BLAKE3) {
        digest(text).map(LeafHash::Blake3)
    } else if let Some(text) = wanted.text(SHA256) {
        digest(text).map(LeafHash::Sha256)
    } else {
        return Ok(None);
    };
    match hash {
        Some(hash) => Ok(Some(lake.find_leaves(hash).await?)),
        None => Ok(Some(Vec::new())),
    }
}

fn storage(error: dab_ledger::Error) -> Error {
    dab_storage::Error::from(error).into()
}
