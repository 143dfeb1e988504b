//! Who may use a database: the comparison of P3, the same for every kind of database.

use handfast_coordinator_core::{Identity, Told};
use handfast_protocol::Incarnation;

/// The row that a coordinator left in a database when it attached last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastVisit {
    pub incarnation: Incarnation,
    pub epoch: u64,
}

/// What follows from the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The row is written with our identity; the database may be used.
    Advance,
    /// A later incarnation or epoch of this coordinator was here.
    Ahead(Identity),
    /// This coordinator was never here.
    Unknown,
}

impl Judgement {
    /// `adopt`: the operator accepts whatever stands there.
    pub fn of(found: Option<LastVisit>, ours: Identity, adopt: bool) -> Judgement {
        match found {
            _ if adopt => Judgement::Advance,
            None => Judgement::Unknown,
            // Incarnations are random: which of two is the later one cannot be told, so another one is ahead.
            Some(visit) if visit.incarnation != ours.incarnation || visit.epoch > ours.epoch => {
                Judgement::Ahead(Identity {
                    coordinator: ours.coordinator,
                    incarnation: visit.incarnation,
                    epoch: visit.epoch,
                })
            }
            Some(_) => Judgement::Advance,
        }
    }

    pub fn told(self, slots: Option<u32>) -> Told {
        match self {
            Judgement::Advance => Told::Attached { slots },
            Judgement::Ahead(found) => Told::Ahead { found },
            Judgement::Unknown => Told::UnknownCoordinator,
        }
    }
}

/// Sixteen hexadecimal digits: how an incarnation stands in a database's row.
pub fn incarnation_text(incarnation: Incarnation) -> String {
    format!("{:016x}", incarnation.0)
}

/// Reads what [`incarnation_text`] and a decimal epoch say; `None` for anything else.
pub fn last_visit(incarnation: &str, epoch: &str) -> Option<LastVisit> {
    let number = u64::from_str_radix(incarnation, 16).ok()?;
    let visit = LastVisit { incarnation: Incarnation(number), epoch: epoch.parse().ok()? };
    (incarnation_text(visit.incarnation) == incarnation).then_some(visit)
}

#[cfg(test)]
mod tests {
    use handfast_protocol::CoordinatorId;
    use uuid::Uuid;

    use super::*;

    fn identity(incarnation: u64, epoch: u64) -> Identity {
        Identity { coordinator: CoordinatorId(Uuid::nil()), incarnation: Incarnation(incarnation), epoch }
    }

    #[test]
    fn p3_a_database_that_is_ahead_or_unknown_waits_for_the_operator() {
        let ours = identity(7, 5);
        let visit = |incarnation, epoch| Some(LastVisit { incarnation: Incarnation(incarnation), epoch });
        let table = [
            (None, Judgement::Unknown),
            (visit(7, 4), Judgement::Advance),
            (visit(7, 5), Judgement::Advance),
            (visit(7, 6), Judgement::Ahead(identity(7, 6))),
            (visit(8, 1), Judgement::Ahead(identity(8, 1))),
        ];
        for (found, judged) in table {
            assert_eq!(Judgement::of(found, ours, false), judged, "{found:?}");
            assert_eq!(Judgement::of(found, ours, true), Judgement::Advance, "{found:?}");
        }
    }

    #[test]
    fn a_row_that_somebody_edited_is_not_read_as_another() {
        assert_eq!(last_visit("00000000000000ff", "18446744073709551615"), {
            Some(LastVisit { incarnation: Incarnation(255), epoch: u64::MAX })
        });
        for (incarnation, epoch) in [("ff", "1"), ("00000000000000FF", "1"), ("00000000000000ff", "-1"), ("", "")] {
            assert_eq!(last_visit(incarnation, epoch), None, "{incarnation} {epoch}");
        }
    }
}
