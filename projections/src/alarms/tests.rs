use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tellee_actors::domain::alarm::{Event, Letter, Shelving};
use tellee_actors::domain::alarm_rule::{AlarmClass, Priority};
use tellee_actors::ids::{ThingId, UserId};

use super::*;
use crate::follower::DomainEvent;
use crate::testing::history::{activation, source};
use crate::testing::{DEADLINE, NEW_YEAR, World};

struct Plant {
    world: World,
    organisation: OrganisationId,
}

impl Plant {
    async fn new() -> Self {
        let world = World::new().await;
        let organisation = world.organisation("plant").await;
        Self {
            world,
            organisation,
        }
    }

    fn alarms(&self) -> &Alarms {
        self.world.projections.alarms()
    }

    async fn raise(
        &self,
        alarm: AlarmId,
        occurrence: u64,
        priority: Priority,
        class: AlarmClass,
    ) -> Position {
        let mut activation = activation(0, self.world.clock_now());
        activation.priority = priority;
        activation.class = class;
        let source = source(self.organisation, ThingId(alarm.0), 0);
        self.event(
            alarm,
            Event::Activated {
                source,
                occurrence,
                activation,
            },
        )
        .await
    }

    async fn event(&self, alarm: AlarmId, event: Event) -> Position {
        self.world.append(alarm, DomainEvent::Alarm(event)).await
    }

    async fn acknowledge(&self, alarm: AlarmId) -> Position {
        let (by, at) = (UserId::generate(), self.world.clock_now());
        self.event(
            alarm,
            Event::Acknowledged {
                occurrence: 1,
                by,
                note: Some("seen".to_owned()),
                at,
            },
        )
        .await
    }

    async fn return_to_normal(&self, alarm: AlarmId) -> Position {
        let at = self.world.clock_now();
        self.event(
            alarm,
            Event::Returned {
                occurrence: 1,
                source_time: at,
                value: Some(9.0),
                at,
            },
        )
        .await
    }

    fn feed(&self, after: Option<Position>) -> BoxStream<'static, AlarmFeed> {
        self.alarms().changes(self.organisation, after).boxed()
    }
}

async fn next(feed: &mut BoxStream<'static, AlarmFeed>) -> AlarmFeed {
    tokio::time::timeout(DEADLINE, feed.next())
        .await
        .expect("the feed answers")
        .expect("the feed goes on")
}

async fn next_kind(feed: &mut BoxStream<'static, AlarmFeed>) -> (Position, String) {
    match next(feed).await {
        AlarmFeed::Change(change) => (change.entry.position, change.entry.kind.clone()),
        AlarmFeed::Snapshot { .. } => panic!("a change was expected"),
    }
}

#[tokio::test]
async fn an_alarm_leaves_the_list_when_it_is_normal_and_stays_in_the_journal() {
    let plant = Plant::new().await;
    let alarm = AlarmId::generate();
    plant
        .raise(alarm, 1, Priority::P1, AlarmClass::Process)
        .await;
    let position = plant.acknowledge(alarm).await;
    plant.world.seen(position).await;
    let listing = plant
        .alarms()
        .alarms(plant.organisation, AlarmFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!((listing.total, listing.rows[0].letter), (1, Letter::C));
    assert_eq!(listing.rows[0].position, position);

    plant.world.seen(plant.return_to_normal(alarm).await).await;
    let listing = plant
        .alarms()
        .alarms(plant.organisation, AlarmFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(listing.total, 0);
    let row = plant
        .alarms()
        .alarm(plant.organisation, alarm)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.letter, row.revision.0), (Letter::A, 3));
    assert!(
        plant
            .alarms()
            .alarm(OrganisationId::generate(), alarm)
            .await
            .unwrap()
            .is_none()
    );

    let query = JournalQuery {
        alarm: Some(alarm),
        limit: 2,
        ..JournalQuery::default()
    };
    let page = plant
        .alarms()
        .journal(plant.organisation, query.clone())
        .await
        .unwrap();
    let kinds: Vec<_> = page.rows.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(
        (kinds.as_slice(), page.has_more),
        (["returned", "acknowledged"].as_slice(), true)
    );
    assert_eq!(
        (page.rows[0].value, page.rows[1].text.as_deref()),
        (Some(9.0), Some("seen"))
    );
    let before = Some(page.rows[1].position);
    let page = plant
        .alarms()
        .journal(plant.organisation, JournalQuery { before, ..query })
        .await
        .unwrap();
    assert_eq!(
        (
            page.rows[0].kind.as_str(),
            page.rows[0].annunciated,
            page.has_more
        ),
        ("activated", true, false)
    );
}

