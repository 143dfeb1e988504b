//! Producers and the results of their sends, so that a retry after a lost answer is answered with the first result (P24).
//!
//! A stream's sequences follow each other without a gap. A refusal that is about the message (its queue is gone) is a
//! result like any other: it uses up its sequences and is kept, so that the stream goes on behind it. A refusal that
//! another try may not meet (a staged body is gone after a restart) is no result: the same sequence is sent again.

use std::collections::{BTreeMap, BTreeSet};

use handfast_mutants::{Mutant, is};
use handfast_protocol::{MARK_OF_REFUSED, MessageId, ProducerName, ProducerSequence, Timestamp};
use handfast_store::{Overlay, StoreError};

use super::State;
use super::keys::{Key, KeyKind};
use super::records;
use crate::codec::{self, FirstResult, IdRun, ProducerRecord, ProducerResult};
use crate::limits::{PRODUCER_WINDOW, PRODUCERS_MAX};
use crate::{Done, OutgoingMessage, Refused};

/// The mirror of all producers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Producers {
    by_name: BTreeMap<ProducerName, ProducerRecord>,
    /// Least recently used first, by log time. Invariant: exactly the producers of `by_name`.
    by_use: BTreeSet<(u64, ProducerName)>,
}

/// Where a producer's stream stands (P24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerPlace {
    pub epoch: u64,
    /// The sequence that is expected next.
    pub next: u64,
    /// What its last send said of it; [`MARK_OF_REFUSED`] once a send of its epoch was refused.
    pub mark: u64,
}

/// Where a send stands in its producer's stream.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Next,
    Repeated,
}

impl Producers {
    pub(super) fn open(overlay: &Overlay<'_>) -> Result<Producers, StoreError> {
        let mut producers = Producers::default();
        for (key, value) in records::all(overlay, KeyKind::Producer)? {
            let record = codec::decode_producer(&value).map_err(|cause| records::unreadable(&key, &cause))?;
            let Key::Producer(name) = key else { unreachable!("the range holds only keys of its kind") };
            producers.by_use.insert((record.used_at, name.clone()));
            producers.by_name.insert(name, record);
        }
        Ok(producers)
    }

    pub(super) fn get(&self, name: &ProducerName) -> Option<&ProducerRecord> {
        self.by_name.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&ProducerName, &ProducerRecord)> {
        self.by_name.iter()
    }

    fn judge(&self, at: &ProducerSequence, count: u64) -> Result<Place, Refused> {
        let ProducerSequence { producer, epoch, sequence, mark: _ } = at;
        let gap =
            |expected| Err(Refused::ProducerGap { producer: producer.to_string(), sequence: *sequence, expected });
        match self.by_name.get(producer) {
            None if *sequence > 0 => Err(Refused::ProducerUnknown { producer: producer.to_string() }),
            None => Ok(Place::Next),
            Some(known) if *epoch < known.epoch => {
                Err(Refused::ProducerFenced { producer: producer.to_string(), current: known.epoch })
            }
            Some(known) if *epoch > known.epoch => {
                if *sequence == 0 {
                    Ok(Place::Next)
                } else {
                    gap(0)
                }
            }
            Some(known) if *sequence == known.next => Ok(Place::Next),
            Some(_) if is(Mutant::TakesRepeatedForNew) => Ok(Place::Next),
            Some(known) if sequence.checked_add(count).is_some_and(|end| end <= known.next) => Ok(Place::Repeated),
            Some(known) => gap(known.next),
        }
    }

