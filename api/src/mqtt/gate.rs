//! Who gets a place: open sockets of the node and of one address, over all listeners.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

/// Counts open sockets.
pub struct Gate {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one socket; free again when dropped.
pub struct Place {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Gate {
    pub fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_address,
            open: Mutex::default(),
        })
    }

    /// `None`: there is no room.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock();
        if open.all >= self.most {
            return None;
        }
        let of_address = open.by_address.entry(address).or_insert(0);
        if *of_address >= self.most_per_address {
            return None;
        }
        *of_address += 1;
        open.all += 1;
        Some(Place {
            gate: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock();
        open.all -= 1;
        let Some(of_address) = open.by_address.get_mut(&self.address) else {
            return;
        };
        *of_address -= 1;
        if *of_address == 0 {
            open.by_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_node_and_by_address_and_come_free_again() {
        let gate = Gate::new(3, 2);
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = gate.enter(one);
        let second = gate.enter(one);
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter(one).is_none(), "the address is full");
        let third = gate.enter(other);
        assert!(third.is_some());
        assert!(gate.enter(other).is_none(), "the node is full");
        drop((first, second));
        let again = gate.enter(other);
        assert!(again.is_some());
        drop((third, again));
        assert!(gate.open.lock().by_address.is_empty());
    }
}