#[tokio::test]
async fn the_list_shows_unacknowledged_first_then_by_priority_then_the_newest() {
    let plant = Plant::new().await;
    let ids: Vec<AlarmId> = (0..5).map(|_| AlarmId::generate()).collect();
    let priorities = [
        Priority::P2,
        Priority::P1,
        Priority::P2,
        Priority::P1,
        Priority::P4,
    ];
    for (alarm, priority) in ids.iter().zip(priorities) {
        plant.world.clock.advance(Duration::from_secs(1));
        plant.raise(*alarm, 1, priority, AlarmClass::Process).await;
    }
    plant.world.seen(plant.acknowledge(ids[3]).await).await;
    let expected = [ids[1], ids[2], ids[0], ids[4], ids[3]];
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = plant
            .alarms()
            .alarms(plant.organisation, AlarmFilter::default(), after, 2)
            .await
            .unwrap();
        assert_eq!(page.total, 5);
        found.extend(page.rows.iter().map(|row| row.id));
        if !page.has_more {
            break;
        }
        after = Some(page.end.unwrap().to_string().parse().unwrap());
    }
    assert_eq!(found, expected);

    let filter = AlarmFilter {
        priorities: Some(vec![Priority::P1]),
        unacknowledged: Some(true),
        classes: Some(vec![AlarmClass::Process]),
        ..AlarmFilter::default()
    };
    let page = plant
        .alarms()
        .alarms(plant.organisation, filter, None, 10)
        .await
        .unwrap();
    assert_eq!(
        page.rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        [ids[1]]
    );
    let filter = AlarmFilter {
        thing: Some(ThingId(ids[4].0)),
        ..AlarmFilter::default()
    };
    assert_eq!(
        plant
            .alarms()
            .alarms(plant.organisation, filter, None, 10)
            .await
            .unwrap()
            .rows[0]
            .id,
        ids[4]
    );
}

