//! What every event store must do, as tests that each provider runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    APPEND_LIMIT, Appended, EVENT_BYTES_LIMIT, EventStore, ExpectedRevision, Snapshot, StoreError,
    follow_all,
};
use crate::event::{EventMeta, NewEvent, RecordedEvent, Who};
use crate::ids::{CommandId, OrganisationId, Position, Revision};
use crate::time::Timestamp;

/// A fresh store, and the folder that it needs as long as it is used.
pub struct Opened {
    pub store: Arc<dyn EventStore>,
    #[allow(dead_code, reason = "holds the folder")]
    pub folder: Option<tempfile::TempDir>,
}

/// Makes a test of each function of this module; `$open` makes a fresh store.
macro_rules! conformance {
    ($open:path) => {
        $crate::store::conformance::conformance!(@each $open:
            revisions_count_from_one_and_positions_grow,
            an_append_with_another_expected_revision_writes_nothing,
            of_two_writers_with_the_same_expected_revision_one_wins,
            an_append_is_written_whole_or_not_at_all,
            a_repeated_append_is_answered_as_the_first_was,
            half_a_repetition_and_a_foreign_id_are_refused,
            an_append_of_no_events_checks_the_revision_only,
            an_event_comes_back_as_it_went_in,
            an_event_is_found_by_its_id,
            pages_are_in_order_and_miss_nothing,
            a_page_of_heavy_events_ends_early_but_goes_on,
            an_append_that_is_too_large_is_refused,
            the_head_moves_with_each_append,
            a_follower_catches_up_then_waits_and_skips_nothing,
            a_follower_that_stops_waiting_loses_nothing,
            the_newest_snapshot_is_kept,
            sixty_four_writers_leave_an_unbroken_order_in_each_stream,
        );
    };
    (@each $open:path: $($name:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let opened = $open().await;
            $crate::store::conformance::$name(Arc::clone(&opened.store)).await;
        })*
    };
}
pub(crate) use conformance;

pub fn event(data: Value) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        event_type: "test.happened".to_owned(),
        schema: 1,
        data,
        meta: EventMeta {
            who: Who::System("test".to_owned()),
            organisation: None,
            command: CommandId::generate(),
            note: None,
            input: None,
        },
        at: Timestamp(1),
    }
}

pub fn events(count: usize) -> Vec<NewEvent> {
    (0..count)
        .map(|number| event(json!({ "number": number })))
        .collect()
}

/// All events of `stream`, a few at a time.
pub async fn read_whole(store: &dyn EventStore, stream: &str) -> Vec<RecordedEvent> {
    let mut read: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = read.last().map_or(Revision::NONE, |event| event.revision);
        let page = store.read_stream(stream, after, 7).await.unwrap();
        if page.is_empty() {
            return read;
        }
        read.extend(page);
    }
}

fn exactly(revision: u64) -> ExpectedRevision {
    ExpectedRevision::Exact(Revision(revision))
}

