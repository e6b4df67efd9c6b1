//! Rows into tables, in one transaction.

use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::history::{self, StoredIncident, kind_and_data};
use super::logins::{self, Logins};
use super::people::{self, Credential};
use super::rows::{Batch, EventId};
use crate::alarm::{Actor, Ending, Incident, IncidentId};
use crate::clock::Stamp;

/// Further apart than this, wall clock and boot clock did not drift: the wall clock was set.
const CLOCK_STEP_MS: i64 = 10_000;

/// What a database that was started anew gets from the one before it.
pub(super) struct Carried<'a> {
    /// What the panel last was.
    pub(super) state: &'a str,
    /// When it was saved.
    pub(super) saved_at: &'a Stamp,
    /// Who is known.
    pub(super) known: &'a [Credential],
    /// Who may log in.
    pub(super) logins: &'a Logins,
}

/// Writes all batches or none. `carried` is for a database that holds no state; `last` is what
/// the last commit left.
pub(super) fn write(
    connection: &mut Connection,
    batches: &[Batch],
    carried: Option<Carried<'_>>,
    last: Last<'_>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(carried) = carried {
        save_state(&transaction, carried.state, carried.saved_at, last.event)?;
        for credential in carried.known {
            people::enrol(&transaction, credential)?;
        }
        for login in carried.logins.as_changes() {
            logins::write(&transaction, &login)?;
        }
    }
    let (mut clocks, mut event) = (last.clocks, last.event);
    for batch in batches {
        if let Some(last) = clocks {
            follow_the_clock(&transaction, last, &batch.at)?;
        }
        event = event.max(batch.last_event());
        write_batch(&transaction, batch, event)?;
        clocks = Some(&batch.at);
    }
    transaction.commit()
}

/// What the last commit left.
#[derive(Clone, Copy)]
pub(super) struct Last<'a> {
    /// The clocks then.
    pub(super) clocks: Option<&'a Stamp>,
    /// The highest event.
    pub(super) event: EventId,
}

fn write_batch(
    transaction: &Transaction<'_>,
    batch: &Batch,
    event: EventId,
) -> rusqlite::Result<()> {
    let at = &batch.at;
    if let Some(state) = &batch.state {
        save_state(transaction, state, at, event)?;
    } else if batch.sign_of_life {
        transaction
            .prepare_cached(
                "INSERT INTO panel VALUES (1, NULL, ?1, ?2, ?3, ?1, ?2, ?3, 0)
                 ON CONFLICT (id) DO UPDATE SET life_boot_id = ?1, life_boot_ns = ?2, life_wall_ms = ?3",
            )?
            .execute(params![at.boot_id, boot_ns(at), at.wall.0])?;
    }
    for incident in &batch.incidents {
        save_incident(transaction, incident, at)?;
    }
    if let Some((by, before)) = &batch.acknowledged {
        acknowledge_ended(transaction, by, *before, at)?;
    }
    for event in &batch.events {
        let (kind, data) = kind_and_data(&event.what);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                key(event.id.0),
                at.wall.0,
                boot_ns(at),
                at.boot_id,
                at.wall.is_set(),
                kind,
                incident_key(event.incident),
                data.to_string(),
            ])?;
    }
    for message in &batch.messages {
        transaction
            .prepare_cached(
                "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (id) DO UPDATE SET incident = ?2, channel = ?3, recipient = ?4,
                     waiting = ?5, body = ?8",
            )?
            .execute(params![
                key(message.id),
                incident_key(message.incident),
                message.channel,
                message.to,
                message.waiting,
                at.wall.0,
                at.wall.is_set(),
                message.body,
            ])?;
    }
    for photo in &batch.photos {
        // Taken before the clock was set, written down after it.
        let (taken, dark) = (&photo.taken, !photo.taken.wall.is_set());
        let wall = match dark && at.wall.is_set() && taken.boot_id == at.boot_id {
            true => at.wall_of(taken.boot),
            false => taken.wall,
        };
        transaction
            .prepare_cached("INSERT OR REPLACE INTO photos VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                key(photo.id.0),
                incident_key(photo.incident),
                key(photo.bytes),
                wall.0,
                boot_ns(taken),
                taken.boot_id,
                wall.is_set(),
            ])?;
    }
    for (incident, recording) in &batch.recordings {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO recordings VALUES (?1, ?2)")?
            .execute(params![key(incident.0), recording])?;
    }
    for path in &batch.proven {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO proven VALUES (?1, ?2)")?
            .execute(params![path, at.wall.0])?;
    }
    for change in &batch.people {
        people::write(transaction, change)?;
    }
    for change in &batch.logins {
        logins::write(transaction, change)?;
    }
    for by in &batch.duress {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO duress VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                at.boot_id,
                boot_ns(at),
                at.wall.0,
                at.wall.is_set(),
                serde_json::to_string(by).expect("actors serialise"),
            ])?;
    }
    if let Some(config) = &batch.config {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO config VALUES (1, ?1, ?2)")?
            .execute(params![config, at.wall.0])?;
    }
    Ok(())
}

