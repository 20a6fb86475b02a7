//! The ledger's side: asks a witness for its cosignature, and believes nothing that it answers before it is checked.

use std::sync::Arc;

use async_trait::async_trait;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::consistency;
use dab_proof::hash::Hash;
use dab_proof::note::{NoteSignature, VerifierKey};
use dab_proof::source::Source;
use dab_proof::tile::hash_from_tiles;
use dab_proof::tree::TreeSize;

use super::cosigner::own_time_unix_s;
use super::request::AddCheckpoint;
use crate::clock::{AHEAD_S_MAX, Clock};

/// Bytes of an answer that are read.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Requests for one cosignature: the first may be told the size to start from, and others may ask the witness meanwhile.
const REQUESTS_MAX: usize = 4;

/// Lines of an answer that are looked at.
const LINES_MAX: usize = 64;

/// Characters of a witness's words that are passed on.
const REASON_CHARS_MAX: usize = 200;

/// How requests reach one witness. A seam, so that this crate needs no HTTP client and no TLS: the service has both.
#[async_trait]
pub trait WitnessHttp: Send + Sync + std::fmt::Debug {
    /// Posts `body` to `<submission prefix>/add-checkpoint`, follows no redirect, and reads at most [`ANSWER_BYTES_MAX`]
    /// bytes of the answer within a bounded time.
    ///
    /// # Errors
    ///
    /// Why there was no answer.
    async fn add_checkpoint(&self, body: Vec<u8>) -> Result<HttpAnswer, String>;
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// It did not answer. Ask again later.
    #[error("witness {witness} does not answer: {reason}")]
    Unreachable {
        /// Name of its key.
        witness: String,
        /// What failed.
        reason: String,
    },
    /// It cosigned a larger tree than the one offered. Offer the latest checkpoint.
    #[error("witness {witness} has cosigned {cosigned} leaves already, {offered} were offered")]
    Ahead {
        /// Name of its key.
        witness: String,
        /// Leaves that it says it cosigned.
        cosigned: TreeSize,
        /// Leaves of the checkpoint offered.
        offered: TreeSize,
    },
    /// It says it knows less than it has cosigned for us: it was restored from an old copy, and is no witness any more.
    #[error("witness {witness} was rolled back: it cosigned {cosigned} leaves, now it says {says}")]
    RolledBack {
        /// Name of its key.
        witness: String,
        /// Leaves that it cosigned.
        cosigned: TreeSize,
        /// Leaves that it says it cosigned.
        says: TreeSize,
    },
    /// It holds that the tree does not extend what it cosigned. One of the two has forked, or our tiles are damaged.
    #[error("witness {witness} says that the ledger contradicts what it cosigned: {reason}")]
    Inconsistent {
        /// Name of its key.
        witness: String,
        /// Its words.
        reason: String,
    },
    /// It refused, for instance because it does not know this ledger.
    #[error("witness {witness} refuses with status {status}: {reason}")]
    Refused {
        /// Name of its key.
        witness: String,
        /// The status code.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// What it answered cannot be used.
    #[error("witness {witness} gives an answer that does not hold: {reason}")]
    BadAnswer {
        /// Name of its key.
        witness: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The consistency proof could not be made from our own tiles.
    #[error("cannot prove the ledger's growth to witness {witness}: {reason}")]
    Tiles {
        /// Name of its key.
        witness: String,
        /// What failed.
        reason: String,
    },
}

/// Asks one witness for the cosignatures of one ledger.
#[derive(Debug)]
pub struct WitnessClient {
    key: VerifierKey,
    http: Arc<dyn WitnessHttp>,
    clock: Arc<dyn Clock>,
    /// Size of the last tree that it cosigned for us in this run.
    cosigned: Option<TreeSize>,
}

impl WitnessClient {
    /// A client for the witness with this key of the policy. It knows nothing of the witness yet: the first request learns
    /// from it where to start.
    pub fn new(key: VerifierKey, http: Arc<dyn WitnessHttp>, clock: Arc<dyn Clock>) -> Self {
        let cosigned = None;
        Self {
            key,
            http,
            clock,
            cosigned,
        }
    }

    /// The key whose cosignatures it brings.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Has the checkpoint cosigned; `tiles` are those of its tree, read where that keeps no other task waiting. What comes
    /// back is by this witness's key, verifies over this checkpoint, and bears no time of the future.
    ///
    /// # Errors
    ///
    /// See [`WitnessError`]; after each of them the same call may be made again.
    pub async fn cosign(
        &mut self,
        checkpoint: &SignedCheckpoint,
        tiles: &(impl Source + Clone + Send + Sync + 'static),
    ) -> Result<Vec<NoteSignature>, WitnessError> {
        let size = checkpoint.checkpoint().size;
        let mut old = self.cosigned.unwrap_or_default();
        for _ in 0..REQUESTS_MAX {
            if old > size {
                return Err(self.ahead(old, size));
            }
            let request = AddCheckpoint {
                old,
                proof: self.prove(old, size, tiles.clone()).await?,
                checkpoint: checkpoint.clone(),
            };
            let answer = self.http.add_checkpoint(request.to_bytes()).await;
            let answer = answer.map_err(|reason| WitnessError::Unreachable {
                witness: self.name(),
                reason,
            })?;
            match answer.status {
                200 => {
                    let cosignatures = self.check(checkpoint, &answer.body)?;
                    self.cosigned = Some(size);
                    return Ok(cosignatures);
                }
                409 => old = self.told_size(&answer.body, old)?,
                422 => {
                    let (witness, reason) = (self.name(), words(&answer.body));
                    return Err(WitnessError::Inconsistent { witness, reason });
                }
                status => {
                    let (witness, reason) = (self.name(), words(&answer.body));
                    return Err(WitnessError::Refused {
                        witness,
                        status,
                        reason,
                    });
                }
            }
        }
        Err(self.bad_answer(format!("it named another size {REQUESTS_MAX} times")))
    }

    async fn prove(
        &self,
        old: TreeSize,
        size: TreeSize,
        tiles: impl Source + Send + 'static,
    ) -> Result<Vec<Hash>, WitnessError> {
        let prove = move || {
            consistency::prove(old, size, &mut |level, index| {
                hash_from_tiles(&tiles, size, level, index)
            })
        };
        let proof = tokio::task::spawn_blocking(prove).await;
        let failed = |reason: String| WitnessError::Tiles {
            witness: self.name(),
            reason,
        };
        proof
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }

    /// The size that a 409 names. It is only a hint: the witness alone suffers from a wrong one.
    fn told_size(&self, body: &[u8], old: TreeSize) -> Result<TreeSize, WitnessError> {
        let text = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
        let says: TreeSize = text
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.bad_answer("409 without a tree size"))?;
        match self.cosigned {
            Some(cosigned) if says < cosigned => {
                let witness = self.name();
                Err(WitnessError::RolledBack {
                    witness,
                    cosigned,
                    says,
                })
            }
            _ if says == old => {
                let (witness, reason) = (self.name(), format!("it cosigned another tree of {old} leaves"));
                Err(WitnessError::Inconsistent { witness, reason })
            }
            _ => Ok(says),
        }
    }

    /// Takes the lines by the policy's key out of an answer, each checked: one wrong line under a checkpoint makes every
    /// verifier refuse the whole.
    fn check(&self, checkpoint: &SignedCheckpoint, body: &[u8]) -> Result<Vec<NoteSignature>, WitnessError> {
        let text = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
        let text = text.ok_or_else(|| self.bad_answer("it is no lines of text"))?;
        let lines = text.split('\n').take(LINES_MAX).map(NoteSignature::parse);
        let ours = |line: &NoteSignature| line.name == self.key.name() && line.key_id == self.key.key_id();
        let lines = lines
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.bad_answer(error.to_string()))?;
        let line = lines
            .into_iter()
            .find(ours)
            .ok_or_else(|| self.bad_answer("no line is by its key"))?;
        let alone = format!("{}\n{}", checkpoint.checkpoint().text(), line.line());
        let time = SignedCheckpoint::parse(alone.as_bytes())
            .ok()
            .and_then(|signed| own_time_unix_s(&signed, &self.key))
            .ok_or_else(|| self.bad_answer("its cosignature does not verify over this checkpoint"))?;
        let now = self.clock.unix_ms() / 1000;
        if time > now.saturating_add(AHEAD_S_MAX) {
            return Err(self.bad_answer(format!(
                "its time {time} is in the future, it is {now}; one clock is wrong"
            )));
        }
        Ok(vec![line])
    }

    fn name(&self) -> String {
        self.key.name().to_owned()
    }

    fn ahead(&self, cosigned: TreeSize, offered: TreeSize) -> WitnessError {
        let witness = self.name();
        WitnessError::Ahead {
            witness,
            cosigned,
            offered,
        }
    }

    fn bad_answer(&self, reason: impl Into<String>) -> WitnessError {
        let (witness, reason) = (self.name(), reason.into());
        WitnessError::BadAnswer { witness, reason }
    }
}

/// What a witness says, made safe to print.
fn words(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body)
        .trim_end()
        .chars()
        .take(REASON_CHARS_MAX)
        .collect();
    dab_proof::report::escape(&text)
}
