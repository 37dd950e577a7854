//! What every telemetry store must do, whatever lies under it. Each check gets an empty store.

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{
    AggregateFunction, MessageBatch, MessageQuery, Quality, Record, SampleBatch, SampleValues,
    SeriesFilter, SeriesId, SeriesKey, TelemetryError, TelemetryStore, TimeRange, Value,
    ValueFilter,
};

use super::oracle::{channel, thing};

const SECOND: i64 = 1_000_000_000;

pub fn record(name: &str, second: i64, value: Value) -> Record {
    Record {
        name: name.to_owned(),
        unit: "bar".to_owned(),
        time: Timestamp(second * SECOND),
        seq: 0,
        value,
        sum: None,
        update_time: None,
        quality: Quality::GOOD,
    }
}

pub fn batch(records: Vec<Record>) -> MessageBatch {
    MessageBatch {
        channel: channel(0),
        thing: thing(0),
        subtopic: Arc::from(""),
        protocol: "mqtt",
        received_at: Timestamp(1_000 * SECOND),
        historical: false,
        records,
    }
}

fn numbers(name: &str, seconds: std::ops::Range<i64>) -> Arc<MessageBatch> {
    Arc::new(batch(
        seconds
            .map(|second| record(name, second, Value::Number(second as f64)))
            .collect(),
    ))
}

async fn only_series(store: &dyn TelemetryStore) -> SeriesId {
    let (series, total) = store.series(&SeriesFilter::default(), 0, 10).await.unwrap();
    assert_eq!(total, 1);
    series[0].id
}

pub async fn all(store: impl AsyncFn() -> Arc<dyn TelemetryStore>) {
    appended_samples_are_read_back_in_order(&*store().await).await;
    a_bad_record_keeps_the_whole_batch_out(&*store().await).await;
    late_and_historical_samples_never_move_the_latest_value(&*store().await).await;
    equal_identities_replace_each_other(&*store().await).await;
    intervals_start_at_multiples_of_their_length(&*store().await).await;
    series_are_found_by_each_part_of_their_key(&*store().await).await;
    messages_come_newest_first_with_their_total(&*store().await).await;
    retention_drops_what_is_older_and_nothing_else(&*store().await).await;
    a_sample_of_a_clock_that_is_ahead_is_never_the_newest(&*store().await).await;
    many_batches_are_kept_as_one(&*store().await).await;
    resolved_series_take_samples_without_their_names(&*store().await).await;
    bad_samples_keep_the_whole_batch_out(&*store().await).await;
    an_unknown_series_is_named(&*store().await).await;
    a_closed_store_says_so(&*store().await).await;
}

async fn appended_samples_are_read_back_in_order(store: &dyn TelemetryStore) {
    let values = [
        Value::Number(-0.25),
        Value::Text("läuft".to_owned()),
        Value::Boolean(true),
        Value::Data(vec![0, 255]),
        Value::Number(1e300),
    ];
    let mut records: Vec<Record> = values
        .iter()
        .enumerate()
        .map(|(index, value)| record("state", 10 - index as i64, value.clone()))
        .collect();
    records[0].sum = Some(2.5);
    records[1].quality = Quality::BAD;
    records[2].update_time = Some(-1.0);
    let appended = store
        .append(Arc::new(batch(records.clone())))
        .await
        .unwrap();
    assert_eq!(appended.records, 5);
    let id = only_series(store).await;
    let samples = store.range(id, TimeRange::ALL, 100).await.unwrap();
    records.reverse();
    assert_eq!(samples.len(), 5);
    for (sample, record) in samples.iter().zip(&records) {
        assert_eq!(
            (sample.time, &sample.value, sample.quality),
            (record.time, &record.value, record.quality)
        );
        assert_eq!(
            (sample.sum, sample.update_time),
            (record.sum, record.update_time)
        );
        assert_eq!(sample.received_at, Timestamp(1_000 * SECOND));
    }
    let info = store.series_by_id(id).await.unwrap().unwrap();
    assert_eq!(
        (info.unit.as_str(), info.protocol.as_str()),
        ("bar", "mqtt")
    );
    let part = TimeRange {
        from: Timestamp(7 * SECOND),
        to: Timestamp(9 * SECOND),
    };
    assert_eq!(store.range(id, part, 100).await.unwrap(), samples[1..3]);
    assert_eq!(
        store.range(id, TimeRange::ALL, 2).await.unwrap(),
        samples[..2]
    );
    assert_eq!(
        store
            .append(Arc::new(batch(Vec::new())))
            .await
            .unwrap()
            .records,
        0
    );
}

