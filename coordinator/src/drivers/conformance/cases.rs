//! The tables themselves: one for last resources, one for databases that prepare.

use handfast_coordinator_core::{Ask, Identity, Told};
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Incarnation, Outcome, ResourceKind, ResourceName, Xid};
use uuid::Uuid;

use super::{Case, Step, Written};

/// For a last resource of this kind (P11-P15), registered as `resource` by the coordinator `ours` in its epoch.
pub fn marker(ours: Identity, resource: &ResourceName, kind: ResourceKind) -> Vec<Case> {
    let world = World { ours, resource };
    let mut cases = world.attachment(None);
    cases.extend(world.fences());
    cases.push(match kind {
        ResourceKind::SqliteMarker => world.failed_statement(),
        _ => world.failed_block(),
    });
    cases.extend(world.lost_clients());
    cases.push(world.clearing());
    cases.push(world.not_a_participant());
    cases
}

/// For a database with `PREPARE TRANSACTION` that holds `slots` branches (P7, P9, D9).
pub fn two_phase(ours: Identity, resource: &ResourceName, slots: u32) -> Vec<Case> {
    let world = World { ours, resource };
    let mut cases = world.attachment(Some(slots));
    cases.extend(world.phase_two());
    cases.extend(world.ended_by_hand());
    cases.extend(world.failed_prepares());
    cases.extend(world.standing());
    cases.push(world.scan());
    cases.push(world.clearing());
    cases.push(world.not_a_last_resource());
    cases
}

struct World<'a> {
    ours: Identity,
    resource: &'a ResourceName,
}

use Outcome::{Committed, RolledBack};

