//! Wakes from other threads, gathered: a commit of the log answers many requests at once, and the thread that sends the
//! answers is woken once for all of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::poll_fn;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// The wakes of one thread.
#[derive(Default)]
pub struct Wakes {
    woken: Mutex<Vec<Arc<Bell>>>,
    thread: AtomicWaker,
}

/// Wakes one task of the thread.
pub struct Bell {
    wakes: Arc<Wakes>,
    task: AtomicWaker,
}

impl Wakes {
    /// Wakes the thread's tasks as their bells are rung; never ends. Polled on the thread.
    pub async fn carry(self: Arc<Self>) {
        let mut woken = Vec::new();
        poll_fn(|context| {
            // Before the look: a bell that is rung after it finds whom to wake.
            self.thread.register(context.waker());
            std::mem::swap(&mut woken, &mut self.woken.lock());
            for bell in woken.drain(..) {
                bell.task.wake();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    /// Rung from any thread, wakes the task that waits in [`Bell::wait_for`].
    pub fn bell(self: &Arc<Self>) -> Arc<Bell> {
        Arc::new(Bell {
            wakes: Arc::clone(self),
            task: AtomicWaker::new(),
        })
    }
}

impl Bell {
    /// Waits for `future`, whose wakes come from other threads.
    pub async fn wait_for<F: Future>(self: &Arc<Self>, mut future: Pin<&mut F>) -> F::Output {
        let waker = Waker::from(Arc::clone(self));
        poll_fn(|context| {
            self.task.register(context.waker());
            future.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let wakes = Arc::clone(&self.wakes);
        let mut woken = wakes.woken.lock();
        woken.push(self);
        let is_first = woken.len() == 1;
        drop(woken);
        if is_first {
            wakes.thread.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(counted: &Counted) -> usize {
        counted.0.load(Ordering::Relaxed)
    }

    #[test]
    fn many_bells_wake_the_thread_once_and_each_task() {
        let wakes = Arc::new(Wakes::default());
        let (thread, task) = (Arc::new(Counted::default()), Arc::new(Counted::default()));
        let bells: Vec<_> = (0..3).map(|_| wakes.bell()).collect();
        let mut carry = pin!(Arc::clone(&wakes).carry());
        let thread_waker = Waker::from(Arc::clone(&thread));
        let mut turn = || {
            let polled = carry.as_mut().poll(&mut Context::from_waker(&thread_waker));
            assert!(polled.is_pending());
        };
        turn();
        for round in 1..=2 {
            let task_waker = Waker::from(Arc::clone(&task));
            for bell in &bells {
                bell.task.register(&task_waker);
                Arc::clone(bell).wake();
            }
            assert_eq!(count(&thread), round);
            turn();
            assert_eq!(count(&task), 3 * round);
        }
    }

    #[tokio::test]
    async fn what_another_thread_answers_arrives() {
        let wakes = Arc::new(Wakes::default());
        let carry = tokio::spawn(Arc::clone(&wakes).carry());
        for number in 0..100 {
            let (answer, asked) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || answer.send(number));
            assert_eq!(wakes.bell().wait_for(pin!(asked)).await, Ok(number));
        }
        carry.abort();
    }
}
