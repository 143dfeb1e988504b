//! The configurations that are explored whole: a row each.
//!
//! The two largest lose no message: one that is lost does nothing that one does not that is late for ever, except that somebody
//! has to send it again, which the others show.

use crate::{Configuration, Faults, Kind};

/// Nobody takes part, messages are lost and two of anybody crash: the rows below say what differs.
pub(crate) const NONE: Configuration = Configuration {
    name: "",
    branches: &[],
    last: false,
    one_phase: false,
    local: false,
    forgets: false,
    faults: Faults::Loses,
    crashes: 2,
    leader_changes: 0,
    deposed: false,
};

/// Explored whole by the tests.
pub const ALL: [Configuration; 24] = [
    Configuration { name: "local", local: true, leader_changes: 1, ..NONE },
    Configuration { name: "one-log", local: true, branches: &[Kind::Database], ..NONE },
    Configuration { name: "one-log, copies", faults: Faults::Duplicates, ..ONE_LOG },
    Configuration { name: "two databases", branches: &[Kind::Database, Kind::Database], crashes: 1, ..NONE },
    Configuration { name: "service, copies", branches: &[Kind::Service], faults: Faults::Duplicates, ..NONE },
    Configuration {
        name: "service, copies, leaders",
        branches: &[Kind::Service],
        faults: Faults::Duplicates,
        crashes: 1,
        leader_changes: 1,
        ..NONE
    },
    Configuration { name: "two services", branches: &[Kind::Service, Kind::Service], faults: Faults::Reorders, ..NONE },
    Configuration { name: "two services, losses", branches: &[Kind::Service, Kind::Service], crashes: 0, ..NONE },
    Configuration {
        name: "read-only, copies",
        branches: &[Kind::Service, Kind::ReadOnly],
        faults: Faults::Duplicates,
        crashes: 0,
        ..NONE
    },
    Configuration { name: "read-only", branches: &[Kind::Service, Kind::ReadOnly], ..NONE },
    Configuration {
        name: "read-only, leaders",
        branches: &[Kind::Service, Kind::ReadOnly],
        crashes: 1,
        leader_changes: 1,
        ..NONE
    },
    Configuration {
        name: "three kinds",
        branches: &[Kind::Service, Kind::ReadOnly, Kind::Database],
        crashes: 0,
        ..NONE
    },
    Configuration {
        name: "three kinds, crash",
        branches: &[Kind::Service, Kind::ReadOnly, Kind::Database],
        crashes: 1,
        ..NONE
    },
    Configuration { name: "marker", ..MARKER },
    Configuration { name: "marker, copies", faults: Faults::Duplicates, ..MARKER },
    Configuration { name: "marker, service", last: true, branches: &[Kind::Service], ..NONE },
    Configuration {
        name: "marker, three",
        last: true,
        branches: &[Kind::Database, Kind::ReadOnly],
        crashes: 0,
        ..NONE
    },
    Configuration { name: "service, deposed", branches: &[Kind::Service], ..DEPOSED },
    Configuration { name: "one-log, deposed", local: true, branches: &[Kind::Database], ..DEPOSED },
    Configuration { name: "marker, deposed", last: true, local: true, ..DEPOSED },
    Configuration {
        name: "marker, service, deposed",
        last: true,
        branches: &[Kind::Service],
        crashes: 0,
        faults: Faults::Reorders,
        ..DEPOSED
    },
    Configuration { name: "one-phase", branches: &[Kind::Service], one_phase: true, ..NONE },
    Configuration {
        name: "one-phase, copies",
        branches: &[Kind::Service],
        one_phase: true,
        faults: Faults::Duplicates,
        ..NONE
    },
    Configuration { name: "forgets", branches: &[Kind::Service], forgets: true, ..NONE },
];

const ONE_LOG: Configuration = Configuration { local: true, branches: &[Kind::Database], ..NONE };
const MARKER: Configuration = Configuration { last: true, local: true, ..NONE };
const DEPOSED: Configuration = Configuration { crashes: 1, leader_changes: 1, deposed: true, ..NONE };