impl World<'_> {
    fn id(&self, sequence: u64) -> GlobalId {
        let Identity { coordinator, incarnation, epoch } = self.ours;
        GlobalId { coordinator, incarnation, epoch, sequence }
    }

    fn xid(&self, sequence: u64) -> Xid {
        self.id(sequence).branch(self.resource.bqual())
    }

    fn fence(&self, sequence: u64) -> Ask {
        Ask::Fence { id: self.id(sequence) }
    }

    fn commit(&self, sequence: u64) -> Ask {
        Ask::Commit { xid: self.xid(sequence) }
    }

    fn rollback(&self, sequence: u64) -> Ask {
        Ask::Rollback { xid: self.xid(sequence) }
    }

    fn written(&self, sequence: u64) -> [Step; 2] {
        [Step::Write(self.id(sequence), Written::Done), Step::End(Committed)]
    }

    /// P3. The epochs go up from case to case, since the row that one case leaves is there in the next.
    fn attachment(&self, slots: Option<u32>) -> Vec<Case> {
        let attached = Told::Attached { slots };
        let at = |incarnation: u64, epoch: u64| Identity {
            incarnation: Incarnation(self.ours.incarnation.0.wrapping_add(incarnation)),
            epoch: self.ours.epoch + epoch,
            ..self.ours
        };
        let attach = |identity, adopt| Ask::Attach { identity, adopt };
        let stranger = Identity { coordinator: CoordinatorId(Uuid::max()), ..self.ours };
        vec![
            Case {
                name: "P3: each start advances the row, and an older copy of the directory is told so",
                steps: vec![
                    Step::Ask(attach(at(0, 1), false), attached.clone()),
                    Step::Ask(attach(at(0, 3), false), attached.clone()),
                    Step::Ask(attach(at(0, 2), false), Told::Ahead { found: at(0, 3) }),
                    Step::Ask(attach(at(0, 3), false), attached.clone()),
                ],
            },
            Case {
                name: "P3: another incarnation is told who was here, until the operator adopts",
                steps: vec![
                    Step::Ask(attach(at(1, 0), false), Told::Ahead { found: at(0, 3) }),
                    Step::Ask(attach(at(1, 0), true), attached.clone()),
                    Step::Ask(attach(at(1, 1), false), attached.clone()),
                    Step::Ask(attach(at(0, 4), false), Told::Ahead { found: at(1, 1) }),
                    Step::Ask(attach(at(0, 4), true), attached.clone()),
                ],
            },
            Case {
                name: "P3: a coordinator that was never here is unknown, until the operator adopts",
                steps: vec![
                    Step::Ask(attach(stranger, false), Told::UnknownCoordinator),
                    Step::Ask(attach(stranger, true), attached.clone()),
                    Step::Ask(attach(stranger, false), attached.clone()),
                    Step::Ask(attach(at(0, 5), false), attached),
                ],
            },
        ]
    }

    /// P12, and what it means to a client (P21).
    fn fences(&self) -> Vec<Case> {
        let mut after_commit = self.written(1).to_vec();
        after_commit.push(Step::Ask(self.fence(1), Told::Fenced(Committed)));
        after_commit.push(Step::Rows(vec![(self.id(1), Committed)]));
        vec![
            Case { name: "P12: a fence after the commit tells committed, however often", steps: after_commit },
            Case {
                name: "P12: a fence before the commit tells rolled back, and the late row conflicts",
                steps: vec![
                    Step::Ask(self.fence(2), Told::Fenced(RolledBack)),
                    Step::Write(self.id(2), Written::Conflict),
                    Step::Ask(self.fence(2), Told::Fenced(RolledBack)),
                    Step::Rows(vec![(self.id(2), RolledBack)]),
                ],
            },
            Case {
                name: "P12: a fence waits for a commit in flight, then tells committed",
                steps: vec![
                    Step::Write(self.id(3), Written::Done),
                    Step::AskMeanwhile { ask: self.fence(3), client: Committed, told: Told::Fenced(Committed) },
                    Step::Rows(vec![(self.id(3), Committed)]),
                ],
            },
            Case {
                name: "P12: a fence waits for a commit in flight that rolls back, wins, and stays",
                steps: vec![
                    Step::Write(self.id(4), Written::Done),
                    Step::AskMeanwhile { ask: self.fence(4), client: RolledBack, told: Told::Fenced(RolledBack) },
                    Step::Write(self.id(4), Written::Conflict),
                    Step::Rows(vec![(self.id(4), RolledBack)]),
                ],
            },
        ]
    }

    /// PostgreSQL gives up all that a block did when one of its statements fails, and says so only to who looks.
    fn failed_block(&self) -> Case {
        Case {
            name: "P6: a failed block takes no further statement, and its COMMIT is no error and rolls it back",
            steps: vec![
                Step::Write(self.id(5), Written::Done),
                Step::Fail,
                Step::Mark(self.id(6), Written::Failed),
                Step::End(Committed),
                Step::Rows(Vec::new()),
                Step::Ask(self.fence(5), Told::Fenced(RolledBack)),
            ],
        }
    }

    fn failed_statement(&self) -> Case {
        let mut steps = vec![Step::Write(self.id(5), Written::Done), Step::Fail, Step::End(Committed)];
        steps.push(Step::Ask(self.fence(5), Told::Fenced(Committed)));
        Case { name: "P6: in SQLite a statement fails alone, and what is open commits", steps }
    }

    fn lost_clients(&self) -> Vec<Case> {
        let told = Told::Fenced(Committed);
        vec![
            Case {
                name: "P21: what a client has open goes with it",
                steps: vec![
                    Step::Write(self.id(7), Written::Done),
                    Step::Leave,
                    Step::Ask(self.fence(7), Told::Fenced(RolledBack)),
                ],
            },
            Case {
                name: "P12: a row that was seen and not durable is durable when a fence has told of it",
                steps: vec![
                    Step::WriteUnflushed(self.id(8)),
                    Step::Ask(self.fence(8), told.clone()),
                    Step::Restart { then: self.fence(8), told },
                    Step::Rows(vec![(self.id(8), Committed)]),
                ],
            },
        ]
    }

    /// P14. `rolled_back` rows are written through the client's side of a case only where a fence exists, hence the two ways.
    fn clearing(&self) -> Case {
        let mut steps = Vec::new();
        for sequence in [10, 11, 12, 13] {
            steps.extend(self.written(sequence));
        }
        let clear = Ask::ClearMarkers { from: self.id(11), through: self.id(12) };
        steps.push(Step::Ask(clear, Told::Done));
        steps.push(Step::Rows(vec![(self.id(10), Committed), (self.id(13), Committed)]));
        Case { name: "P14: committed rows go in closed ranges and no others go along", steps }
    }

    fn not_a_participant(&self) -> Case {
        let mut steps = vec![Step::Ask(self.fence(20), Told::Fenced(RolledBack))];
        steps.extend(self.written(21));
        let clear = Ask::ClearMarkers { from: self.id(0), through: self.id(u64::MAX) };
        steps.push(Step::Ask(clear, Told::Done));
        steps.push(Step::Rows(vec![(self.id(20), RolledBack)]));
        steps.push(Step::Ask(Ask::Scan { coordinator: self.ours.coordinator }, Told::Scanned(Vec::new())));
        let never =
            [Ask::Prepare { xid: self.xid(22) }, self.commit(22), self.rollback(22), Ask::Forget { xid: self.xid(22) }];
        steps.extend(never.map(Step::Refused));
        Case { name: "P14: rolled-back rows are never cleared; P11: a last resource has no phase two", steps }
    }

    fn phase_two(&self) -> Vec<Case> {
        let scan = Ask::Scan { coordinator: self.ours.coordinator };
        vec![
            Case {
                name: "P7: a commit is done once, and done again when it is asked again",
                steps: vec![
                    Step::Prepare(self.xid(1)),
                    Step::Ask(scan.clone(), Told::Scanned(vec![self.xid(1)])),
                    Step::Rows(Vec::new()),
                    Step::Ask(self.commit(1), Told::Done),
                    Step::Ask(scan.clone(), Told::Scanned(Vec::new())),
                    Step::Rows(vec![(self.id(1), Committed)]),
                ],
            },
            Case {
                name: "P7: a rollback is done, and an unknown branch is rolled back already",
                steps: vec![
                    Step::Prepare(self.xid(2)),
                    Step::Ask(self.rollback(2), Told::Done),
                    Step::Ask(self.rollback(3), Told::Done),
                    Step::Ask(scan, Told::Scanned(Vec::new())),
                    Step::Rows(Vec::new()),
                ],
            },
        ]
    }

    fn ended_by_hand(&self) -> Vec<Case> {
        vec![
            Case {
                name: "P7: a branch that somebody rolled back by hand is a hazard when it was to commit",
                steps: vec![
                    Step::Prepare(self.xid(4)),
                    Step::EndByHand(self.xid(4), RolledBack),
                    Step::Ask(self.commit(4), Told::Heuristic(Heuristic::Hazard)),
                    Step::Ask(self.rollback(4), Told::Done),
                ],
            },
            Case {
                name: "P7: a branch that somebody committed by hand is told when it was to roll back",
                steps: vec![
                    Step::Prepare(self.xid(5)),
                    Step::EndByHand(self.xid(5), Committed),
                    Step::Ask(self.rollback(5), Told::Heuristic(Heuristic::Commit)),
                    Step::Ask(self.commit(5), Told::Done),
                ],
            },
        ]
    }

    fn failed_prepares(&self) -> Vec<Case> {
        let scan = Ask::Scan { coordinator: self.ours.coordinator };
        vec![
            Case {
                name: "P6: PREPARE of a failed block is no error, and prepares nothing",
                steps: vec![
                    Step::Write(self.id(30), Written::Done),
                    Step::Fail,
                    Step::PrepareOpen(self.xid(30), true),
                    Step::Ask(scan.clone(), Told::Scanned(Vec::new())),
                    Step::Ask(self.rollback(30), Told::Done),
                    Step::Ask(self.commit(30), Told::Heuristic(Heuristic::Hazard)),
                    Step::Rows(Vec::new()),
                ],
            },
            Case {
                name: "a PREPARE that fails rolls back what was open",
                steps: vec![
                    Step::Prepare(self.xid(31)),
                    Step::Write(self.id(32), Written::Done),
                    Step::PrepareOpen(self.xid(31), false),
                    Step::Ask(scan, Told::Scanned(vec![self.xid(31)])),
                    Step::Ask(self.rollback(32), Told::Done),
                    Step::Ask(self.commit(31), Told::Done),
                    Step::Rows(vec![(self.id(31), Committed)]),
                ],
            },
        ]
    }

    /// What outlives whom.
    fn standing(&self) -> Vec<Case> {
        let scan = Ask::Scan { coordinator: self.ours.coordinator };
        let scanned = |sequence| Told::Scanned(vec![self.xid(sequence)]);
        vec![
            Case {
                name: "P8: a backend prepares what it was told to, though its client is gone",
                steps: vec![
                    Step::PrepareAndLeave(self.xid(33)),
                    Step::Ask(scan.clone(), scanned(33)),
                    Step::Ask(self.rollback(33), Told::Done),
                    Step::Rows(Vec::new()),
                ],
            },
            Case {
                name: "a prepared branch outlives the server, and what was open does not",
                steps: vec![
                    Step::Prepare(self.xid(34)),
                    Step::Write(self.id(35), Written::Done),
                    Step::Restart { then: scan, told: scanned(34) },
                    Step::Ask(self.rollback(35), Told::Done),
                    Step::Ask(self.commit(34), Told::Done),
                    Step::Rows(vec![(self.id(34), Committed)]),
                ],
            },
        ]
    }

    /// D9: ours of every incarnation and epoch, and nobody else's.
    fn scan(&self) -> Case {
        let older = GlobalId { epoch: 0, incarnation: Incarnation(!self.ours.incarnation.0), ..self.id(6) };
        let older = older.branch(self.resource.bqual());
        let stranger = GlobalId { coordinator: CoordinatorId(Uuid::max()), ..self.id(7) };
        let stranger = stranger.branch(self.resource.bqual());
        let scan = |coordinator| Ask::Scan { coordinator };
        Case {
            name: "D9: a scan tells our branches of any epoch and incarnation, and touches no others",
            steps: vec![
                Step::PrepareForeign("of another application"),
                Step::PrepareForeign("handfast:not-a-gtrid:ledger"),
                Step::Prepare(older.clone()),
                Step::Prepare(stranger.clone()),
                Step::Prepare(self.xid(8)),
                Step::Ask(scan(self.ours.coordinator), Told::Scanned(vec![older.clone(), self.xid(8)])),
                Step::Ask(scan(CoordinatorId(Uuid::max())), Told::Scanned(vec![stranger.clone()])),
                Step::Ask(scan(CoordinatorId(Uuid::from_u128(1))), Told::Scanned(Vec::new())),
                Step::Ask(Ask::Rollback { xid: older }, Told::Done),
                Step::Ask(self.rollback(8), Told::Done),
                Step::Ask(Ask::Rollback { xid: stranger }, Told::Done),
                Step::Untouched("of another application"),
                Step::Untouched("handfast:not-a-gtrid:ledger"),
            ],
        }
    }

    fn not_a_last_resource(&self) -> Case {
        let foreign = Xid { format_id: 7, ..self.xid(9) };
        let never = [
            Ask::Prepare { xid: self.xid(9) },
            self.fence(9),
            Ask::Forget { xid: self.xid(9) },
            Ask::Commit { xid: foreign.clone() },
            Ask::Rollback { xid: foreign },
        ];
        Case {
            name: "what is never asked of a database that prepares is refused",
            steps: never.map(Step::Refused).to_vec(),
        }
    }
}