async fn a_sample_of_a_clock_that_is_ahead_is_never_the_newest(store: &dyn TelemetryStore) {
    let ahead = || {
        let mut ahead = record("state", 9_000, Value::Number(9.0));
        ahead.quality = ahead.quality.ahead();
        ahead
    };
    store.append(Arc::new(batch(vec![ahead()]))).await.unwrap();
    let id = only_series(store).await;
    assert_eq!(store.latest(&[id]).await.unwrap(), [None]);
    let usual = record("state", 10, Value::Number(1.0));
    store
        .append(Arc::new(batch(vec![usual, ahead()])))
        .await
        .unwrap();
    let latest = store.latest(&[id]).await.unwrap();
    let latest = latest[0].as_ref().unwrap();
    assert_eq!(
        (latest.time, latest.quality),
        (Timestamp(10 * SECOND), Quality::GOOD)
    );
    let samples = store.range(id, TimeRange::ALL, 10).await.unwrap();
    assert_eq!(samples.len(), 2, "it is history all the same");
    assert_eq!(samples[1].quality, Quality::GOOD.ahead());
}

async fn a_bad_record_keeps_the_whole_batch_out(store: &dyn TelemetryStore) {
    let mut not_finite = record("p", 2, Value::Number(f64::NAN));
    for bad in [
        not_finite.clone(),
        record("", 2, Value::Number(1.0)),
        Record {
            time: Timestamp::MAX,
            ..record("p", 0, Value::Number(1.0))
        },
        {
            not_finite.value = Value::Number(1.0);
            not_finite.sum = Some(f64::INFINITY);
            not_finite
        },
    ] {
        let refused = store
            .append(Arc::new(batch(vec![
                record("p", 1, Value::Number(1.0)),
                bad,
            ])))
            .await;
        let error = refused.unwrap_err();
        assert!(
            matches!(error, TelemetryError::Invalid { .. }) && !error.is_retryable(),
            "{error}"
        );
    }
    assert_eq!(
        store
            .series(&SeriesFilter::default(), 0, 10)
            .await
            .unwrap()
            .1,
        0
    );
}

async fn late_and_historical_samples_never_move_the_latest_value(store: &dyn TelemetryStore) {
    let historical = |second, value| {
        Arc::new(MessageBatch {
            historical: true,
            ..batch(vec![record("p", second, value)])
        })
    };
    store
        .append(historical(5, Value::Number(5.0)))
        .await
        .unwrap();
    let id = only_series(store).await;
    let latest = async || {
        store.latest(&[id]).await.unwrap()[0]
            .as_ref()
            .map(|sample| sample.value.clone())
    };
    assert_eq!(latest().await, Some(Value::Number(5.0)));
    store.append(numbers("p", 10..11)).await.unwrap();
    store.append(numbers("p", 7..8)).await.unwrap();
    store
        .append(historical(20, Value::Number(20.0)))
        .await
        .unwrap();
    assert_eq!(latest().await, Some(Value::Number(10.0)));
    assert_eq!(store.range(id, TimeRange::ALL, 10).await.unwrap().len(), 4);
}

async fn equal_identities_replace_each_other(store: &dyn TelemetryStore) {
    let other_seq = Record {
        seq: 1,
        ..record("p", 1, Value::Number(9.0))
    };
    store
        .append(Arc::new(batch(vec![
            record("p", 1, Value::Number(1.0)),
            other_seq,
        ])))
        .await
        .unwrap();
    store
        .append(Arc::new(batch(vec![record("p", 1, Value::Number(2.0))])))
        .await
        .unwrap();
    let id = only_series(store).await;
    let values: Vec<Value> = store
        .range(id, TimeRange::ALL, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|sample| sample.value)
        .collect();
    assert_eq!(values, [Value::Number(2.0), Value::Number(9.0)]);
}

