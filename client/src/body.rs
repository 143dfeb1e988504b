//! Bodies above 256 KiB travel in parts between the other requests (D11): staged before the send that names them, read
//! after the receive that announced them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use handfast_protocol::limits::{BODY_BYTES_MAX, CHUNK_BYTES_MAX};
use handfast_wire::v1;

use crate::error::{Cause, RequestError, Unreadable};
use crate::limits::READ_WINDOW;
use crate::session::{Answer, Ask, Connection, Pending, Session, expect_answer};

/// Sends a body part by part, with at most the server's window of parts unanswered; answers the id that a send on the same
/// connection names.
pub async fn stage(session: &Session, connection: &Connection, mut body: Bytes) -> Result<u64, RequestError> {
    let first = body.split_to(body.len().min(CHUNK_BYTES_MAX));
    let id = {
        let _permit = permit(session, connection).await?;
        staged(session, start(session, connection, 0, first).await?.await)?
    };
    let mut unanswered = VecDeque::new();
    while !body.is_empty() {
        let part = body.split_to(body.len().min(CHUNK_BYTES_MAX));
        // Our own oldest answer frees a place; only who holds none waits for others to free one, so that nobody waits for ever.
        let permit = loop {
            match connection.staging.try_acquire() {
                Ok(permit) => break permit,
                Err(_) if unanswered.is_empty() => break permit(session, connection).await?,
                Err(_) => take_oldest(session, &mut unanswered).await?,
            }
        };
        unanswered.push_back((start(session, connection, id, part).await?, permit));
    }
    while !unanswered.is_empty() {
        take_oldest(session, &mut unanswered).await?;
    }
    Ok(id)
}

type Part<'a> = (Pending, tokio::sync::SemaphorePermit<'a>);

async fn take_oldest(session: &Session, unanswered: &mut VecDeque<Part<'_>>) -> Result<(), RequestError> {
    let Some((pending, _permit)) = unanswered.pop_front() else {
        return Ok(());
    };
    staged(session, pending.await).map(drop)
}

async fn permit<'a>(
    session: &Session,
    connection: &'a Connection,
) -> Result<tokio::sync::SemaphorePermit<'a>, RequestError> {
    let lost = |_| RequestError::Lost { server: Arc::clone(session.server()), cause: Cause::Replaced };
    connection.staging.acquire().await.map_err(lost)
}

async fn start(session: &Session, connection: &Connection, body: u64, bytes: Bytes) -> Result<Pending, RequestError> {
    session.start_ask(Ask::StageBody(v1::StageBody { body, bytes }), Some(connection.generation)).await
}

fn staged(session: &Session, answer: Result<Answer, RequestError>) -> Result<u64, RequestError> {
    expect_answer!(session, answer?, Staged, "stage body").map(|staged| staged.body)
}

/// Reads a body that rests apart, whole, several parts ahead. Its length is the server's word, judged against the limit
/// before anything is reserved for it.
pub async fn read(session: &Session, body: u64, length: u64) -> Result<Bytes, RequestError> {
    let announced = usize::try_from(length).ok().filter(|length| *length <= BODY_BYTES_MAX);
    let Some(announced) = announced else {
        return Err(session.unreadable(Unreadable::BodyLength { announced: length, found: 0 }));
    };
    let parts = u32::try_from(announced.div_ceil(CHUNK_BYTES_MAX)).expect("64 MiB have 256 parts");
    let mut whole = BytesMut::with_capacity(announced);
    let mut asked = VecDeque::with_capacity(READ_WINDOW);
    let mut next = 0;
    loop {
        while next < parts && asked.len() < READ_WINDOW {
            asked.push_back(session.start_ask(Ask::ReadBody(v1::ReadBody { body, part: next }), None).await?);
            next += 1;
        }
        let Some(part) = asked.pop_front() else { break };
        let part = expect_answer!(session, part.await?, BodyPart, "read body")?;
        if whole.len() + part.bytes.len() > announced {
            return Err(body_length(session, length, whole.len() + part.bytes.len()));
        }
        whole.extend_from_slice(&part.bytes);
    }
    if whole.len() == announced { Ok(whole.freeze()) } else { Err(body_length(session, length, whole.len())) }
}

fn body_length(session: &Session, announced: u64, found: usize) -> RequestError {
    session.unreadable(Unreadable::BodyLength { announced, found: found as u64 })
}