pub async fn revisions_count_from_one_and_positions_grow(store: Arc<dyn EventStore>) {
    assert!(
        store
            .read_stream("a", Revision::NONE, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let first = store.append("a", exactly(0), events(2)).await.unwrap();
    let other = store.append("b", exactly(0), events(1)).await.unwrap();
    let second = store.append("a", exactly(2), events(1)).await.unwrap();
    assert_eq!(first.revision, Revision(2));
    assert_eq!(other.revision, Revision(1));
    assert_eq!(second.revision, Revision(3));
    assert!(!second.duplicate);
    assert!(first.position < other.position && other.position < second.position);
    let read = read_whole(&*store, "a").await;
    assert_eq!(
        read.iter()
            .map(|event| event.revision.0)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(read.last().unwrap().position, second.position);
}

pub async fn an_append_with_another_expected_revision_writes_nothing(store: Arc<dyn EventStore>) {
    store
        .append("a", ExpectedRevision::Any, events(2))
        .await
        .unwrap();
    for expected in [0, 1, 3] {
        let refused = store
            .append("a", exactly(expected), events(1))
            .await
            .unwrap_err();
        let wrong = StoreError::WrongRevision {
            stream: "a".to_owned(),
            expected: Revision(expected),
            actual: Revision(2),
        };
        assert_eq!(refused, wrong);
    }
    assert_eq!(
        store
            .append("a", ExpectedRevision::Any, events(1))
            .await
            .unwrap()
            .revision,
        Revision(3)
    );
}

pub async fn of_two_writers_with_the_same_expected_revision_one_wins(store: Arc<dyn EventStore>) {
    for revision in 0..20 {
        let (one, two) = tokio::join!(
            tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.append("a", exactly(revision), events(1)).await }
            }),
            tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.append("a", exactly(revision), events(1)).await }
            }),
        );
        let outcomes = [one.unwrap(), two.unwrap()];
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let lost = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(StoreError::WrongRevision { .. })))
            .count();
        assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    }
    assert_eq!(read_whole(&*store, "a").await.len(), 20);
}