async fn intervals_start_at_multiples_of_their_length(store: &dyn TelemetryStore) {
    store.append(numbers("p", -3..4)).await.unwrap();
    let id = only_series(store).await;
    let functions = [
        AggregateFunction::Count,
        AggregateFunction::Mean,
        AggregateFunction::Last,
    ];
    let found = store
        .aggregate(id, TimeRange::ALL, Duration::from_secs(2), &functions)
        .await
        .unwrap();
    assert_eq!(
        found.starts,
        [-4, -2, 0, 2].map(|second| Timestamp(second * SECOND))
    );
    assert_eq!(
        found.columns,
        [
            vec![1.0, 2.0, 2.0, 2.0],
            vec![-3.0, -1.5, 0.5, 2.5],
            vec![-3.0, -1.0, 1.0, 3.0]
        ]
    );
    let nothing = store
        .aggregate(id, TimeRange::ALL, Duration::ZERO, &functions)
        .await;
    assert!(matches!(
        nothing,
        Err(TelemetryError::Invalid { field: "every", .. })
    ));
    let line = store.points(id, TimeRange::ALL, 4).await.unwrap();
    assert_eq!(line.values, [Some(-3.0), Some(3.0)]);
    assert!(line.thinned && line.samples == 7);
}

async fn series_are_found_by_each_part_of_their_key(store: &dyn TelemetryStore) {
    for (to, from, subtopic, name) in [
        (0, 0, "", "Pressure"),
        (0, 1, "a.b", "flow"),
        (1, 0, "", "pressure in"),
    ] {
        let mut batch = batch(vec![record(name, 1, Value::Number(1.0))]);
        (batch.channel, batch.thing, batch.subtopic) =
            (channel(to), thing(from), Arc::from(subtopic));
        store.append(Arc::new(batch)).await.unwrap();
    }
    let names = async |filter: SeriesFilter| -> Vec<String> {
        let (series, total) = store.series(&filter, 0, 10).await.unwrap();
        assert_eq!(total, series.len());
        series.into_iter().map(|info| info.key.name).collect()
    };
    let any = SeriesFilter::default;
    assert_eq!(names(any()).await, ["Pressure", "flow", "pressure in"]);
    assert_eq!(
        names(SeriesFilter {
            channels: Some(vec![channel(1), channel(9)]),
            ..any()
        })
        .await,
        ["pressure in"]
    );
    assert_eq!(
        names(SeriesFilter {
            channels: Some(Vec::new()),
            ..any()
        })
        .await,
        [""; 0]
    );
    assert_eq!(
        names(SeriesFilter {
            thing: Some(thing(1)),
            ..any()
        })
        .await,
        ["flow"]
    );
    assert_eq!(
        names(SeriesFilter {
            subtopic: Some(String::new()),
            ..any()
        })
        .await,
        ["Pressure", "pressure in"]
    );
    assert_eq!(
        names(SeriesFilter {
            name: Some("flow".to_owned()),
            ..any()
        })
        .await,
        ["flow"]
    );
    assert_eq!(
        names(SeriesFilter {
            name_contains: Some("PRESS".to_owned()),
            ..any()
        })
        .await,
        ["Pressure", "pressure in"]
    );
    let (page, total) = store.series(&any(), 1, 1).await.unwrap();
    assert_eq!((page[0].key.name.as_str(), total), ("flow", 3));
}