    fn remember(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        at: &ProducerSequence,
        result: &ProducerResult,
    ) -> Result<(), StoreError> {
        let mut record = match self.by_name.get(&at.producer).copied() {
            Some(known) if known.epoch == at.epoch => known,
            Some(fenced) => {
                forget_results(overlay, &at.producer, &fenced)?;
                ProducerRecord { epoch: at.epoch, next: 0, oldest: 0, mark: 0, ..fenced }
            }
            None => {
                self.make_room(overlay)?;
                ProducerRecord { epoch: at.epoch, next: 0, oldest: 0, used_at: now.0, mark: 0 }
            }
        };
        if is(Mutant::TakesRepeatedForNew) && at.sequence < record.next {
            return Ok(());
        }
        assert_eq!(record.next, at.sequence, "the send was judged to be the next one");
        records::put(
            overlay,
            &Key::ProducerResult(at.producer.clone(), at.sequence),
            codec::encode_producer_result(result),
        );
        record.next += result.count;
        let is_whole = record.mark != MARK_OF_REFUSED && matches!(result.result, FirstResult::Sent(_));
        record.mark = if is_whole { at.mark } else { MARK_OF_REFUSED };
        forget_old_results(overlay, &at.producer, &mut record)?;
        self.by_use.remove(&(record.used_at, at.producer.clone()));
        record.used_at = now.0;
        self.by_use.insert((record.used_at, at.producer.clone()));
        records::put(overlay, &Key::Producer(at.producer.clone()), codec::encode_producer(&record));
        self.by_name.insert(at.producer.clone(), record);
        Ok(())
    }

    fn make_room(&mut self, overlay: &mut Overlay<'_>) -> Result<(), StoreError> {
        while self.by_name.len() >= PRODUCERS_MAX {
            let (_, name) = self.by_use.pop_first().expect("there are as many in it as in by_name");
            let record = self.by_name.remove(&name).expect("both hold the same producers");
            forget_results(overlay, &name, &record)?;
            records::delete(overlay, &Key::Producer(name));
        }
        Ok(())
    }
}

impl State {
    pub(super) fn check_send(
        &self,
        overlay: &Overlay<'_>,
        producer: Option<&ProducerSequence>,
        sends: &[OutgoingMessage],
    ) -> Result<Result<(), Refused>, StoreError> {
        let count = sends.len() as u64;
        match producer.map(|at| (at, self.producers.judge(at, count))) {
            Some((_, Err(refused))) => Ok(Err(refused)),
            Some((at, Ok(Place::Repeated))) => Ok(self.first_result(overlay, at, count)?.map(|_| ())),
            Some((_, Ok(Place::Next))) | None => Ok(self.judge_new_send(sends)),
        }
    }

    fn judge_new_send(&self, sends: &[OutgoingMessage]) -> Result<(), Refused> {
        self.judge_targets(sends)?;
        self.staging.judge_bodies(sends)
    }

    pub(super) fn apply_send(
        &mut self,
        overlay: &mut Overlay<'_>,
        now: Timestamp,
        producer: Option<&ProducerSequence>,
        sends: Vec<OutgoingMessage>,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let count = sends.len() as u64;
        match producer.map(|at| (at, self.producers.judge(at, count))) {
            Some((_, Err(refused))) => return Ok(Err(refused)),
            Some((at, Ok(Place::Repeated))) => return self.first_result(overlay, at, count),
            Some((_, Ok(Place::Next))) | None => {}
        }
        let judged = self.judge_new_send(&sends);
        if let Some(at) = producer
            && let Some(result) = result_of(&judged, &sends)
            && count > 0
        {
            self.producers.remember(overlay, now, at, &ProducerResult { count, mark: at.mark, result })?;
        }
        Ok(judged.map(|()| Done::Sent(sends.into_iter().map(|send| self.place_send(overlay, now, send)).collect())))
    }

    /// What the sequences from `at` came to when they were first sent, whatever batches they came in. If any of them was
    /// refused, that is the answer.
    fn first_result(
        &self,
        overlay: &Overlay<'_>,
        at: &ProducerSequence,
        count: u64,
    ) -> Result<Result<Done, Refused>, StoreError> {
        let end = at.sequence + count;
        let known = *self.producers.get(&at.producer).expect("a repetition is of a known producer");
        let forgotten = Refused::ProducerForgotten { producer: at.producer.to_string(), sequence: at.sequence };
        if count > 0 && at.sequence < known.oldest {
            return Ok(Err(forgotten));
        }
        let mut ids = Vec::new();
        for (first, result) in results(overlay, &at.producer, known.oldest, end)? {
            let from = at.sequence.max(first);
            let through = end.min(first + result.count);
            if from >= through {
                continue;
            }
            // Marks say where a stream stands at the end of a send: elsewhere they cannot be compared.
            if through == first + result.count && through == end && are_marks_of_different_streams(at.mark, result.mark)
            {
                return Ok(Err(Refused::ProducerDiverged { producer: at.producer.to_string(), through: end - 1 }));
            }
            match result.result {
                FirstResult::Sent(runs) => {
                    let (skip, take) = ((from - first) as usize, (through - from) as usize);
                    ids.extend(ids_of(&runs).skip(skip).take(take));
                }
                FirstResult::QueueGone(queue) => return Ok(Err(Refused::QueueGone { queue })),
                FirstResult::DeadLetterQueue => return Ok(Err(Refused::DeadLetterQueue)),
            }
        }
        Ok(Ok(Done::Repeated(ids)))
    }
}

