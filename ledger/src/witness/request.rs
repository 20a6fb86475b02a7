//! The body of `add-checkpoint`:
//!
//! ```text
//! old <size of the tree that the witness cosigned last, 0 for none>
//! <base64>                 the consistency proof from there, one hash a line, at most 63
//!
//! <the signed checkpoint>
//! ```

use dab_proof::Error;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::hash::Hash;
use dab_proof::tree::{PROOF_HASHES_MAX, TreeSize};

/// Bytes of the longest request: 63 hashes, and a checkpoint with all the signatures that a note may have.
pub const REQUEST_BYTES_MAX: usize = 256 << 10;

const WHAT: &str = "request";

/// A request for a cosignature. Nothing in it is checked yet but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree that the witness is believed to have cosigned last; 0 for none.
    pub old: TreeSize,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// What is to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// Reads a request's body.
    ///
    /// # Errors
    ///
    /// `Malformed`, `TooLarge`.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        if body.len() > REQUEST_BYTES_MAX {
            let (actual, limit) = (body.len() as u64, REQUEST_BYTES_MAX as u64);
            return Err(Error::TooLarge {
                what: WHAT,
                actual,
                limit,
            });
        }
        let end = body.windows(2).position(|pair| pair == b"\n\n");
        let end = end.ok_or_else(|| malformed("no empty line parts the proof and the checkpoint"))?;
        let (head, checkpoint) = (&body[..end], &body[end + 2..]);
        let head = std::str::from_utf8(head).map_err(|_| malformed("it is not UTF-8"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old
            .ok_or_else(|| malformed("its first line is not `old <size>`"))?
            .parse()?;
        let lines: Vec<_> = lines.take(PROOF_HASHES_MAX + 1).collect();
        if lines.len() > PROOF_HASHES_MAX {
            return Err(malformed("it has more than 63 lines of proof"));
        }
        Ok(Self {
            old,
            proof: lines.into_iter().map(str::parse).collect::<Result<_, _>>()?,
            checkpoint: SignedCheckpoint::parse(checkpoint)?,
        })
    }

    /// The request's body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("old {}\n", self.old);
        for hash in &self.proof {
            head += &format!("{hash}\n");
        }
        [head.into_bytes(), b"\n".to_vec(), self.checkpoint.to_bytes()].concat()
    }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed {
        what: WHAT,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dab_proof::hash::leaf_hash;

    const CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+\
        zyWE+xeMcTOAYQ8=\n";

    #[test]
    fn request_of_the_specification_is_read_to_the_byte() {
        let request = format!(
            "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
             jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\n{CHECKPOINT}"
        );
        let read = AddCheckpoint::parse(request.as_bytes()).unwrap();
        assert_eq!((read.old, read.proof.len()), (TreeSize(20852014), 2));
        assert_eq!(read.checkpoint.checkpoint().size, TreeSize(20852163));
        assert_eq!(read.to_bytes(), request.as_bytes());
        let first = format!("old 0\n\n{CHECKPOINT}");
        assert_eq!(
            AddCheckpoint::parse(first.as_bytes()).unwrap().to_bytes(),
            first.as_bytes()
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let hash = leaf_hash(b"x");
        for request in [
            String::new(),
            "old 0".to_owned(),
            "old 0\n\n".to_owned(),
            format!("old 0\n{CHECKPOINT}"),
            format!("old\n\n{CHECKPOINT}"),
            format!("old -1\n\n{CHECKPOINT}"),
            format!("old 01\n\n{CHECKPOINT}"),
            format!("old 9223372036854775809\n\n{CHECKPOINT}"),
            format!("Old 0\n\n{CHECKPOINT}"),
            format!("old 0\r\n\n{CHECKPOINT}"),
            format!("old 0\n{hash} \n\n{CHECKPOINT}"),
            format!("old 0\n{}\n\n{CHECKPOINT}", &hash.to_string()[1..]),
            format!("old 7\n{}\n{CHECKPOINT}", format!("{hash}\n").repeat(64)),
            format!("old 0\n\n{CHECKPOINT}\n"),
            format!("old 0\n\n\n{CHECKPOINT}"),
        ] {
            assert!(AddCheckpoint::parse(request.as_bytes()).is_err(), "{request:?}");
        }
        assert!(AddCheckpoint::parse(&vec![b'\n'; REQUEST_BYTES_MAX + 1]).is_err());
        assert!(AddCheckpoint::parse(b"old \xff\n\n").is_err());
    }
}
