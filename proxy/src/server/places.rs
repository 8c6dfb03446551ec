//! How many connections there may be, together and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::network;

/// Places for connections.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_address_max: Option<usize>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _one: OwnedSemaphorePermit,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(max: usize, per_address_max: Option<usize>) -> Self {
        Self { all: Arc::new(Semaphore::new(max)), per_address_max, taken: Arc::default() }
    }

    /// A place, or the name of the limit that has none left.
    pub(super) fn take(&self, address: IpAddr) -> Result<Place, &'static str> {
        let all = Arc::clone(&self.all);
        let one = all.try_acquire_owned().map_err(|_| "proxy.connections_max")?;
        let address = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(address).or_default();
        if self.per_address_max.is_some_and(|max| *own >= max) {
            return Err("proxy.connections_per_address_max");
        }
        *own += 1;
        Ok(Place { _one: one, taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Places::new(2, Some(1));
        let [one, same_site, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"].map(|address| address.parse().unwrap());
        let first = places.take(one).unwrap();
        assert_eq!(places.take(same_site).unwrap_err(), "proxy.connections_per_address_max");
        let second = places.take(other).unwrap();
        assert_eq!(places.take("192.0.2.1".parse().unwrap()).unwrap_err(), "proxy.connections_max");
        drop(first);
        let _third = places.take(same_site).unwrap();
        drop(second);
        assert_eq!(places.taken.lock().unwrap().len(), 1);
    }
}