fn save_state(
    transaction: &Transaction<'_>,
    state: &str,
    at: &Stamp,
    event: EventId,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO panel VALUES (1, ?1, ?2, ?3, ?4, ?2, ?3, ?4, ?5)")?
        .execute(params![
            state,
            at.boot_id,
            boot_ns(at),
            at.wall.0,
            key(event.0)
        ])?;
    Ok(())
}

/// The wall times of its milestones are kept from when they were first saved: `data` holds boot
/// times, which mean nothing in another boot.
fn save_incident(
    transaction: &Transaction<'_>,
    incident: &Incident,
    at: &Stamp,
) -> rusqlite::Result<()> {
    let acknowledged = incident
        .acknowledged
        .as_ref()
        .map(|(_, when)| at.wall_of(*when).0);
    let ended = incident.ended.as_ref().map(|(_, when)| at.wall_of(*when).0);
    transaction
        .prepare_cached(
            "INSERT INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET
                 acknowledged_wall_ms = coalesce(acknowledged_wall_ms, ?4),
                 ended_wall_ms = coalesce(ended_wall_ms, ?5),
                 settled = ?6, clock_set = ?7,
                 boot_id = ?8, saved_boot_ns = ?9, saved_wall_ms = ?10, data = ?11",
        )?
        .execute(params![
            key(incident.id.0),
            word(&incident.kind),
            at.wall_of(incident.since).0,
            acknowledged,
            ended,
            is_settled(incident),
            at.wall.is_set(),
            at.boot_id,
            boot_ns(at),
            at.wall.0,
            serde_json::to_string(incident).expect("incidents serialise"),
        ])?;
    Ok(())
}

/// Those that are over, before this one, and that nobody has acknowledged.
fn acknowledge_ended(
    transaction: &Transaction<'_>,
    by: &Actor,
    before: IncidentId,
    at: &Stamp,
) -> rusqlite::Result<()> {
    let mut over = transaction.prepare_cached(
        "SELECT * FROM incidents WHERE id < ?1 AND NOT settled AND ended_wall_ms IS NOT NULL",
    )?;
    // One that cannot be read stays as it is: it must not keep the others from the disk.
    let unseen: Vec<StoredIncident> = (over.query_map([key(before.0)], history::incident)?)
        .filter_map(Result::ok)
        .collect();
    for stored in unseen {
        let mut incident = stored.incident;
        let wall = stored.ended.map_or(at.wall, |ended| at.wall.max(ended));
        // By the boot clock of the boot in which it was saved, as its other times.
        let later = wall
            .0
            .saturating_sub(stored.saved.wall.0)
            .max(0)
            .unsigned_abs();
        let when = stored.saved.boot + Duration::from_millis(later);
        incident.acknowledged = Some((by.clone(), when));
        transaction
            .prepare_cached(
                "UPDATE incidents SET settled = 1, acknowledged_wall_ms = ?2, data = ?3 WHERE id = ?1",
            )?
            .execute(params![
                key(incident.id.0),
                wall.0,
                serde_json::to_string(&incident).expect("incidents serialise"),
            ])?;
    }
    Ok(())
}

