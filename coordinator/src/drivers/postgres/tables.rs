//! The tables that Handfast keeps in a PostgreSQL database, and every statement over them.
//!
//! ```text
//! handfast_outcome      (gtrid, outcome, asked, decided_at)   one row decides or witnesses one transaction (P7, P11)
//! handfast_resource     (one_row, resource_id)                one row: which database this is (P3)
//! handfast_coordinator  (coordinator, incarnation, epoch)     who attached last (P3)
//! ```

use handfast_coordinator_core::Resource;
use handfast_protocol::marker::{COMMITTED, COORDINATOR_TABLE, OUTCOME_TABLE, RESOURCE_TABLE, ROLLED_BACK};

/// The three tables in one schema.
#[derive(Debug, Clone)]
pub struct Tables {
    pub outcome: String,
    pub resource: String,
    pub coordinator: String,
}

impl Tables {
    pub fn of(resource: &Resource) -> Tables {
        Tables::in_schema(&resource.schema)
    }

    /// `schema` is quoted already.
    pub fn in_schema(schema: &str) -> Tables {
        Tables {
            outcome: format!("{schema}.{OUTCOME_TABLE}"),
            resource: format!("{schema}.{RESOURCE_TABLE}"),
            coordinator: format!("{schema}.{COORDINATOR_TABLE}"),
        }
    }

    /// A table of the name that is there already stays as it is; [`Self::probes`] then tell whether it is one of ours.
    pub fn create(&self) -> String {
        let Tables { outcome, resource, coordinator } = self;
        format!(
            "CREATE TABLE IF NOT EXISTS {outcome} (\
               gtrid bytea PRIMARY KEY, \
               outcome text NOT NULL CHECK (outcome IN ('{COMMITTED}', '{ROLLED_BACK}')), \
               asked integer NOT NULL DEFAULT 0, \
               decided_at timestamptz NOT NULL DEFAULT now()); \
             CREATE TABLE IF NOT EXISTS {resource} (\
               one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row), \
               resource_id uuid NOT NULL); \
             CREATE TABLE IF NOT EXISTS {coordinator} (\
               coordinator uuid PRIMARY KEY, \
               incarnation text NOT NULL, \
               epoch numeric(20) NOT NULL)"
        )
    }

    /// Each table with a statement that fails unless it has our columns.
    pub fn probes(&self) -> [(&'static str, String); 3] {
        [
            (OUTCOME_TABLE, format!("SELECT gtrid, outcome, asked, decided_at FROM {} LIMIT 0", self.outcome)),
            (RESOURCE_TABLE, format!("SELECT one_row, resource_id FROM {} LIMIT 0", self.resource)),
            (COORDINATOR_TABLE, format!("SELECT coordinator, incarnation, epoch FROM {} LIMIT 0", self.coordinator)),
        ]
    }

    pub fn select_resource_id(&self) -> String {
        format!("SELECT resource_id::text FROM {}", self.resource)
    }

    /// Keeps the id that is there. `$1`: a new one.
    pub fn insert_resource_id(&self) -> String {
        format!("INSERT INTO {} (resource_id) VALUES ($1::text::uuid) ON CONFLICT DO NOTHING", self.resource)
    }

    /// Holds the row until the end of the transaction. `$1`: the coordinator.
    pub fn select_last_visit(&self) -> String {
        format!(
            "SELECT incarnation, epoch::text FROM {} WHERE coordinator = $1::text::uuid FOR UPDATE",
            self.coordinator
        )
    }

    /// `$1`: the coordinator, `$2`: its incarnation, `$3`: its epoch.
    pub fn write_last_visit(&self) -> String {
        format!(
            "INSERT INTO {} (coordinator, incarnation, epoch) VALUES ($1::text::uuid, $2::text, $3::text::numeric) \
             ON CONFLICT (coordinator) DO UPDATE SET incarnation = excluded.incarnation, epoch = excluded.epoch",
            self.coordinator
        )
    }

    /// P12, and with the outcome what makes it valid: that this commit flushes, and in which database it is made. An UPDATE
    /// always writes to the log, so that the flush of its commit covers the row that it read. `$1`: the gtrid.
    pub fn fence(&self) -> String {
        format!(
            "INSERT INTO {} AS marker (gtrid, outcome) VALUES ($1, '{ROLLED_BACK}') \
             ON CONFLICT (gtrid) DO UPDATE SET asked = marker.asked + 1 \
             RETURNING marker.outcome, current_setting('synchronous_commit'), current_setting('transaction_isolation'), \
             (SELECT resource.resource_id::text FROM {} AS resource)",
            self.outcome, self.resource
        )
    }

    /// `$1`: the gtrid.
    pub fn select_outcome(&self) -> String {
        format!("SELECT outcome FROM {} WHERE gtrid = $1", self.outcome)
    }

    /// P14: one bounded step. `$1`, `$2`: first and last gtrid, `$3`: how many rows.
    pub fn clear(&self) -> String {
        let outcome = &self.outcome;
        format!(
            "DELETE FROM {outcome} WHERE gtrid IN (SELECT gtrid FROM {outcome} \
             WHERE gtrid BETWEEN $1 AND $2 AND outcome = '{COMMITTED}' ORDER BY gtrid LIMIT $3)"
        )
    }
}
