//! What a witness decides. One request for a ledger at a time: check, make durable, answer.
//!
//! ```text
//! request -> known origin? -> signed by its log? -> [ last cosigned? -> grown from it? -> durable ] -> cosignature
//!               404               403                   409             422      ^ one request at a time
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::consistency;
use dab_proof::fork::ForkProof;
use dab_proof::hash::{Hash, empty_root};
use dab_proof::note::{NoteSignature, SignatureType, SigningKey, VerifierKey};
use dab_proof::tree::TreeSize;
use parking_lot::Mutex;

use super::request::AddCheckpoint;
use super::state::{StateDir, folder_of};
use crate::Error;
use crate::clock::{AHEAD_S_MAX, Clock};

const WHAT: &str = "checkpoint";

/// What a witness needs to start.
#[derive(Clone, Debug)]
pub struct WitnessConfig {
    /// The state directory, made where it is missing.
    pub dir: PathBuf,
    /// The name of its key, fixed at the first start; drawn at random where none is given.
    pub name: Option<String>,
    /// The keys of the ledgers that it cosigns. A key's name is the origin; one ledger may have several keys.
    pub logs: Vec<VerifierKey>,
    /// The time in cosignatures.
    pub clock: Arc<dyn Clock>,
}

/// A witness that runs.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    state: StateDir,
    /// By origin.
    logs: BTreeMap<String, Log>,
    clock: Arc<dyn Clock>,
    /// Once its state is known to be older than what its key has signed, it signs nothing more.
    rolled_back: AtomicBool,
}

#[derive(Debug)]
struct Log {
    keys: Vec<VerifierKey>,
    /// The last checkpoint cosigned. The lock makes check and persist one step.
    last: Mutex<Option<SignedCheckpoint>>,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: the checkpoint is durable as the last one, and this is the cosignature.
    Cosigned(NoteSignature),
    /// 400: it does not have the form of a request, or asks for a tree smaller than the one it starts from.
    Malformed(String),
    /// 403: no key of the ledger signed the checkpoint.
    NotSigned(String),
    /// 404: the witness does not know the ledger.
    UnknownLog,
    /// 409: the tree cosigned last has another size, this one.
    Conflict(TreeSize),
    /// 422: the tree does not extend the one cosigned last.
    Inconsistent(String),
    /// 500: nothing was cosigned, for a reason of the witness's own.
    Failed(String),
}

impl Witness {
    /// Opens the state directory, making key and folders at the first start.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process uses it; [`Error::Setting`] for a key that cannot be used, a ledger without
    /// keys, or a state that was rolled back; [`Error::Corrupt`] for a checkpoint that this witness did not write.
    pub fn open(config: WitnessConfig) -> Result<Self, Error> {
        let state = StateDir::open(&config.dir)?;
        let key = state.key(config.name.as_deref())?;
        let mut keys: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for log in config.logs {
            if log.kind() != SignatureType::Ed25519 {
                let reason = format!("{log} is no log's key: those have type 0x01");
                return Err(Error::setting(&config.dir, reason));
            }
            keys.entry(log.name().to_owned()).or_default().push(log);
        }
        let mut logs = BTreeMap::new();
        for (origin, keys) in keys {
            let last = Mutex::new(state.last(&origin, &key)?);
            logs.insert(origin, Log { keys, last });
        }
        Ok(Self {
            key,
            state,
            logs,
            clock: config.clock,
            rolled_back: AtomicBool::new(false),
        })
    }

