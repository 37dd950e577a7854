//! Open sockets, counted by user.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tellee_actors::ids::UserId;

#[derive(Debug, Clone, Default)]
pub struct Seats(Arc<Mutex<HashMap<UserId, usize>>>);

/// One of a user's sockets; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    user: UserId,
}

impl Seats {
    /// A seat for `user`, unless `most` are taken.
    pub fn take(&self, user: UserId, most: usize) -> Option<Seat> {
        let mut open = self.0.lock();
        let count = open.entry(user).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Seat {
            seats: self.clone(),
            user,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.seats.0.lock();
        let Some(count) = open.get_mut(&self.user) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            open.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_socket_goes() {
        let (seats, user, other) = (Seats::default(), UserId::generate(), UserId::generate());
        let first = seats.take(user, 1).unwrap();
        assert!(seats.take(user, 1).is_none());
        let second = seats.take(other, 1).unwrap();
        drop(first);
        assert!(seats.take(user, 1).is_some());
        drop(second);
        assert!(seats.take(other, 1).is_some());
    }
}
