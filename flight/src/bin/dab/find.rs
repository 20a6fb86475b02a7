//! `dab find`: from a hash to the table, version and leaf that have it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use arrow::util::display::array_value_to_string;
use dab_proof::hash::Hash;
use dab_proof::report::escape;

use crate::cli::FindArgs;
use crate::connect::{Connection, MissingData, literal};
use crate::output::print_line;

/// What a hash may be, as a column of `dab.leaves` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Blake3,
    Sha256,
}

/// Something that has the hash.
struct Found {
    /// `orders@3`, `digest/backup, number 0`.
    what: String,
    leaf_index: u64,
    how: String,
}

pub(crate) async fn run(args: FindArgs) -> Result<()> {
    let (hash, kinds) = parse(&args.hash)?;
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = find(&connection, hash, &kinds, args.output.as_deref()).await;
    let closed = connection.close().await;
    outcome.and(closed)
}

async fn find(connection: &Connection, hash: Hash, kinds: &[Kind], output: Option<&Path>) -> Result<()> {
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(leaves(connection, hash, *kind).await?);
    }
    if kinds.contains(&Kind::Blake3) {
        found.extend(files(connection, hash).await?);
    }
    if found.is_empty() {
        bail!(
            "nothing has this hash: no leaf, no commit file, no data file (known by its BLAKE3 only), and nothing that was \
             notarized"
        );
    }
    for Found { what, leaf_index, how } in &found {
        print_line!("{what} · leaf {leaf_index}\n    {how}");
    }
    let leaves: BTreeSet<u64> = found.iter().map(|found| found.leaf_index).collect();
    match (output, leaves.iter().next()) {
        (Some(output), Some(leaf)) if leaves.len() == 1 => prove(connection, *leaf, output).await,
        (Some(_), _) => bail!(
            "several leaves have this hash, and a proof is of one: SELECT proof FROM dab.leaves WHERE leaf_index = ..."
        ),
        (None, _) => Ok(()),
    }
}

async fn leaves(connection: &Connection, hash: Hash, kind: Kind) -> Result<Vec<Found>> {
    let (column, value) = match kind {
        Kind::Leaf => ("leaf_hash", hash.to_string()),
        Kind::Blake3 => ("blake3", hash.to_hex()),
        Kind::Sha256 => ("sha256", hash.to_hex()),
    };
    let sql = format!(
        "SELECT subject, sequence, table_name, dropped_name, leaf_index FROM dab.leaves WHERE {column} = {} \
         ORDER BY leaf_index",
        literal(&value)
    );
    let found = |[subject, sequence, table, dropped, leaf]: [String; 5]| -> Result<Found> {
        let is_table = subject.starts_with("table/");
        Ok(Found {
            what: match is_table {
                true => commit(&subject, &table, &dropped, &sequence),
                false => format!("{}, number {sequence}", escape(&subject)),
            },
            leaf_index: leaf.parse()?,
            how: match (kind, is_table) {
                (Kind::Leaf, _) => "this is its leaf hash".to_owned(),
                (Kind::Blake3, true) => "this is the BLAKE3 of its commit file, the commit digest".to_owned(),
                (Kind::Sha256, true) => "this is the SHA-256 of its commit file".to_owned(),
                (Kind::Blake3, false) => "this is the BLAKE3 of what it binds".to_owned(),
                (Kind::Sha256, false) => "this is the SHA-256 of what it binds".to_owned(),
            },
        })
    };
    rows(connection, &sql).await?.into_iter().map(found).collect()
}

async fn files(connection: &Connection, hash: Hash) -> Result<Vec<Found>> {
    let sql = format!(
        "SELECT table_id, version, table_name, dropped_name, leaf_index, path, bytes FROM dab.files WHERE blake3 = {} \
         ORDER BY leaf_index",
        literal(&hash.to_hex())
    );
    let found = |[id, version, table, dropped, leaf, path, bytes]: [String; 7]| -> Result<Found> {
        Ok(Found {
            what: commit(&id, &table, &dropped, &version),
            leaf_index: leaf.parse()?,
            how: format!("adds the data file {}, {bytes} bytes", escape(&path)),
        })
    };
    rows(connection, &sql).await?.into_iter().map(found).collect()
}

fn commit(id: &str, table: &str, dropped: &str, version: &str) -> String {
    match (table, dropped) {
        ("", "") => format!("{}, version {version}", escape(id)),
        ("", dropped) => format!("{}@{version} (dropped)", escape(dropped)),
        (table, _) => format!("{}@{version}", escape(table)),
    }
}

async fn prove(connection: &Connection, leaf: u64, output: &Path) -> Result<()> {
    let sql = format!("SELECT proof FROM dab.leaves WHERE leaf_index = {leaf}");
    let Some([proof]) = rows(connection, &sql).await?.pop() else {
        bail!("leaf {leaf} is gone");
    };
    std::fs::write(output, proof).with_context(|| format!("cannot write {}", output.display()))?;
    print_line!("proved in {}", output.display());
    Ok(())
}

/// The rows of a query as text; NULL is empty.
async fn rows<const COLUMNS: usize>(connection: &Connection, sql: &str) -> Result<Vec<[String; COLUMNS]>> {
    let mut rows = Vec::new();
    for batch in connection.client.query(sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let cells = (0..COLUMNS).map(|column| array_value_to_string(batch.column(column), row));
            let cells: Vec<String> = cells.collect::<Result<_, _>>()?;
            rows.extend(<[String; COLUMNS]>::try_from(cells).ok());
        }
    }
    Ok(rows)
}

/// A hash as people copy it from a report, from SQL, or from another tool.
fn parse(text: &str) -> Result<(Hash, Vec<Kind>)> {
    let (digits, kinds) = match (text.strip_prefix("blake3:"), text.strip_prefix("sha256:")) {
        (Some(digits), _) => (digits, vec![Kind::Blake3]),
        (_, Some(digits)) => (digits, vec![Kind::Sha256]),
        _ => (text, vec![Kind::Leaf, Kind::Blake3, Kind::Sha256]),
    };
    if let Ok(hash) = Hash::from_hex(&digits.to_ascii_lowercase()) {
        return Ok((hash, kinds));
    }
    match text.parse() {
        Ok(hash) => Ok((hash, vec![Kind::Leaf])),
        Err(_) => bail!("{text:?} is no hash: that is 64 hexadecimal digits, or a leaf hash in base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_reports_and_tools_print_it() {
        let hash = Hash::from_bytes([0xab; 32]);
        let hex = hash.to_hex();
        let all = vec![Kind::Leaf, Kind::Blake3, Kind::Sha256];
        for (text, kinds) in [
            (hex.clone(), all.clone()),
            (hex.to_uppercase(), all),
            (format!("blake3:{hex}"), vec![Kind::Blake3]),
            (format!("sha256:{hex}"), vec![Kind::Sha256]),
            (hash.to_string(), vec![Kind::Leaf]),
        ] {
            assert_eq!(parse(&text).unwrap(), (hash, kinds), "{text}");
        }
        for wrong in ["", "abc", &hex[1..], &format!("md5:{hex}"), &format!("{hex}0")] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