async fn messages_come_newest_first_with_their_total(store: &dyn TelemetryStore) {
    store.append(numbers("a", 0..10)).await.unwrap();
    store.append(numbers("b", 5..15)).await.unwrap();
    let query = MessageQuery {
        channel: channel(0),
        range: TimeRange::ALL,
        subtopic: None,
        publisher: None,
        protocol: None,
        name: None,
        value: None,
        offset: 0,
        limit: 3,
    };
    let (page, total) = store.messages(&query).await.unwrap();
    let told: Vec<_> = page
        .iter()
        .map(|message| (message.key.name.as_str(), message.sample.time.0 / SECOND))
        .collect();
    assert_eq!(
        (told.as_slice(), total),
        ([("b", 14), ("b", 13), ("b", 12)].as_slice(), 20)
    );
    let (page, total) = store
        .messages(&MessageQuery {
            offset: 4,
            limit: 4,
            ..query.clone()
        })
        .await
        .unwrap();
    let told: Vec<_> = page
        .iter()
        .map(|message| (message.key.name.as_str(), message.sample.time.0 / SECOND))
        .collect();
    assert_eq!(
        (told.as_slice(), total),
        ([("b", 10), ("a", 9), ("b", 9), ("a", 8)].as_slice(), 20)
    );
    let high = MessageQuery {
        value: Some(ValueFilter::Greater(8.0)),
        limit: 1000,
        ..query.clone()
    };
    assert_eq!(store.messages(&high).await.unwrap().1, 7);
    let too_many = store
        .messages(&MessageQuery {
            limit: 1001,
            ..query.clone()
        })
        .await;
    assert!(matches!(
        too_many,
        Err(TelemetryError::Invalid { field: "limit", .. })
    ));
    let elsewhere = store
        .messages(&MessageQuery {
            channel: channel(5),
            ..query
        })
        .await
        .unwrap();
    assert_eq!(elsewhere, (Vec::new(), 0));
}

async fn retention_drops_what_is_older_and_nothing_else(store: &dyn TelemetryStore) {
    store.append(numbers("p", 0..10)).await.unwrap();
    let id = only_series(store).await;
    assert_eq!(
        store
            .retain(channel(0), Timestamp(4 * SECOND))
            .await
            .unwrap(),
        4
    );
    assert_eq!(store.retain(channel(1), Timestamp::MAX).await.unwrap(), 0);
    assert_eq!(store.range(id, TimeRange::ALL, 100).await.unwrap().len(), 6);
    // What is sent later is kept, however old.
    store.append(numbers("p", 1..2)).await.unwrap();
    assert_eq!(store.range(id, TimeRange::ALL, 100).await.unwrap().len(), 7);
    assert_eq!(
        store
            .retain(channel(0), Timestamp(100 * SECOND))
            .await
            .unwrap(),
        7
    );
    assert_eq!(store.latest(&[id]).await.unwrap(), [None]);
}

async fn many_batches_are_kept_as_one(store: &dyn TelemetryStore) {
    let batches: Vec<_> = (0..50)
        .map(|number| numbers(&format!("p{number}"), 0..2))
        .collect();
    assert_eq!(store.append_all(batches).await.unwrap().records, 100);
    assert_eq!(
        store
            .series(&SeriesFilter::default(), 0, 1)
            .await
            .unwrap()
            .1,
        50
    );
}

fn key(name: &str) -> SeriesKey {
    SeriesKey {
        channel: channel(0),
        thing: thing(0),
        subtopic: String::new(),
        name: name.to_owned(),
    }
}

fn samples(series: Vec<SeriesId>, seconds: &[i64], numbers: Vec<f64>) -> SampleBatch {
    SampleBatch {
        protocol: "influx",
        received_at: Timestamp(1_000 * SECOND),
        historical: false,
        series,
        times: seconds
            .iter()
            .map(|second| Timestamp(second * SECOND))
            .collect(),
        values: SampleValues::Numbers(numbers),
    }
}

