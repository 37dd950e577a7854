//! Who has waited for too long. Looked at every second: a timer for each request would cost more than the request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;
use tokio_util::sync::CancellationToken;

/// The connections of one thread.
#[derive(Default)]
pub struct Seats {
    taken: RefCell<HashMap<u64, Rc<Seat>>>,
    next: Cell<u64>,
    now: Cell<u64>,
}

/// One connection's deadline.
pub struct Seat {
    seats: Rc<Seats>,
    number: u64,
    /// The second it is due; 0: it may take its time.
    due: Cell<u64>,
    leave: CancellationToken,
}

impl Seats {
    /// A seat that tells `leave` when its deadline has passed.
    pub fn take(self: &Rc<Self>, leave: CancellationToken) -> Taken {
        let number = self.next.get();
        self.next.set(number + 1);
        let seat = Rc::new(Seat {
            seats: Rc::clone(self),
            number,
            due: Cell::new(0),
            leave,
        });
        self.taken.borrow_mut().insert(number, Rc::clone(&seat));
        Taken(seat)
    }

    /// A second has passed.
    pub fn turn(&self) {
        let now = self.now.get() + 1;
        self.now.set(now);
        for seat in self.taken.borrow().values() {
            if (1..=now).contains(&seat.due.get()) {
                seat.leave.cancel();
            }
        }
    }
}

/// A seat as long as it is taken.
pub struct Taken(Rc<Seat>);

impl Taken {
    /// Lets the connection wait for `seconds` at least, and less than one more.
    pub fn wait(&self, seconds: u64) {
        self.0.due.set(self.0.seats.now.get() + seconds + 1);
    }

    /// What it waited for has come.
    pub fn came(&self) {
        self.0.due.set(0);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.seats.taken.borrow_mut().remove(&self.0.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_too_long_is_told_to_leave_and_nobody_else() {
        let seats = Rc::new(Seats::default());
        let [late, served, gone] = [(); 3].map(|()| CancellationToken::new());
        let [first, second, third] = [&late, &served, &gone].map(|leave| seats.take(leave.clone()));
        for seat in [&first, &second, &third] {
            seat.wait(2);
        }
        second.came();
        drop(third);
        for _ in 0..2 {
            seats.turn();
            assert!(!late.is_cancelled());
        }
        seats.turn();
        assert!(late.is_cancelled() && !served.is_cancelled() && !gone.is_cancelled());
        drop((first, second));
        assert!(seats.taken.borrow().is_empty());
    }
}