    /// The public key that policies name.
    pub fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// The origins of the ledgers that it cosigns.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(String::as_str)
    }

    /// The last checkpoint cosigned for the ledger whose origin has this SHA-256 in hexadecimal digits.
    pub fn latest(&self, log: &str) -> Option<SignedCheckpoint> {
        let (_, log) = self.logs.iter().find(|(origin, _)| folder_of(origin) == log)?;
        log.last.lock().clone()
    }

    /// Decides one request, from the bytes of its body. Blocks for the disk.
    ///
    /// A crash before it returns leaves the old checkpoint or the new one, and no cosignature given out; the client asks
    /// again and is told which.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Answer::Malformed(error.to_string()),
        };
        let origin = &request.checkpoint.checkpoint().origin;
        let Some(log) = self.logs.get(origin) else {
            return Answer::UnknownLog;
        };
        let signatures = signatures_of(&request.checkpoint, &log.keys);
        if signatures.is_empty() {
            return Answer::NotSigned(format!("no key of {origin} signed the checkpoint"));
        }
        let size = request.checkpoint.checkpoint().size;
        if request.old > size {
            return Answer::Malformed(format!("a tree of {} leaves cannot have grown to {size}", request.old));
        }
        let mut last = log.last.lock();
        if self.rolled_back.load(Ordering::Acquire) || self.notices_rollback(&request, last.as_ref()) {
            return Answer::Failed("this witness lost its memory and cosigns nothing more".to_owned());
        }
        if let Err(answer) = self.judge(&request, &signatures, last.as_ref()) {
            return answer;
        }
        match self.cosign(&request.checkpoint, &signatures, last.as_ref()) {
            Ok((stored, cosignature)) => {
                *last = Some(stored);
                Answer::Cosigned(cosignature)
            }
            Err(error) => {
                tracing::error!(%origin, %error, "cannot keep a checkpoint, nothing was cosigned");
                Answer::Failed("the witness cannot keep the checkpoint".to_owned())
            }
        }
    }

    /// Whether the tree extends the one cosigned last, by the request's proof.
    fn judge(
        &self,
        request: &AddCheckpoint,
        signatures: &[NoteSignature],
        last: Option<&SignedCheckpoint>,
    ) -> Result<(), Answer> {
        let new = request.checkpoint.checkpoint();
        let (size, root) = last.map_or((TreeSize(0), empty_root()), head);
        // whatever the request says of its start: two roots for one size are a fork
        let forked = last.filter(|_| new.size == size && new.root != root);
        if let Some(last) = forked {
            self.keep(Kept::Fork, last, &with_lines(new, signatures), None);
        }
        if request.old != size {
            return Err(Answer::Conflict(size));
        }
        if forked.is_some() {
            return Err(Answer::Inconsistent(format!(
                "for size {size} this witness cosigned another root"
            )));
        }
        let refused = match consistency::verify(size, &root, new.size, &new.root, &request.proof) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if let Some(last) = last {
            // A proof that leads to the new tree from another old one convicts the log. Any other convicts nobody:
            // whoever got hold of a true checkpoint can send it with nonsense. Both are kept, apart.
            let shown = ForkProof::from_consistency(size, new, &request.proof).filter(|shown| shown.root != root);
            let kind = if shown.is_some() { Kept::Fork } else { Kept::Unproven };
            self.keep(kind, last, &with_lines(new, signatures), shown);
        }
        Err(Answer::Inconsistent(refused.to_string()))
    }

    /// Signs, and makes durable what was signed before anybody gets it.
    fn cosign(
        &self,
        checkpoint: &SignedCheckpoint,
        signatures: &[NoteSignature],
        last: Option<&SignedCheckpoint>,
    ) -> Result<(SignedCheckpoint, NoteSignature), Error> {
        let head = checkpoint.checkpoint();
        let before = last
            .and_then(|last| own_time_unix_s(last, self.verifier()))
            .unwrap_or(0);
        let now = self.clock.unix_ms() / 1000;
        let time = not_before(before, now);
        let cosignature = head.cosign(&self.key, time)?;
        if let Some(last) = last.filter(|last| last.checkpoint() == head && time == before) {
            // The very same words are durable already. Anybody can send a ledger's last checkpoint again, and shall not
            // wear out the disk with it.
            return Ok((last.clone(), cosignature));
        }
        let lines = [signatures, std::slice::from_ref(&cosignature)].concat();
        let stored = SignedCheckpoint::parse(&with_lines(head, &lines))?;
        self.state.store(&stored)?;
        Ok((stored, cosignature))
    }

    /// Whether the checkpoint bears a cosignature of this very key that its state knows nothing of: then an old copy of the
    /// state was restored, and what else was signed since nobody can tell.
    fn notices_rollback(&self, request: &AddCheckpoint, last: Option<&SignedCheckpoint>) -> bool {
        let seen = &request.checkpoint;
        if own_time_unix_s(seen, self.verifier()).is_none() {
            return false;
        }
        let ((size, root), (known, known_root)) = (head(seen), last.map_or((TreeSize(0), empty_root()), head));
        let noticed = size > known || (size == known && root != known_root);
        if noticed {
            tracing::error!(%size, %known, "this key cosigned a later checkpoint than its state knows: it was rolled back");
            self.rolled_back.store(true, Ordering::Release);
            if let Err(error) = self.state.mark_rolled_back(seen) {
                tracing::error!(%error, "cannot note that the state was rolled back");
            }
        }
        noticed
    }

    fn keep(&self, kind: Kept, first: &SignedCheckpoint, second: &[u8], proof: Option<ForkProof>) {
        let origin = &first.checkpoint().origin;
        let first = first.to_bytes();
        let proof = proof.map(|proof| proof.to_text().into_bytes());
        let mut files = vec![("first", first.as_slice()), ("second", second)];
        files.extend(proof.as_ref().map(|proof| ("proof", proof.as_slice())));
        let kept = match self.state.keep(origin, kind.name(), &files) {
            Ok(Some(piece)) if piece.is_new => format!("both notes are in {}", piece.folder.display()),
            // whoever sends the same again, or ever more of it, shall not fill the disk with words either
            Ok(_) => return,
            Err(error) => format!("the notes cannot be kept: {error}"),
        };
        match kind {
            Kept::Fork => tracing::error!(kept, "a ledger contradicts itself"),
            Kept::Unproven => tracing::warn!(
                kept,
                "a checkpoint came with a proof that leads nowhere; it accuses nobody"
            ),
        }
    }
}