fn are_marks_of_different_streams(said: u64, kept: u64) -> bool {
    said != 0 && kept != 0 && said != kept
}

/// `None`: another try may end otherwise, so it is no result.
fn result_of(judged: &Result<(), Refused>, sends: &[OutgoingMessage]) -> Option<FirstResult> {
    match judged {
        Ok(()) => Some(FirstResult::Sent(id_runs(sends))),
        Err(Refused::QueueGone { queue }) => Some(FirstResult::QueueGone(*queue)),
        Err(Refused::DeadLetterQueue) => Some(FirstResult::DeadLetterQueue),
        Err(_) => None,
    }
}

/// The leader draws the ordinals of one send one after the other, so that one run says them all.
fn id_runs(sends: &[OutgoingMessage]) -> Vec<IdRun> {
    let mut runs: Vec<IdRun> = Vec::new();
    for send in sends {
        match runs.last_mut() {
            Some(run) if next_after(run) == Some(send.id) => run.count += 1,
            Some(_) | None => runs.push(IdRun { first: send.id, count: 1 }),
        }
    }
    runs
}

fn next_after(run: &IdRun) -> Option<MessageId> {
    Some(MessageId { ordinal: run.first.ordinal.checked_add(run.count)?, ..run.first })
}

fn ids_of(runs: &[IdRun]) -> impl Iterator<Item = MessageId> {
    let ids = |run: &IdRun| {
        let IdRun { first, count } = *run;
        (0..count).map(move |at| MessageId { ordinal: first.ordinal + at, ..first })
    };
    runs.iter().flat_map(ids)
}

/// The results whose first sequence is in `from..end`, with it.
pub(super) fn results(
    overlay: &Overlay<'_>,
    name: &ProducerName,
    from: u64,
    end: u64,
) -> Result<Vec<(u64, ProducerResult)>, StoreError> {
    let at = |sequence| Key::ProducerResult(name.clone(), sequence);
    let mut results = Vec::new();
    for (key, value) in records::range(overlay, &at(from), &at(end), usize::MAX)? {
        let result = codec::decode_producer_result(&value).map_err(|cause| records::unreadable(&key, &cause))?;
        let Key::ProducerResult(_, first) = key else { unreachable!("the range holds only keys of its kind") };
        results.push((first, result));
    }
    Ok(results)
}

fn forget_results(overlay: &mut Overlay<'_>, name: &ProducerName, record: &ProducerRecord) -> Result<(), StoreError> {
    for (first, _) in results(overlay, name, record.oldest, record.next)? {
        records::delete(overlay, &Key::ProducerResult(name.clone(), first));
    }
    Ok(())
}

/// Forgets the results that lie wholly below the window. The last one never does, however many sequences it covers.
fn forget_old_results(
    overlay: &mut Overlay<'_>,
    name: &ProducerName,
    record: &mut ProducerRecord,
) -> Result<(), StoreError> {
    loop {
        let key = Key::ProducerResult(name.clone(), record.oldest);
        let oldest = records::must_get(overlay, &key, |bytes| codec::decode_producer_result(bytes))?;
        let end = record.oldest + oldest.count;
        if end + PRODUCER_WINDOW > record.next {
            return Ok(());
        }
        records::delete(overlay, &key);
        record.oldest = end;
    }
}