/// It is over and somebody knows of it: whoever disarmed or paused was there. Only such incidents
/// may ever be removed.
fn is_settled(incident: &Incident) -> bool {
    match &incident.ended {
        None => false,
        Some((Ending::Cleared, _)) => incident.acknowledged.is_some(),
        Some((Ending::Disarmed(_) | Ending::Paused(_), _)) => true,
    }
}

/// The Pi has no clock battery. When its wall clock has been set since the last commit, all that
/// was recorded in this boot moves with it: the boot clock says by how much it was wrong.
fn follow_the_clock(
    transaction: &Transaction<'_>,
    last: &Stamp,
    now: &Stamp,
) -> rusqlite::Result<()> {
    let old = last.wall_of(crate::alarm::BootTime::ZERO).0;
    let step = now.wall_of(crate::alarm::BootTime::ZERO).0 - old;
    if last.boot_id != now.boot_id || step.abs() < CLOCK_STEP_MS {
        return Ok(());
    }
    // The rows of this boot are the last ones, so only they are looked at.
    for table in ["events", "photos"] {
        transaction.execute(
            &format!(
                "UPDATE {table} SET at_wall_ms = at_wall_ms + ?1, clock_set = ?2 WHERE id >
                     coalesce((SELECT id FROM {table} WHERE boot_id <> ?3 ORDER BY id DESC LIMIT 1), -1)"
            ),
            params![step, now.wall.is_set(), now.boot_id],
        )?;
    }
    // By the old clock this boot reaches from its beginning to the last commit. Milestones of an
    // earlier boot lie before that, or after it if the old clock said 1970, and stay.
    let newest = last.wall.0;
    transaction.execute(
        "UPDATE incidents SET
             since_wall_ms = since_wall_ms
                 + iif(since_wall_ms BETWEEN ?4 AND ?5, ?1, 0),
             acknowledged_wall_ms = acknowledged_wall_ms
                 + iif(acknowledged_wall_ms BETWEEN ?4 AND ?5, ?1, 0),
             ended_wall_ms = ended_wall_ms
                 + iif(ended_wall_ms BETWEEN ?4 AND ?5, ?1, 0),
             saved_wall_ms = saved_wall_ms + ?1, clock_set = ?2
         WHERE boot_id = ?3",
        params![step, now.wall.is_set(), now.boot_id, old, newest],
    )?;
    for (table, wall) in [
        ("proven", "at_wall_ms"),
        ("config", "at_wall_ms"),
        ("credentials", "enrolled_wall_ms"),
    ] {
        transaction.execute(
            &format!("UPDATE {table} SET {wall} = {wall} + ?1 WHERE {wall} BETWEEN ?2 AND ?3"),
            params![step, old, newest],
        )?;
    }
    transaction.execute(
        "UPDATE messages SET at_wall_ms = at_wall_ms + ?1, clock_set = ?2 WHERE at_wall_ms >= ?3 AND NOT clock_set",
        params![step, now.wall.is_set(), old],
    )?;
    transaction.execute(
        "UPDATE duress SET at_wall_ms = at_wall_ms + ?1, clock_set = ?2 WHERE boot_id = ?3",
        params![step, now.wall.is_set(), now.boot_id],
    )?;
    transaction.execute(
        "UPDATE panel SET saved_wall_ms = saved_wall_ms + iif(saved_boot_id = ?2, ?1, 0),
             life_wall_ms = life_wall_ms + iif(life_boot_id = ?2, ?1, 0)",
        params![step, now.boot_id],
    )?;
    Ok(())
}

/// SQLite's integers are signed; numbers beyond half the range keep their bits.
pub(super) fn key(id: u64) -> i64 {
    id.cast_signed()
}

fn incident_key(id: Option<IncidentId>) -> Option<i64> {
    id.map(|id| key(id.0))
}

fn boot_ns(at: &Stamp) -> i64 {
    key(at.boot.as_nanos())
}

/// A plain enum's name as it serialises.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => unreachable!("plain enums serialise to their name"),
    }
}
