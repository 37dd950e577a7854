//! The figures of ISA-18.2 and EEMUA 191, from the journal.

use std::time::Duration;

use rusqlite::{Connection, Error, params};
use tellee_actors::domain::alarm_rule::Priority;
use tellee_actors::ids::OrganisationId;
use tellee_actors::time::Timestamp;

use super::rows::{AlarmBucket, AlarmKpis, BadActor, PriorityShare};
use crate::follower::sql::{get_count, get_id, get_word};

/// Ten minutes.
const BUCKET_NS: i64 = 600_000_000_000;
const MINUTE_NS: i64 = 60_000_000_000;
/// More than this many in one bucket is a flood.
const FLOOD: u64 = 10;
const STANDING: Duration = Duration::from_hours(24);
/// More than a year of buckets.
const BUCKETS_LIMIT: i64 = 60_000;

/// What calls the operator; predictions stay out of the rates.
const COUNTED: &str =
    "organisation = ?1 AND annunciated = 1 AND at >= ?2 AND at < ?3 AND class <> 'predictive'";

pub(super) fn kpis(
    connection: &Connection,
    organisation: OrganisationId,
    from: Timestamp,
    to: Timestamp,
) -> Result<AlarmKpis, Error> {
    if to <= from {
        return Ok(AlarmKpis::default());
    }
    let range = Range {
        connection,
        organisation,
        from,
        to,
    };
    let buckets = range.buckets()?;
    let priorities = range.priorities()?;
    let total: u64 = priorities.iter().map(|priority| priority.count).sum();
    let all_buckets = (to.0 - 1).div_euclid(BUCKET_NS) - from.0.div_euclid(BUCKET_NS) + 1;
    let flooded = buckets.iter().filter(|bucket| bucket.count > FLOOD).count();
    Ok(AlarmKpis {
        total,
        per_ten_minutes: total as f64 * BUCKET_NS as f64 / (to.0 - from.0) as f64,
        peak_ten_minutes: buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0),
        flood_share: flooded as f64 / all_buckets as f64,
        bad_actors: range.bad_actors(total)?,
        standing: range.standing()?,
        chattering: range.chattering()?,
        priorities,
        buckets,
    })
}

struct Range<'a> {
    connection: &'a Connection,
    organisation: OrganisationId,
    from: Timestamp,
    to: Timestamp,
}

impl Range<'_> {
    fn buckets(&self) -> Result<Vec<AlarmBucket>, Error> {
        // Integer division rounds towards zero; stamps before 1970 are no times of alarms.
        let sql = format!(
            "SELECT at / {BUCKET_NS} AS bucket, count(*) AS alarms FROM alarm_journal WHERE {COUNTED}
             GROUP BY bucket ORDER BY bucket LIMIT {BUCKETS_LIMIT}"
        );
        self.connection
            .prepare_cached(&sql)?
            .query_map(
                params![self.organisation.0.as_bytes(), self.from.0, self.to.0],
                |row| {
                    let bucket: i64 = row.get("bucket")?;
                    Ok(AlarmBucket {
                        start: Timestamp(bucket * BUCKET_NS),
                        count: get_count(row, "alarms")?,
                    })
                },
            )?
            .collect()
    }

    fn priorities(&self) -> Result<Vec<PriorityShare>, Error> {
        let mut shares = [Priority::P1, Priority::P2, Priority::P3, Priority::P4].map(|priority| {
            PriorityShare {
                priority,
                count: 0,
                share: 0.0,
            }
        });
        let sql = format!(
            "SELECT priority, count(*) AS alarms FROM alarm_journal WHERE {COUNTED} GROUP BY priority"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = statement.query(params![
            self.organisation.0.as_bytes(),
            self.from.0,
            self.to.0
        ])?;
        while let Some(row) = found.next()? {
            let priority: Priority = get_word(row, "priority")?;
            for share in shares.iter_mut().filter(|share| share.priority == priority) {
                share.count = get_count(row, "alarms")?;
            }
        }
        let total: u64 = shares.iter().map(|share| share.count).sum();
        for share in &mut shares {
            share.share = part(share.count, total);
        }
        Ok(shares.to_vec())
    }

    fn bad_actors(&self, total: u64) -> Result<Vec<BadActor>, Error> {
        let sql = format!(
            "SELECT alarm, thing, message, count(*) AS alarms, max(position) FROM alarm_journal WHERE {COUNTED}
             GROUP BY alarm ORDER BY alarms DESC, alarm LIMIT 10"
        );
        self.connection
            .prepare_cached(&sql)?
            .query_map(
                params![self.organisation.0.as_bytes(), self.from.0, self.to.0],
                |row| {
                    let count = get_count(row, "alarms")?;
                    Ok(BadActor {
                        alarm: get_id(row, "alarm")?,
                        thing: get_id(row, "thing")?,
                        message: row.get("message")?,
                        count,
                        share: part(count, total),
                    })
                },
            )?
            .collect()
    }

    /// Looks at the last change of each alarm's condition before the end of the range.
    fn standing(&self) -> Result<u64, Error> {
        let raised_before = self.to.saturating_sub(STANDING);
        let sql = "SELECT count(*) AS alarms FROM alarms
            WHERE organisation = ?1 AND class <> 'predictive'
              AND (SELECT CASE kind WHEN 'activated' THEN at END FROM alarm_journal
                   WHERE alarm = alarms.id AND kind IN ('activated', 'returned') AND at < ?2
                   ORDER BY position DESC LIMIT 1) <= ?3";
        self.connection.prepare_cached(sql)?.query_row(
            params![self.organisation.0.as_bytes(), self.to.0, raised_before.0],
            |row| get_count(row, "alarms"),
        )
    }

    fn chattering(&self) -> Result<u64, Error> {
        let sql = format!(
            "SELECT count(DISTINCT alarm) AS alarms FROM (
                 SELECT alarm, at - lag(at, 2) OVER (PARTITION BY alarm ORDER BY at) AS span
                 FROM alarm_journal WHERE {COUNTED})
             WHERE span <= {MINUTE_NS}"
        );
        self.connection.prepare_cached(&sql)?.query_row(
            params![self.organisation.0.as_bytes(), self.from.0, self.to.0],
            |row| get_count(row, "alarms"),
        )
    }
}

fn part(count: u64, total: u64) -> f64 {
    if total == 0 {
        0.0
    } else {
        count as f64 / total as f64
    }
}