async fn resolved_series_take_samples_without_their_names(store: &dyn TelemetryStore) {
    store.append(numbers("a", 0..2)).await.unwrap();
    let ids = store
        .resolve(&[key("b"), key("a"), key("b"), key("never")])
        .await
        .unwrap();
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[1]);
    let any = SeriesFilter::default();
    assert_eq!(store.series(&any, 0, 10).await.unwrap().1, 1);
    // Of equal identities the later stays, within a batch and between batches.
    let first = samples(
        vec![ids[0], ids[1], ids[0], ids[0]],
        &[5, 1, 5, 4],
        vec![1.0, 2.0, 3.0, 4.0],
    );
    let appended = store.append_samples(Arc::new(first)).await.unwrap();
    assert_eq!(appended.records, 4);
    let mut second = samples(vec![ids[0], ids[0]], &[4, 6], Vec::new());
    second.values.push(Value::Number(9.0));
    second.values.push(Value::Text("off".to_owned()));
    store.append_samples(Arc::new(second)).await.unwrap();

    let (series, total) = store.series(&any, 0, 10).await.unwrap();
    assert_eq!(total, 2);
    assert_eq!(
        (series[1].id, series[1].protocol.as_str()),
        (ids[0], "influx")
    );
    let values = async |id| -> Vec<(i64, Value)> {
        let samples = store.range(id, TimeRange::ALL, 10).await.unwrap();
        samples
            .into_iter()
            .map(|sample| (sample.time.0 / SECOND, sample.value))
            .collect()
    };
    assert_eq!(
        values(ids[0]).await,
        [
            (4, Value::Number(9.0)),
            (5, Value::Number(3.0)),
            (6, Value::Text("off".to_owned()))
        ]
    );
    assert_eq!(
        values(ids[1]).await,
        [(0, Value::Number(0.0)), (1, Value::Number(2.0))]
    );
    let latest = store.latest(&ids[..2]).await.unwrap();
    let times: Vec<i64> = latest
        .iter()
        .flatten()
        .map(|sample| sample.time.0 / SECOND)
        .collect();
    assert_eq!(times, [6, 1]);
    assert_eq!(store.resolve(&[key("b")]).await.unwrap(), ids[..1]);
}

async fn bad_samples_keep_the_whole_batch_out(store: &dyn TelemetryStore) {
    let ids = store.resolve(&[key("a")]).await.unwrap();
    let good = samples(vec![ids[0]; 2], &[1, 2], vec![1.0, 2.0]);
    let bad = [
        SampleBatch {
            values: SampleValues::Numbers(vec![1.0, f64::NAN]),
            ..good.clone()
        },
        SampleBatch {
            values: SampleValues::Numbers(vec![1.0]),
            ..good.clone()
        },
        SampleBatch {
            times: vec![Timestamp(0), Timestamp::MAX],
            ..good.clone()
        },
    ];
    for batch in bad {
        let error = store.append_samples(Arc::new(batch)).await.unwrap_err();
        assert!(matches!(error, TelemetryError::Invalid { .. }), "{error}");
    }
    let unknown = SeriesId(ids[0].0 + 1_000_000);
    let batch = SampleBatch {
        series: vec![ids[0], unknown],
        ..good
    };
    let error = store.append_samples(Arc::new(batch)).await.unwrap_err();
    assert!(
        matches!(error, TelemetryError::UnknownSeries(id) if id == unknown),
        "{error}"
    );
    assert_eq!(
        store
            .series(&SeriesFilter::default(), 0, 10)
            .await
            .unwrap()
            .1,
        0
    );
    assert!(store.resolve(&[key("")]).await.is_err());
}

async fn an_unknown_series_is_named(store: &dyn TelemetryStore) {
    let unknown = SeriesId(77);
    assert!(store.series_by_id(unknown).await.unwrap().is_none());
    let error = store.range(unknown, TimeRange::ALL, 1).await.unwrap_err();
    assert!(matches!(error, TelemetryError::UnknownSeries(id) if id == unknown));
}

async fn a_closed_store_says_so(store: &dyn TelemetryStore) {
    store.append(numbers("p", 0..1)).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(
        store.append(numbers("p", 1..2)).await,
        Err(TelemetryError::Closed)
    ));
    assert!(matches!(
        store.range(SeriesId(1), TimeRange::ALL, 1).await,
        Err(TelemetryError::Closed)
    ));
    assert!(matches!(
        store.latest(&[SeriesId(1)]).await,
        Err(TelemetryError::Closed)
    ));
}
