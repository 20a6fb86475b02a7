//! Tickets: a statement's id, sealed for one user until a given time.
//!
//! A ticket holds neither SQL nor an address, so that nothing can be read from one and no proxy can be sent anywhere by
//! one. 57 bytes:
//!
//! | bytes | field |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 16 | statement id, random |
//! | 8 | expiry, seconds since 1970, big endian |
//! | 32 | HMAC-SHA-256 over the user and the fields above, under a key of this process |

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tonic::Status;

use crate::{
    Error,
    secret::{self, ProcessKey},
};

/// Bytes of a ticket.
pub(crate) const TICKET_BYTES: usize = 1 + 16 + 8 + 32;
const FORMAT: u8 = 1;

/// Names a statement; unguessable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StatementId(pub(crate) [u8; 16]);

impl StatementId {
    pub(crate) fn random() -> Result<Self, Error> {
        Ok(Self(secret::random()?))
    }
}

/// Seals and opens tickets.
#[derive(Debug)]
pub(crate) struct Sealer(ProcessKey);

impl Sealer {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self(ProcessKey::generate()?))
    }

    /// A ticket for `user` that names `id` and is good until `expires`.
    pub(crate) fn seal(&self, user: &str, id: StatementId, expires: SystemTime) -> Vec<u8> {
        let mut ticket = Vec::with_capacity(TICKET_BYTES);
        ticket.push(FORMAT);
        ticket.extend_from_slice(&id.0);
        ticket.extend_from_slice(&unix_s(expires).to_be_bytes());
        let mac = self.mac(user, &ticket);
        ticket.extend_from_slice(&mac);
        ticket
    }

    /// The statement that a ticket of `user` names. `PERMISSION_DENIED` if it was not made for this user by this process,
    /// `NOT_FOUND` if it has expired.
    pub(crate) fn open(&self, user: &str, ticket: &[u8], now: SystemTime) -> Result<StatementId, Status> {
        let refused = || Status::permission_denied("this ticket is not one of yours, or the node was restarted since");
        if ticket.len() != TICKET_BYTES || ticket[0] != FORMAT {
            return Err(refused());
        }
        let (sealed, mac) = ticket.split_at(TICKET_BYTES - 32);
        if !secret::equal(&self.mac(user, sealed), mac) {
            return Err(refused());
        }
        let (id, expires) = sealed[1..].split_at(16);
        let expires = u64::from_be_bytes(expires.try_into().map_err(|_| refused())?);
        if unix_s(now) >= expires {
            return Err(Status::not_found(
                "this ticket has expired, execute the statement again",
            ));
        }
        Ok(StatementId(id.try_into().map_err(|_| refused())?))
    }

    fn mac(&self, user: &str, sealed: &[u8]) -> [u8; 32] {
        self.0.mac(&[b"dab/ticket/v1", user.as_bytes(), sealed])
    }
}

fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    const LATER: Duration = Duration::from_secs(60);

    #[test]
    fn a_ticket_opens_for_its_user_until_it_expires() {
        let sealer = Sealer::new().unwrap();
        let (id, now) = (StatementId::random().unwrap(), SystemTime::now());
        let ticket = sealer.seal("ann", id, now + LATER);
        assert_eq!(ticket.len(), TICKET_BYTES);
        assert_eq!(sealer.open("ann", &ticket, now).unwrap(), id);
        assert_eq!(
            sealer.open("bob", &ticket, now).unwrap_err().code(),
            Code::PermissionDenied
        );
        assert_eq!(
            sealer.open("ann", &ticket, now + LATER).unwrap_err().code(),
            Code::NotFound
        );
        let other = Sealer::new().unwrap();
        assert_eq!(
            other.open("ann", &ticket, now).unwrap_err().code(),
            Code::PermissionDenied
        );
    }

    #[test]
    fn no_bit_of_a_ticket_can_change() {
        let sealer = Sealer::new().unwrap();
        let now = SystemTime::now();
        let ticket = sealer.seal("ann", StatementId::random().unwrap(), now + LATER);
        for bit in 0..ticket.len() * 8 {
            let mut forged = ticket.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                sealer.open("ann", &forged, now).unwrap_err().code(),
                Code::PermissionDenied,
                "bit {bit}"
            );
        }
        for length in [0, 1, TICKET_BYTES - 1] {
            assert!(sealer.open("ann", &ticket[..length], now).is_err());
        }
        assert!(sealer.open("ann", &[&ticket[..], b"x"].concat(), now).is_err());
    }
}
