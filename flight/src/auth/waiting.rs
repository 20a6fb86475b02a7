//! How many logins of each address are being verified or wait for it.

use std::{collections::HashMap, net::IpAddr};

use parking_lot::Mutex;

use super::VERIFICATIONS_PER_ADDRESS_MAX;

/// Counts by address. Holds only addresses that have somebody waiting.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<IpAddr, usize>>);

/// One login under way; dropping it makes room for the next.
#[derive(Debug)]
pub(super) struct Entered<'a> {
    waiting: &'a Waiting,
    address: IpAddr,
}

impl Waiting {
    /// Enters one more login of an address; `None` if it has too many.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Entered<'_>> {
        let mut counts = self.0.lock();
        let count = counts.entry(address).or_default();
        if *count >= VERIFICATIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Entered { waiting: self, address })
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut counts = self.waiting.0.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_can_fill_its_own_places_and_no_others() {
        let waiting = Waiting::default();
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut held: Vec<_> = (0..VERIFICATIONS_PER_ADDRESS_MAX)
            .map(|_| waiting.enter(a).unwrap())
            .collect();
        assert!(waiting.enter(a).is_none());
        assert!(waiting.enter(b).is_some());
        held.pop();
        assert!(waiting.enter(a).is_some());
        held.clear();
        assert!(waiting.0.lock().is_empty());
    }
}
