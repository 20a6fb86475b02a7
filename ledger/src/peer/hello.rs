//! The first frame of a connection: which protocol, who, to whom, what for.
//!
//! ```text
//! 0  protocol version u16    2  purpose u8    3  id of the sender u64    11  id of the receiver u64    (little-endian)
//! 19 origin of the ledger, UTF-8, to the end
//! ```
//!
//! TLS has proven the keys of both sides by then, and the key decides who the sender is. The ids are there so that two
//! replicas whose memberships disagree about who is who say so instead of exchanging messages, and the origin so that
//! two ledgers do not mix whose replicas were given the same keys, by a copied directory for instance.

use super::ReplicaId;

/// The protocol that this release speaks. Another one is refused rather than guessed at.
pub(super) const PROTOCOL_VERSION: u16 = 1;

/// Bytes before the origin.
const FIXED_BYTES: usize = 19;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Purpose {
    /// Messages from the side that connected, and pings.
    Messages = 1,
    /// Files for the side that connected.
    Files = 2,
}

/// The content of the first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) purpose: Purpose,
    pub(super) from: ReplicaId,
    pub(super) to: ReplicaId,
    pub(super) origin: String,
}

impl Hello {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.origin.len());
        bytes.extend(PROTOCOL_VERSION.to_le_bytes());
        bytes.push(self.purpose as u8);
        bytes.extend(self.from.0.to_le_bytes());
        bytes.extend(self.to.0.to_le_bytes());
        bytes.extend(self.origin.as_bytes());
        bytes
    }

    /// Reads a hello, or says why it is refused.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let Some((version, rest)) = bytes.split_first_chunk() else {
            return Err("a hello without a protocol version".to_owned());
        };
        let version = u16::from_le_bytes(*version);
        if version != PROTOCOL_VERSION {
            return Err(format!(
                "this replica speaks version {PROTOCOL_VERSION} of the peer protocol, not {version}"
            ));
        }
        let read = || {
            let (&[purpose], rest) = rest.split_first_chunk()?;
            let (from, rest) = rest.split_first_chunk()?;
            let (to, origin) = rest.split_first_chunk()?;
            Some((purpose, u64::from_le_bytes(*from), u64::from_le_bytes(*to), origin))
        };
        let (purpose, from, to, origin) = read().ok_or_else(|| format!("a hello of {} bytes", bytes.len()))?;
        let purpose = match purpose {
            1 => Purpose::Messages,
            2 => Purpose::Files,
            other => return Err(format!("a connection for an unknown purpose {other}")),
        };
        Ok(Self {
            purpose,
            from: ReplicaId(from),
            to: ReplicaId(to),
            origin: str::from_utf8(origin)
                .map_err(|_| "a hello whose origin is no UTF-8".to_owned())?
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_read_as_it_was_written_and_pinned_by_its_bytes() {
        let hello = Hello {
            purpose: Purpose::Files,
            from: ReplicaId(3),
            to: ReplicaId(0x0102),
            origin: "é".to_owned(),
        };
        let bytes = hello.to_bytes();
        assert_eq!(
            bytes,
            [1, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0xc3, 0xa9]
        );
        assert_eq!(Hello::from_bytes(&bytes), Ok(hello));
    }

    #[test]
    fn a_newer_version_is_refused_by_its_number_whatever_follows_and_so_is_what_cannot_be_read() {
        let mut bytes = Hello {
            purpose: Purpose::Messages,
            from: ReplicaId(1),
            to: ReplicaId(2),
            origin: String::new(),
        }
        .to_bytes();
        for cut in 0..bytes.len() {
            Hello::from_bytes(&bytes[..cut]).unwrap_err();
        }
        for version in [0, 2, u16::MAX] {
            let newer = [&version.to_le_bytes()[..], &[9; 100]].concat();
            let told = Hello::from_bytes(&newer).unwrap_err();
            assert!(
                told.contains(&format!("version 1 of the peer protocol, not {version}")),
                "{told}"
            );
        }
        bytes.push(0xff);
        let told = Hello::from_bytes(&bytes).unwrap_err();
        assert_eq!(told, "a hello whose origin is no UTF-8");
        bytes.pop();
        bytes[2] = 3;
        assert_eq!(
            Hello::from_bytes(&bytes),
            Err("a connection for an unknown purpose 3".to_owned())
        );
    }
}
