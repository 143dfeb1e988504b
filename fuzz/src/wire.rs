//! Any bytes as messages of the wire, and then as our own words. What can be read is written again and reads the same.

use std::fmt::Debug;

use handfast_protocol::{DeadLetter, Message, ProducerSequence, Properties, Xid};
use handfast_wire::v1;

use crate::again::same;

/// Messages of a send that nobody made.
const IDS_MAX: usize = 100;

/// The same bytes as each message that a stranger may send, or a stranger's server may answer.
pub fn check(bytes: &[u8]) {
    if let Some(sent) = read::<v1::ClientFrames>(bytes) {
        sent.frames.into_iter().filter_map(|frame| frame.request?.ask).for_each(ask);
    }
    if let Some(sent) = read::<v1::ServerFrames>(bytes) {
        sent.frames.into_iter().filter_map(|frame| frame.reply?.answer).for_each(answer);
    }
    read::<v1::AttachRequest>(bytes);
    read::<v1::RecoverReply>(bytes).into_iter().flat_map(|reply| reply.xids).for_each(xid);
}

fn read<M: prost::Message + Default + PartialEq + Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    same(M::decode(message.encode_to_vec().as_slice()), &message);
    Some(message)
}

fn ask(ask: v1::request::Ask) {
    use v1::request::Ask;
    match ask {
        Ask::Send(send) => {
            send.messages.into_iter().filter_map(|message| message.properties).for_each(properties);
            if let Some(Ok(producer)) = send.producer.map(ProducerSequence::try_from) {
                assert!(!producer.producer.as_str().is_empty());
            }
        }
        Ask::BranchPrepare(prepare) => prepare.xid.into_iter().for_each(xid),
        _ => {}
    }
}

fn answer(answer: v1::reply::Answer) {
    use v1::reply::Answer;
    match answer {
        Answer::Received(received) => {
            received.properties.clone().into_iter().for_each(properties);
            if let Some(dead) = Message::try_from(*received).ok().and_then(|message| message.dead_letter) {
                same(DeadLetter::try_from(v1::DeadLetter::from(dead.clone())), &dead);
            }
        }
        Answer::Sent(sent) => {
            if let Ok(ids) = sent.message_ids(IDS_MAX) {
                assert!(ids.len() <= IDS_MAX);
                same(v1::Sent::of(&ids, sent.repeated_send).message_ids(ids.len()), &ids);
            }
        }
        Answer::Branches(branches) => branches.xids.into_iter().for_each(xid),
        _ => {}
    }
}

fn properties(wire: v1::Properties) {
    if let Ok(properties) = Properties::try_from(wire) {
        same(Properties::try_from(v1::Properties::from(properties.clone())), &properties);
    }
}

fn xid(wire: v1::Xid) {
    if let Ok(xid) = Xid::try_from(wire) {
        same(Xid::try_from(v1::Xid::from(&xid)), &xid);
    }
}
