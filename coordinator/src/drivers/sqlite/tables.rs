//! The tables that Handfast keeps in a SQLite database, and every statement over them. As in PostgreSQL, but for the types.

/// A table of the name that is there already stays as it is; [`PROBES`] then tell whether it is one of ours.
pub const CREATE: &str = "\
    CREATE TABLE IF NOT EXISTS handfast_outcome (
        gtrid blob NOT NULL PRIMARY KEY CHECK (typeof(gtrid) = 'blob'),
        outcome text NOT NULL CHECK (outcome IN ('committed', 'rolled_back')),
        asked integer NOT NULL DEFAULT 0,
        decided_at text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS handfast_resource (
        one_row integer NOT NULL PRIMARY KEY CHECK (one_row = 1),
        resource_id text NOT NULL);
    CREATE TABLE IF NOT EXISTS handfast_coordinator (
        coordinator text NOT NULL PRIMARY KEY,
        incarnation text NOT NULL,
        epoch text NOT NULL) WITHOUT ROWID;";

/// Each table with a statement that cannot be prepared unless it has our columns.
pub const PROBES: [(&str, &str); 3] = [
    ("handfast_outcome", "SELECT gtrid, outcome, asked, decided_at FROM handfast_outcome"),
    ("handfast_resource", "SELECT one_row, resource_id FROM handfast_resource"),
    ("handfast_coordinator", "SELECT coordinator, incarnation, epoch FROM handfast_coordinator"),
];

/// `?1`: the name of a table.
pub const TABLE_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";

pub const SELECT_RESOURCE_ID: &str = "SELECT resource_id FROM handfast_resource";

/// Keeps the id that is there. `?1`: a new one.
pub const INSERT_RESOURCE_ID: &str =
    "INSERT INTO handfast_resource (one_row, resource_id) VALUES (1, ?1) ON CONFLICT DO NOTHING";

/// `?1`: the coordinator.
pub const SELECT_LAST_VISIT: &str = "SELECT incarnation, epoch FROM handfast_coordinator WHERE coordinator = ?1";

/// `?1`: the coordinator, `?2`: its incarnation, `?3`: its epoch.
pub const WRITE_LAST_VISIT: &str = "\
    INSERT INTO handfast_coordinator (coordinator, incarnation, epoch) VALUES (?1, ?2, ?3)
    ON CONFLICT (coordinator) DO UPDATE SET incarnation = excluded.incarnation, epoch = excluded.epoch";

/// P12. Its commit always writes, so that the flush covers the row that it read. `?1`: the gtrid.
pub const FENCE: &str = "\
    INSERT INTO handfast_outcome (gtrid, outcome) VALUES (?1, 'rolled_back')
    ON CONFLICT (gtrid) DO UPDATE SET asked = asked + 1 RETURNING outcome";

/// P14: one bounded step. `?1`, `?2`: first and last gtrid, `?3`: how many rows.
pub const CLEAR: &str = "\
    DELETE FROM handfast_outcome WHERE gtrid IN (SELECT gtrid FROM handfast_outcome
    WHERE gtrid BETWEEN ?1 AND ?2 AND outcome = 'committed' ORDER BY gtrid LIMIT ?3)";

#[cfg(test)]
mod tests {
    use handfast_protocol::marker;

    use super::*;

    #[test]
    fn the_statements_use_the_words_that_client_and_coordinator_share() {
        let names = PROBES.map(|(table, _)| table);
        assert_eq!(names, [marker::OUTCOME_TABLE, marker::RESOURCE_TABLE, marker::COORDINATOR_TABLE]);
        for word in names.into_iter().chain([marker::COMMITTED, marker::ROLLED_BACK]) {
            assert!(CREATE.contains(word), "{word}");
        }
        assert!(FENCE.contains(marker::ROLLED_BACK) && CLEAR.contains(marker::COMMITTED));
    }
}
