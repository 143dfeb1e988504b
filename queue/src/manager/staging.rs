//! What is written ahead of the command that names it: parts of large bodies, parts of a large branch's work (P26).

use bytes::Bytes;

use super::bodies::{self, StagedBody, cut, staged_charge};
use super::branch::{BranchId, Part};
use super::in_flight::Continuation;
use super::limits::UNSTAGE_BATCH;
use super::turn::{Caller, Reply, Turn};
use super::{Answer, Manager, RequestRefused, Space};
use crate::limits::BODY_PART_BYTES;
use crate::{Body, BodyId, Command, StageId};

impl Manager {
    /// A piece of a body of any size: whole parts go to the log, the rest waits for the next piece. The answer leaves when
    /// its parts are applied, which is what slows a fast sender down.
    pub(super) fn stage_body(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        body: Option<BodyId>,
        bytes: Bytes,
    ) -> Reply {
        if self.space == Space::Low {
            return Err(RequestRefused::NoSpace.into());
        }
        let id = self.staged_body(caller, body)?;
        let staged = self.bodies.get(id, caller.connection).expect("it was found or begun just above");
        let length = staged.length + bytes.len();
        if length > self.sizes.body_bytes_max {
            return Err(RequestRefused::BodyTooLarge { bytes: length, limit: self.sizes.body_bytes_max }.into());
        }
        let (tail, charged) = (staged.tail.clone(), staged.staged_charge);
        let rest = (tail.len() + bytes.len()) % BODY_PART_BYTES;
        let charge = staged_charge(length);
        self.active.release(tail.len());
        if let Err(refused) = self.charge(rest, charge - charged) {
            assert!(self.active.charge(tail.len()), "what was just released fits again");
            return Err(refused.into());
        }
        let (parts, rest) = cut(&tail, bytes);
        let staged = self.bodies.get_mut(id).expect("it was found or begun just above");
        let first = staged.parts;
        staged.parts += u32::try_from(parts.len()).expect("a body has at most 256 parts");
        (staged.length, staged.tail, staged.staged_charge) = (length, rest, charge);
        let Some(last) = parts.len().checked_sub(1) else { return Ok(Some(Answer::Staged { body: id })) };
        for (index, (bytes, part)) in parts.into_iter().zip(first..).enumerate() {
            let reply = (index == last).then_some((caller.request, id));
            let continuation = Continuation::StageBody { reply };
            self.in_flight.propose(turn.out, Command::StageBody { body: id, part, bytes }, continuation);
        }
        Ok(None)
    }

    fn staged_body(&mut self, caller: Caller, body: Option<BodyId>) -> Result<BodyId, RequestRefused> {
        if let Some(id) = body {
            let known = self.bodies.get(id, caller.connection);
            return known.map(|_| id).ok_or(RequestRefused::BodyNotStaged { body: id });
        }
        let id = BodyId(self.ordinals.draw()?);
        self.bodies.insert(id, StagedBody::new(caller.connection));
        self.connections.entry(caller.connection).bodies.insert(id);
        Ok(id)
    }

    /// A send names a staged body: its last part follows the others. Its place, and what it holds of the budget of staged
    /// bytes.
    pub(super) fn name_body(&mut self, turn: &mut Turn<'_>, id: BodyId) -> (Body, usize) {
        let staged = self.bodies.remove(id).expect("the send was judged: the body is staged");
        self.connections.close(staged.connection, |connection| {
            connection.bodies.remove(&id);
        });
        self.active.release(staged.tail.len());
        if !staged.tail.is_empty() {
            let command = Command::StageBody { body: id, part: staged.parts, bytes: staged.tail };
            self.in_flight.propose(turn.out, command, Continuation::StageBody { reply: None });
        }
        let body = match staged.length {
            0 => Body::Inline(Bytes::new()),
            length => Body::Apart { body: id, length: length as u64 },
        };
        (body, staged.staged_charge)
    }

    /// A body that came inline and is too large to rest there. Charged by the caller.
    pub(super) fn put_apart(&mut self, turn: &mut Turn<'_>, id: BodyId, bytes: &Bytes) -> Body {
        for (bytes, part) in bodies::parts(bytes).zip(0..) {
            let command = Command::StageBody { body: id, part, bytes };
            self.in_flight.propose(turn.out, command, Continuation::StageBody { reply: None });
        }
        Body::Apart { body: id, length: bytes.len() as u64 }
    }

    /// A branch that outgrew one log entry is written ahead, part by part, until the rest fits one.
    pub(super) fn stage_overgrown(&mut self, turn: &mut Turn<'_>, id: BranchId) {
        let branch = self.branches.get_mut(id).expect("only a live branch grows");
        while branch.outgrows(self.sizes.work_bytes_max) {
            let Part { stage, part, work, charge } = branch.take_part(self.sizes.work_bytes_max);
            let command = Command::StageWork { stage, part, work };
            self.in_flight.propose(turn.out, command, Continuation::StageWork { charge });
        }
    }

    /// What was written ahead came to nothing. The budget gets it back when it is gone.
    pub(super) fn unstage(
        &mut self,
        turn: &mut Turn<'_>,
        stage: Option<StageId>,
        bodies: &[BodyId],
        staged_charge: usize,
    ) {
        if stage.is_none() && bodies.is_empty() {
            self.staged.release(staged_charge);
            return;
        }
        let mut stages: Vec<StageId> = stage.into_iter().collect();
        let mut batches: Vec<Vec<BodyId>> = bodies.chunks(UNSTAGE_BATCH).map(<[BodyId]>::to_vec).collect();
        let last = batches.pop().unwrap_or_default();
        for bodies in batches {
            let command = Command::Unstage { stages: std::mem::take(&mut stages), bodies };
            self.in_flight.propose(turn.out, command, Continuation::Unstage { staged_charge: 0 });
        }
        let command = Command::Unstage { stages, bodies: last };
        self.in_flight.propose(turn.out, command, Continuation::Unstage { staged_charge });
    }

    /// The connection is gone: so are the bodies it never named.
    pub(super) fn drop_bodies(&mut self, turn: &mut Turn<'_>, ids: &[BodyId]) {
        let mut charge = 0;
        let mut written = Vec::new();
        for id in ids {
            let staged = self.bodies.remove(*id).expect("a connection lists the bodies it staged");
            self.active.release(staged.tail.len());
            charge += staged.staged_charge;
            if staged.parts > 0 {
                written.push(*id);
            }
        }
        self.unstage(turn, None, &written, charge);
    }
}
