//! A23: transactions move tokens and make none: what is in queues and among the dead at the end is what was sent there from
//! outside, less what left for good; and a database has what committed transactions gave it. Not checked: amounts between two
//! audits.

use super::Verdict;
use crate::account::{Account, Answer, Deeds};
use crate::history::Message;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    let made = account.plain_sends.iter().filter(|send| send.answer == Answer::Ok);
    let made: i128 =
        made.filter(|send| account.left.contains_key(send.queue)).map(|send| i128::from(send.message.tokens)).sum();
    if made == 0 {
        return;
    }
    let is_open = account.plain_sends.iter().any(|send| send.answer == Answer::Unknown);
    let committed = || account.transactions.values().filter(|deeds| deeds.is_committed());
    // What was taken and not sent on is gone: the end of a chain.
    let spent: i128 = committed().filter(|deeds| deeds.sends.is_empty()).map(taken).sum();
    let plainly = account.receives.iter().filter(|one| one.transaction.is_none());
    let plainly: i128 = plainly.map(|one| i128::from(one.message.tokens)).sum();
    let tokens = |messages: &[Message]| messages.iter().map(|message| i128::from(message.tokens)).sum::<i128>();
    let left: i128 = account.left.values().map(|messages| tokens(messages)).sum();
    let dead: i128 = account.letters.iter().map(|letter| i128::from(letter.message.tokens)).sum();
    if !is_open {
        let is_left = left + dead;
        let should = made - spent - plainly;
        verdict.judge(is_left == should, || format!("{is_left} tokens are left in queues, and should be {should}"));
    }
    for resource in account.rows.keys() {
        let has: i128 = account.rows_of(resource).map(|row| i128::from(row.tokens)).sum();
        let committed = committed().filter(|deeds| !deeds.is_forced_at(resource));
        let writes = committed.flat_map(|deeds| &deeds.writes).filter(|write| write.resource == *resource);
        let given: i128 = writes.map(|write| i128::from(write.row.tokens)).sum();
        verdict.judge(has == given, || format!("{resource} has {has} tokens, and was given {given}"));
    }
}

fn taken(deeds: &Deeds<'_>) -> i128 {
    deeds.receives.iter().map(|receive| i128::from(receive.message.tokens)).sum()
}