#[tokio::test]
async fn counts_are_by_priority_with_the_suppressed_and_the_predictive_beside_them() {
    let plant = Plant::new().await;
    let [one, two, returned, shelved, predictive] = [(); 5].map(|()| AlarmId::generate());
    plant.raise(one, 1, Priority::P1, AlarmClass::Process).await;
    plant.raise(two, 1, Priority::P1, AlarmClass::Process).await;
    plant.acknowledge(two).await;
    plant
        .raise(returned, 1, Priority::P2, AlarmClass::Instrument)
        .await;
    plant.return_to_normal(returned).await;
    plant
        .raise(shelved, 1, Priority::P3, AlarmClass::Process)
        .await;
    let shelving = Shelving {
        by: UserId::generate(),
        reason: "known".to_owned(),
        until: NEW_YEAR.saturating_add(Duration::from_secs(60)),
        one_shot: false,
    };
    plant.event(shelved, Event::Shelved { shelving }).await;
    let position = plant
        .raise(predictive, 1, Priority::P3, AlarmClass::Predictive)
        .await;
    plant.world.seen(position).await;
    let counts = plant.alarms().counts(plant.organisation).await.unwrap();
    let of = |priority, active, unacknowledged| PriorityCount {
        priority,
        active,
        unacknowledged,
    };
    let expected = [
        of(Priority::P1, 2, 1),
        of(Priority::P2, 0, 1),
        of(Priority::P3, 0, 0),
        of(Priority::P4, 0, 0),
    ];
    assert_eq!(counts.priorities, expected);
    assert_eq!(
        (
            counts.shelved,
            counts.suppressed,
            counts.out_of_service,
            counts.predictive
        ),
        (1, 0, 0, 1)
    );

    assert!(
        plant
            .alarms()
            .overdue_shelvings(NEW_YEAR, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let later = NEW_YEAR.saturating_add(Duration::from_secs(60));
    let overdue = plant.alarms().overdue_shelvings(later, 10).await.unwrap();
    assert_eq!(
        overdue.iter().map(|row| row.id).collect::<Vec<_>>(),
        [shelved]
    );
}

#[tokio::test]
async fn figures_count_what_called_the_operator_in_ten_minute_buckets() {
    let plant = Plant::new().await;
    let (chatterer, standing, predictive) = (
        AlarmId::generate(),
        AlarmId::generate(),
        AlarmId::generate(),
    );
    plant
        .raise(standing, 1, Priority::P1, AlarmClass::Process)
        .await;
    plant
        .raise(predictive, 1, Priority::P1, AlarmClass::Predictive)
        .await;
    plant.world.clock.advance(Duration::from_secs(605));
    for occurrence in 1..=12 {
        plant.world.clock.advance(Duration::from_secs(20));
        plant
            .raise(chatterer, occurrence, Priority::P2, AlarmClass::Process)
            .await;
        plant.return_to_normal(chatterer).await;
    }
    plant.world.seen(plant.acknowledge(chatterer).await).await;
    let to = NEW_YEAR.saturating_add(Duration::from_hours(25));
    let kpis = plant
        .alarms()
        .kpis(plant.organisation, NEW_YEAR, to)
        .await
        .unwrap();
    assert_eq!(kpis.total, 13);
    let starts: Vec<_> = kpis
        .buckets
        .iter()
        .map(|bucket| (bucket.start.since(NEW_YEAR).as_secs(), bucket.count))
        .collect();
    assert_eq!(starts, [(0, 1), (600, 12)]);
    assert_eq!(kpis.peak_ten_minutes, 12);
    assert!((kpis.per_ten_minutes - 13.0 / 150.0).abs() < 1e-12);
    assert!((kpis.flood_share - 1.0 / 150.0).abs() < 1e-12);
    assert_eq!(
        (kpis.bad_actors[0].alarm, kpis.bad_actors[0].count),
        (chatterer, 12)
    );
    assert!((kpis.bad_actors[0].share - 12.0 / 13.0).abs() < 1e-12);
    assert_eq!((kpis.standing, kpis.chattering), (1, 1));
    assert_eq!(
        (kpis.priorities[0].count, kpis.priorities[1].count),
        (1, 12)
    );
    let empty = plant
        .alarms()
        .kpis(OrganisationId::generate(), NEW_YEAR, to)
        .await
        .unwrap();
    assert_eq!((empty.total, empty.standing), (0, 0));
    assert_eq!(
        plant
            .alarms()
            .kpis(plant.organisation, to, NEW_YEAR)
            .await
            .unwrap(),
        AlarmKpis::default()
    );
}

#[tokio::test]
async fn a_feed_begins_with_a_snapshot_and_goes_on_with_every_change() {
    let plant = Plant::new().await;
    let alarm = AlarmId::generate();
    let raised = plant
        .raise(alarm, 1, Priority::P1, AlarmClass::Process)
        .await;
    plant.world.seen(raised).await;
    let mut feed = plant.feed(None);
    match next(&mut feed).await {
        AlarmFeed::Snapshot { alarms, cursor } => {
            assert_eq!((alarms.len(), alarms[0].id, cursor), (1, alarm, raised));
        }
        AlarmFeed::Change(_) => panic!("a snapshot was expected"),
    }
    let acknowledged = plant.acknowledge(alarm).await;
    assert_eq!(
        next_kind(&mut feed).await,
        (acknowledged, "acknowledged".to_owned())
    );
    let returned = plant.return_to_normal(alarm).await;
    let AlarmFeed::Change(change) = next(&mut feed).await else {
        panic!("a change was expected")
    };
    assert_eq!(
        (change.entry.position, change.alarm.letter),
        (returned, Letter::A)
    );
}

#[tokio::test]
async fn a_feed_resumes_from_any_cursor_even_beyond_what_memory_holds() {
    let mut plant = Plant::new().await;
    let alarm = AlarmId::generate();
    let foreign = AlarmId::generate();
    let mut ours = Vec::new();
    for occurrence in 1..=700 {
        ours.push(
            plant
                .raise(alarm, occurrence, Priority::P1, AlarmClass::Process)
                .await,
        );
        let source = source(OrganisationId::generate(), ThingId::generate(), 0);
        let activation = activation(0, NEW_YEAR);
        let last = plant
            .event(
                foreign,
                Event::Activated {
                    source,
                    occurrence,
                    activation,
                },
            )
            .await;
        if occurrence == 700 {
            plant.world.seen(last).await;
        }
    }
    for restart in [false, true] {
        if restart {
            plant.world.restart().await;
        }
        for seen in [0, 1, 350, 699] {
            let mut feed = plant.feed(Some(ours[seen]));
            for expected in &ours[seen + 1..] {
                assert_eq!(next_kind(&mut feed).await.0, *expected);
            }
        }
    }
    let mut feed = plant.feed(Some(Position::START));
    for expected in &ours {
        assert_eq!(next_kind(&mut feed).await.0, *expected);
    }
    let more = plant.acknowledge(alarm).await;
    assert_eq!(next_kind(&mut feed).await.0, more);
}

#[tokio::test]
async fn a_cursor_from_the_future_is_answered_with_a_snapshot() {
    let plant = Plant::new().await;
    plant
        .world
        .seen(
            plant
                .raise(AlarmId::generate(), 1, Priority::P1, AlarmClass::Process)
                .await,
        )
        .await;
    let mut feed = plant.feed(Some(Position(1_000)));
    assert!(
        matches!(next(&mut feed).await, AlarmFeed::Snapshot { cursor, .. } if cursor < Position(1_000))
    );
}

#[tokio::test]
async fn a_slow_reader_of_a_feed_loses_nothing() {
    let plant = Plant::new().await;
    let mut feed = plant.feed(None);
    assert!(matches!(next(&mut feed).await, AlarmFeed::Snapshot { .. }));
    let alarm = AlarmId::generate();
    let mut expected = Vec::new();
    for occurrence in 1..=1_500 {
        expected.push(
            plant
                .raise(alarm, occurrence, Priority::P1, AlarmClass::Process)
                .await,
        );
    }
    plant.world.seen(expected[1_499]).await;
    for position in expected {
        assert_eq!(next_kind(&mut feed).await.0, position);
    }
}