/// Why a pair of notes is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// The log signed both, and they cannot both be true.
    Fork,
    /// The second came with a proof that shows nothing; anybody could have sent it.
    Unproven,
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Kept::Fork => "fork",
            Kept::Unproven => "unproven",
        }
    }
}

/// Time of the valid cosignature by `key` under a checkpoint, if there is one.
pub(super) fn own_time_unix_s(signed: &SignedCheckpoint, key: &VerifierKey) -> Option<u64> {
    signed.note().verify(WHAT, [key]).ok()?.first()?.time_unix_s
}

/// The time to cosign with: a later statement must not bear an earlier time than one about a smaller tree. Only a time of the
/// future is not gone on from: every later cosignature would claim it too.
fn not_before(before: u64, now: u64) -> u64 {
    if before > now.saturating_add(AHEAD_S_MAX) {
        tracing::error!(
            now,
            before,
            "the last cosignature bears a time of the future: a clock was wrong; the time of now is used"
        );
        return now;
    }
    if now < before {
        tracing::warn!(
            now,
            before,
            "the clock was set back, the last cosignature's time is used"
        );
    }
    now.max(before)
}

/// The note with these lines and no others: what strangers put beside them is neither kept nor served.
fn with_lines(head: &Checkpoint, lines: &[NoteSignature]) -> Vec<u8> {
    let lines: String = lines.iter().map(NoteSignature::line).collect();
    format!("{}\n{lines}", head.text()).into_bytes()
}

fn head(signed: &SignedCheckpoint) -> (TreeSize, Hash) {
    let Checkpoint { size, root, .. } = signed.checkpoint();
    (*size, *root)
}

/// The lines under a checkpoint that are good signatures by one of `keys`. Each key is asked by itself, so that a wrong line
/// beside them does no harm.
fn signatures_of(signed: &SignedCheckpoint, keys: &[VerifierKey]) -> Vec<NoteSignature> {
    let good = |key: &&VerifierKey| {
        signed
            .note()
            .verify(WHAT, [*key])
            .is_ok_and(|signed| !signed.is_empty())
    };
    let line = |key: &VerifierKey| {
        let mut lines = signed.note().signatures().iter();
        lines
            .find(|line| line.name == key.name() && line.key_id == key.key_id())
            .cloned()
    };
    keys.iter().filter(good).filter_map(line).collect()
}
