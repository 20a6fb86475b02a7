//! `dab notarize`: has the ledger bind a file that is no table's.

mod signed;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dab_flight::DigestRequest;
use dab_flight::receipt_metadata::BoundReceipt;
use dab_ledger::key_file::read_writer_key;
use dab_proof::files::read_trust;
use dab_proof::leaf::{BodyDigest, BodyHasher};
use dab_proof::note::SigningKey;
use dab_proof::receipt::Receipt;
use dab_proof::report::escape;
use dab_proof::trust::Trust;

use crate::cli::NotarizeArgs;
use crate::connect::{Connection, MissingData};
use crate::data_dir::DataDir;
use crate::output::print_line;
use crate::program::{program, shell_word};
use crate::progress::Progress;
use signed::Signed;

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What is bound, and where its proof goes.
enum What {
    File(PathBuf),
    Digests(BodyDigest),
}

/// A key of one's own, and for which ledgers it signs.
struct LeafSigner {
    key: SigningKey,
    trust: Trust,
}

pub(crate) async fn run(args: NotarizeArgs) -> Result<()> {
    let what = What::parse(&args.what)?;
    let output = match (&args.output, &what) {
        (Some(output), _) => output.clone(),
        (None, What::File(file)) => beside(file),
        (None, What::Digests(_)) => bail!("there is no file beside which the proof could lie: name one with --output"),
    };
    let own = args
        .key
        .as_deref()
        .map(|key| LeafSigner::read(key, &args))
        .transpose()?;
    if let What::File(path) = &what {
        // a node that has to be started for it is not, where there is no file
        open(path)?;
    }
    // before a long file is hashed for nothing
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = notarize(&connection, &args, &what, own.as_ref(), &output).await;
    let closed = connection.close().await;
    outcome.and(closed)
}

async fn notarize(
    connection: &Connection,
    args: &NotarizeArgs,
    what: &What,
    own: Option<&LeafSigner>,
    output: &Path,
) -> Result<()> {
    let digest = match what {
        What::File(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || digest(&path)).await??
        }
        What::Digests(digest) => *digest,
    };
    let (client, subject, sequence) = (&connection.client, &args.subject, args.sequence);
    let bound = match own {
        Some(own @ LeafSigner { key, trust }) => {
            let signed = Signed {
                key,
                policy: &trust.policy,
                subject,
                digest,
                sequence,
            };
            let bound = signed::notarize(client, &signed).await?;
            own.check(&bound, &digest)?;
            bound
        }
        None => client.notarize(&DigestRequest::new(subject, &digest, sequence)).await?,
    };
    std::fs::write(output, &bound.proof).with_context(|| format!("cannot write {}", output.display()))?;
    print_line!("{bound}");
    print_line!("proved in {}", output.display());
    let file = match what {
        What::File(path) => shell_word(path),
        What::Digests(_) => "FILE".to_owned(),
    };
    print_line!(
        "check it anywhere: {} verify {file} --proof {} --trust DIR",
        program(),
        shell_word(output)
    );
    Ok(())
}

impl LeafSigner {
    fn read(key: &Path, args: &NotarizeArgs) -> Result<Self> {
        let key = read_writer_key(key)?;
        let dir = match &args.trust {
            Some(dir) => dir.clone(),
            None => DataDir::of_client(&args.node.data.data).trust(),
        };
        let trust = read_trust(&dir).with_context(|| {
            format!(
                "{} has to say for which ledger the key signs; --trust names another directory",
                dir.display()
            )
        })?;
        Ok(Self { key, trust })
    }

    /// Looks at what the node answers: its word is not needed here.
    fn check(&self, bound: &BoundReceipt, digest: &BodyDigest) -> Result<()> {
        let receipt = Receipt::parse(bound.proof.as_bytes()).context("the node answers with no proof")?;
        let leaf = receipt.leaf.leaf();
        if leaf.body != *digest || leaf.subject.as_str() != bound.subject {
            bail!("the node answers with the proof of another leaf, on {}", leaf.subject);
        }
        if let Err(error) = receipt.verify(&self.trust) {
            // the directory may be older than the key's registration, or than who certifies now
            eprintln!(
                "warning: by the trust directory the proof does not hold ({}): bring it up to date, see dab-verify follow",
                escape(&error.to_string())
            );
        }
        Ok(())
    }
}

impl What {
    /// A file, or the words of a leaf's body line, together or apart.
    fn parse(words: &[PathBuf]) -> Result<Self> {
        let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let text = text.join(" ");
        let is_digest = text.starts_with("blake3:") || text.starts_with("sha256:");
        match words {
            [file] if !is_digest => Ok(Self::File(file.clone())),
            _ if !is_digest => bail!("one file at a time; {} were given", words.len()),
            _ => match text.parse() {
                Ok(digest) => Ok(Self::Digests(digest)),
                Err(_) => bail!(
                    "{text:?} does not say enough: a leaf has both digests and the length, blake3:HEX sha256:HEX BYTES \
                     (64 lower-case digits each)"
                ),
            },
        }
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".tlog-proof");
    name.into()
}

/// Opens a regular file: a pipe may be read once, and then nobody can check it.
fn open(path: &Path) -> Result<File> {
    let cannot = || format!("cannot read {}", path.display());
    // asked before it is opened: opening a pipe would wait for somebody who writes to it
    if !std::fs::metadata(path).with_context(cannot)?.is_file() {
        bail!("{} is not a regular file", path.display());
    }
    File::open(path).with_context(cannot)
}

/// Hashes the file; fails where it changed meanwhile.
fn digest(path: &Path) -> Result<BodyDigest> {
    let mut file = open(path)?;
    let cannot = || format!("cannot read {}", path.display());
    let before = file.metadata().with_context(cannot)?;
    let mut progress = Progress::new("hashing", Some(before.len()), "bytes");
    let mut hasher = BodyHasher::default();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).with_context(cannot),
        };
        hasher.update(&piece[..read]);
        progress.advance(read as u64);
    }
    progress.finish();
    let (digest, after) = (hasher.finish(), file.metadata().with_context(cannot)?);
    let unchanged = before.modified().ok() == after.modified().ok() && digest.bytes == after.len();
    match unchanged {
        true => Ok(digest),
        false => bail!(
            "{} changed while it was read: try again when nobody writes to it",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_a_file_or_the_words_of_a_leaf() {
        let parse = |words: &[&str]| What::parse(&words.iter().map(PathBuf::from).collect::<Vec<_>>());
        let digest = BodyDigest::of(b"x");
        let line = digest.to_string();
        let words: Vec<&str> = line.split(' ').collect();
        for given in [&words[..], &[line.as_str()]] {
            assert!(
                matches!(parse(given), Ok(What::Digests(found)) if found == digest),
                "{given:?}"
            );
        }
        for file in ["a", "./blake3:x", "dir/sha256:x"] {
            assert!(
                matches!(parse(&[file]), Ok(What::File(found)) if found == Path::new(file)),
                "{file}"
            );
        }
        for wrong in [&words[..2], &words[1..], &["blake3:00"], &["a", "b"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(beside(Path::new("a/b.gz")), Path::new("a/b.gz.tlog-proof"));
    }
}