pub async fn an_append_is_written_whole_or_not_at_all(store: Arc<dyn EventStore>) {
    let mut batch = events(3);
    batch[2].id = batch[0].id;
    assert!(matches!(
        store.append("a", ExpectedRevision::Any, batch).await,
        Err(StoreError::IdTaken { .. })
    ));
    assert!(read_whole(&*store, "a").await.is_empty());
    assert!(
        store
            .read_all(Position::START, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_repeated_append_is_answered_as_the_first_was(store: Arc<dyn EventStore>) {
    let batch = events(3);
    let first = store.append("a", exactly(0), batch.clone()).await.unwrap();
    store.append("a", exactly(3), events(2)).await.unwrap();
    for expected in [exactly(0), exactly(5), ExpectedRevision::Any] {
        let again = store.append("a", expected, batch.clone()).await.unwrap();
        assert_eq!(
            again,
            Appended {
                duplicate: true,
                ..first
            }
        );
    }
    assert_eq!(read_whole(&*store, "a").await.len(), 5);
}

pub async fn half_a_repetition_and_a_foreign_id_are_refused(store: Arc<dyn EventStore>) {
    let batch = events(2);
    store.append("a", exactly(0), batch.clone()).await.unwrap();
    let foreign = store
        .append("b", exactly(0), batch.clone())
        .await
        .unwrap_err();
    assert_eq!(
        foreign,
        StoreError::IdTaken {
            id: batch[0].id,
            stream: "a".to_owned()
        }
    );
    let mut longer = batch.clone();
    longer.push(event(json!({})));
    let mut turned = batch;
    turned.reverse();
    for wrong in [longer, turned] {
        let refused = store.append("a", exactly(2), wrong).await.unwrap_err();
        assert!(matches!(refused, StoreError::IdTaken { .. }), "{refused:?}");
    }
    assert_eq!(read_whole(&*store, "a").await.len(), 2);
    assert!(read_whole(&*store, "b").await.is_empty());
}

pub async fn an_append_of_no_events_checks_the_revision_only(store: Arc<dyn EventStore>) {
    let first = store.append("a", exactly(0), events(1)).await.unwrap();
    assert_eq!(
        store.append("a", exactly(1), Vec::new()).await.unwrap(),
        first
    );
    assert!(matches!(
        store.append("a", exactly(0), Vec::new()).await,
        Err(StoreError::WrongRevision { .. })
    ));
}

pub async fn an_event_comes_back_as_it_went_in(store: Arc<dyn EventStore>) {
    let mut sent = event(json!({
        "text": "Ölpumpe \u{1F6E2} \"\u{0}\" \n",
        "nothing": null,
        "large": u64::MAX,
        "small": i64::MIN,
        "fraction": 0.1,
        "nested": { "list": [true, false, [], {}] },
    }));
    sent.schema = 65_535;
    sent.at = Timestamp(i64::MIN);
    sent.meta.organisation = Some(OrganisationId::generate());
    sent.meta.note = Some("geändert, '; DROP TABLE events; --".to_owned());
    let stream = "thing-'\"%_";
    let appended = store
        .append(stream, exactly(0), vec![sent.clone()])
        .await
        .unwrap();
    let read = store.read_stream(stream, Revision::NONE, 1).await.unwrap();
    let expected = RecordedEvent {
        position: appended.position,
        stream: stream.to_owned(),
        revision: Revision(1),
        id: sent.id,
        event_type: sent.event_type,
        schema: sent.schema,
        data: sent.data,
        meta: sent.meta,
        at: sent.at,
    };
    assert_eq!(read, std::slice::from_ref(&expected));
    assert_eq!(
        store.read_all(Position::START, 1).await.unwrap(),
        [expected]
    );
}

pub async fn an_event_is_found_by_its_id(store: Arc<dyn EventStore>) {
    let batch = events(3);
    let ids: Vec<Uuid> = batch.iter().map(|event| event.id).collect();
    let appended = store.append("a", exactly(0), batch).await.unwrap();
    let found = store.find_event(ids[2]).await.unwrap().unwrap();
    assert_eq!(
        (found.stream.as_str(), found.revision, found.position),
        ("a", Revision(3), appended.position)
    );
    assert_eq!(store.find_event(Uuid::now_v7()).await.unwrap(), None);
}

pub async fn pages_are_in_order_and_miss_nothing(store: Arc<dyn EventStore>) {
    for round in 0..10 {
        for stream in ["a", "b", "c"] {
            store
                .append(stream, exactly(round * 4), events(4))
                .await
                .unwrap();
        }
    }
    assert!(store.read_all(Position::START, 0).await.unwrap().is_empty());
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |event| event.position);
        let page = store.read_all(after, 11).await.unwrap();
        assert!(page.len() <= 11);
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    assert_eq!(all.len(), 120);
    assert!(all.is_sorted_by(|earlier, later| earlier.position < later.position));
    for stream in ["a", "b", "c"] {
        let part: Vec<&RecordedEvent> = all.iter().filter(|event| event.stream == stream).collect();
        assert_eq!(
            part,
            read_whole(&*store, stream).await.iter().collect::<Vec<_>>()
        );
    }
    assert!(
        store
            .read_all(Position(u64::MAX), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .read_stream("a", Revision(u64::MAX), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_page_of_heavy_events_ends_early_but_goes_on(store: Arc<dyn EventStore>) {
    let heavy = "x".repeat(3 * 1024 * 1024);
    for _ in 0..5 {
        store
            .append("a", ExpectedRevision::Any, vec![event(json!(heavy))])
            .await
            .unwrap();
    }
    let page = store.read_stream("a", Revision::NONE, 10).await.unwrap();
    assert_eq!(page.len(), 2);
    let read = read_whole(&*store, "a").await;
    assert_eq!(read.len(), 5);
    assert!(read.iter().all(|event| event.data == json!(heavy)));
}

pub async fn an_append_that_is_too_large_is_refused(store: Arc<dyn EventStore>) {
    let large = event(json!("x".repeat(EVENT_BYTES_LIMIT)));
    let refused = store
        .append("a", ExpectedRevision::Any, vec![event(json!(1)), large])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::TooLarge { .. }),
        "{refused:?}"
    );
    assert!(!refused.is_retryable());
    let heavy = (0..3)
        .map(|_| event(json!("x".repeat(EVENT_BYTES_LIMIT - 1024))))
        .collect();
    let refused = store
        .append("a", ExpectedRevision::Any, heavy)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::TooLarge { .. }),
        "{refused:?}"
    );
    let many = events(APPEND_LIMIT + 1);
    let refused = store
        .append("a", ExpectedRevision::Any, many)
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::TooMany { .. }), "{refused:?}");
    assert!(read_whole(&*store, "a").await.is_empty());
}

