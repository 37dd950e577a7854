//! Many commands at once, but not too many.

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use crate::error::ApiError;

/// Commands of one request that run at the same time.
const AT_ONCE: usize = 64;

/// Runs `step` for each item, in order and at most 64 at once. After a failure no further one begins; those that run are
/// waited for. What was done, in order, and the first failure.
pub(super) async fn each<'flow, Item, Done>(
    items: Vec<Item>,
    step: impl Fn(Item) -> BoxFuture<'flow, Result<Done, ApiError>>,
) -> (Vec<Done>, Option<ApiError>) {
    let mut waiting = items.into_iter();
    let mut running = FuturesOrdered::new();
    let mut done = Vec::new();
    let mut failure = None;
    loop {
        while failure.is_none() && running.len() < AT_ONCE {
            let Some(item) = waiting.next() else { break };
            running.push_back(step(item));
        }
        match running.next().await {
            None => return (done, failure),
            Some(Ok(one)) => done.push(one),
            Some(Err(error)) => {
                failure.get_or_insert(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_begun_is_finished_and_nothing_begins_after_a_failure() {
        let (running, most, begun) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let step = |number: usize| {
            let (running, most, begun) = (&running, &most, &begun);
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                most.fetch_max(
                    running.fetch_add(1, Ordering::Relaxed) + 1,
                    Ordering::Relaxed,
                );
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::Relaxed);
                if number == 100 {
                    Err(ApiError::not_found("such number"))
                } else {
                    Ok(number)
                }
            }
            .boxed()
        };
        let (done, failure) = each((0..1_000).collect(), step).await;
        assert!(failure.is_some());
        assert_eq!(most.load(Ordering::Relaxed), AT_ONCE);
        let begun = begun.load(Ordering::Relaxed);
        assert!((101..=100 + AT_ONCE).contains(&begun), "{begun}");
        assert_eq!(done.len(), begun - 1);
        assert_eq!(done[..100], (0..100).collect::<Vec<_>>()[..]);
    }
}