pub async fn the_head_moves_with_each_append(store: Arc<dyn EventStore>) {
    let mut head = store.head();
    assert_eq!(*head.borrow_and_update(), Position::START);
    let appended = store.append("a", exactly(0), events(2)).await.unwrap();
    assert!(head.has_changed().unwrap());
    assert_eq!(*head.borrow_and_update(), appended.position);
    store.append("a", exactly(0), events(1)).await.unwrap_err();
    assert!(!head.has_changed().unwrap());
    assert_eq!(*store.head().borrow(), appended.position);
}

pub async fn a_follower_catches_up_then_waits_and_skips_nothing(store: Arc<dyn EventStore>) {
    const EACH: u64 = 50;
    store.append("old", exactly(0), events(30)).await.unwrap();
    let mut follower = follow_all(Arc::clone(&store), Position::START).with_page(8);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for revision in 0..EACH {
                    store
                        .append(&format!("w{writer}"), exactly(revision), events(1))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 30 + 4 * EACH as usize {
        let page = tokio::time::timeout(Duration::from_secs(30), follower.next_page())
            .await
            .unwrap()
            .unwrap();
        assert!(!page.is_empty() && page.len() <= 8);
        seen.extend(page);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(seen.is_sorted_by(|earlier, later| earlier.position < later.position));
    assert_eq!(
        seen.iter()
            .map(|event| event.id)
            .collect::<HashSet<_>>()
            .len(),
        seen.len()
    );
    assert_eq!(follower.lag(), 0);
}

pub async fn a_follower_that_stops_waiting_loses_nothing(store: Arc<dyn EventStore>) {
    let mut follower = follow_all(Arc::clone(&store), Position::START);
    assert!(
        tokio::time::timeout(Duration::from_millis(5), follower.next_page())
            .await
            .is_err()
    );
    store.append("a", exactly(0), events(3)).await.unwrap();
    let page = tokio::time::timeout(Duration::from_secs(30), follower.next_page())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page.len(), 3);
    assert_eq!(follower.after(), page[2].position);
}

pub async fn the_newest_snapshot_is_kept(store: Arc<dyn EventStore>) {
    assert_eq!(store.load_snapshot("a").await.unwrap(), None);
    let newer = Snapshot {
        revision: Revision(9),
        schema: 2,
        state: json!({ "at": 9 }),
    };
    let older = Snapshot {
        revision: Revision(5),
        schema: 2,
        state: json!({ "at": 5 }),
    };
    store.save_snapshot("a", newer.clone()).await.unwrap();
    store.save_snapshot("a", older).await.unwrap();
    assert_eq!(store.load_snapshot("a").await.unwrap(), Some(newer.clone()));
    let reshaped = Snapshot { schema: 3, ..newer };
    store.save_snapshot("a", reshaped.clone()).await.unwrap();
    assert_eq!(store.load_snapshot("a").await.unwrap(), Some(reshaped));
    assert_eq!(store.load_snapshot("b").await.unwrap(), None);
}

pub async fn sixty_four_writers_leave_an_unbroken_order_in_each_stream(store: Arc<dyn EventStore>) {
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let stream = format!("s{}", writer % 8);
                let mut wrong = 0_u32;
                for _ in 0..8 {
                    loop {
                        let end = read_whole(&*store, &stream).await.len() as u64;
                        match store.append(&stream, exactly(end), events(1)).await {
                            Ok(_) => break,
                            Err(StoreError::WrongRevision { .. }) => wrong += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                wrong
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for stream in 0..8 {
        let read = read_whole(&*store, &format!("s{stream}")).await;
        assert_eq!(read.len(), 64);
        assert!(
            read.iter()
                .enumerate()
                .all(|(index, event)| event.revision.0 == index as u64 + 1)
        );
    }
    assert_eq!(
        store.read_all(Position::START, 4096).await.unwrap().len(),
        512
    );
}
