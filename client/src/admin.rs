//! What an operator asks of a server: queues, dead letters, resources, transactions.

use bytes::Bytes;
use handfast_protocol::{GlobalId, MessageId, Outcome, ResourceKind, Xid};
use handfast_wire::v1;

use crate::body;
use crate::error::RequestError;
use crate::handfast::Handfast;
use crate::message::Received;
use crate::outcome::{KnownOutcome, known};
use crate::receive::received;
use crate::session::{Answer, Ask, expect_answer};
use crate::view::{Finding, GaugeView, PeekedMessage, Place, QueueView, ResourceView, ServerView, TransactionView};

/// What a queue is made with; what is not said is the server's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// Failures of its consumers' own doing, after which a message is a dead letter.
    pub max_attempts: Option<u32>,
    /// The same for consumers that vanish.
    pub max_abandoned: Option<u32>,
}

/// What becomes of the messages of a queue that is deleted or purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Discard,
    DeadLetter,
}

/// Which transactions to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionFilter {
    /// Only those that wait for a resource or an operator.
    pub in_doubt: bool,
    /// Only those after this one, in the order of the list.
    pub after: Option<GlobalId>,
    /// At most so many; 0: as many as the server gives at once.
    pub limit: u32,
}

/// An operator's decision (P16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The database is asked first, and its word stands.
    No,
    /// The database is gone for good. What follows is heuristic.
    ResourceIsGone,
}

impl Handfast {
    /// Who answers, and where.
    pub async fn server(&self) -> Result<ServerView, RequestError> {
        let answer = self.session.ask(Ask::ShowServer(v1::ShowServer {})).await?;
        let server = expect_answer!(self.session, answer, Server, "show server")?;
        ServerView::try_from(server).map_err(|malformed| self.session.unreadable(malformed))
    }

    /// What the server has taken of memory and disk, beside its bounds, and what it recovered when it began.
    pub async fn status(&self) -> Result<Vec<GaugeView>, RequestError> {
        let answer = self.session.ask(Ask::ShowStatus(v1::ShowStatus {})).await?;
        let status = expect_answer!(self.session, answer, Status, "show status")?;
        Ok(status.gauges.into_iter().map(GaugeView::from).collect())
    }

    pub async fn create_queue(&self, name: &str, settings: QueueSettings) -> Result<(), RequestError> {
        let settings = v1::QueueSettings { max_attempts: settings.max_attempts, max_abandoned: settings.max_abandoned };
        self.done(Ask::CreateQueue(v1::CreateQueue { name: name.to_owned(), settings: Some(settings) })).await
    }

    pub async fn delete_queue(&self, name: &str, fate: Fate) -> Result<(), RequestError> {
        self.done(Ask::DeleteQueue(v1::DeleteQueue { name: name.to_owned(), discard: fate == Fate::Discard })).await
    }

    /// Removes what is in the queue now; answers how many that were.
    pub async fn purge_queue(&self, name: &str, fate: Fate) -> Result<u64, RequestError> {
        let ask = v1::PurgeQueue { name: name.to_owned(), to_dead_letter: fate == Fate::DeadLetter };
        let answer = self.session.ask(Ask::PurgeQueue(ask)).await?;
        expect_answer!(self.session, answer, Purged, "purge queue").map(|purged| purged.removed)
    }

    pub async fn queues(&self) -> Result<Vec<QueueView>, RequestError> {
        self.queue_views(Ask::ListQueues(v1::ListQueues {})).await
    }

    pub async fn queue(&self, name: &str) -> Result<QueueView, RequestError> {
        let views = self.queue_views(Ask::ShowQueue(v1::ShowQueue { name: name.to_owned() })).await?;
        self.only(views, "queues")
    }

    /// A page of the messages that nobody has locked, in the order in which they will be received.
    pub async fn peek(
        &self,
        queue: &str,
        after: Option<Place>,
        limit: u32,
        body_bytes: u32,
    ) -> Result<Vec<PeekedMessage>, RequestError> {
        let ask = v1::Peek { queue: queue.to_owned(), after: after.map(|place| place.0), limit, body_bytes };
        let answer = self.session.ask(Ask::Peek(ask)).await?;
        let peeked = expect_answer!(self.session, answer, Peeked, "peek")?;
        let messages = peeked.messages.into_iter().map(PeekedMessage::try_from).collect::<Result<Vec<_>, _>>();
        messages.map_err(|malformed| self.session.unreadable(malformed))
    }

    /// The whole body of a peeked message that rests apart; what was peeked of any other.
    pub async fn peeked_body(&self, peeked: &PeekedMessage) -> Result<Bytes, RequestError> {
        if peeked.apart_body == 0 {
            return Ok(peeked.message.body.clone());
        }
        body::read(&self.session, peeked.apart_body, peeked.body_length).await
    }

    /// A dead letter, with its body.
    pub async fn dead_letter(&self, id: MessageId) -> Result<Received, RequestError> {
        let answer = self.session.ask(Ask::ShowDeadLetter(v1::ShowDeadLetter { id: id.to_string() })).await?;
        let (body, length, mut wire) = match answer {
            Answer::Received(wire) => (wire.apart_body, wire.body_length, *wire),
            answer => {
                let peeked = expect_answer!(self.session, answer, Peeked, "show dead letter")?;
                let wire = self.only(peeked.messages, "messages")?;
                (wire.apart_body, wire.body_length, wire)
            }
        };
        if body != 0 {
            wire.body = body::read(&self.session, body, length).await?;
        }
        received(wire).map_err(|malformed| self.session.unreadable(malformed))
    }

    /// Sends dead letters back, all or none: each to the queue it came from, or all of them to `to`.
    pub async fn return_dead_letters(&self, ids: &[MessageId], to: Option<&str>) -> Result<(), RequestError> {
        let ids = ids.iter().map(MessageId::to_string).collect();
        let ask = v1::ReturnDeadLetters { ids, to: to.map(str::to_owned) };
        self.done(Ask::ReturnDeadLetters(ask)).await
    }

    /// Registers a resource, under an address without a password; its tables are created.
    pub async fn add_resource(&self, name: &str, kind: ResourceKind, address: &str) -> Result<(), RequestError> {
        let ask =
            v1::AddResource { name: name.to_owned(), kind: kind.as_str().to_owned(), address: address.to_owned() };
        self.done(Ask::AddResource(ask)).await
    }

    pub async fn remove_resource(&self, name: &str) -> Result<(), RequestError> {
        self.done(Ask::RemoveResource(v1::RemoveResource { name: name.to_owned() })).await
    }

    pub async fn resources(&self) -> Result<Vec<ResourceView>, RequestError> {
        let answer = self.session.ask(Ask::ListResources(v1::ListResources {})).await?;
        let found = expect_answer!(self.session, answer, Resources, "list resources")?;
        let views = found.resources.into_iter().map(ResourceView::try_from).collect::<Result<Vec<_>, _>>();
        views.map_err(|malformed| self.session.unreadable(malformed))
    }

    /// What is right and what is missing there, in plain words.
    pub async fn test_resource(&self, name: &str) -> Result<Vec<Finding>, RequestError> {
        let answer = self.session.ask(Ask::TestResource(v1::TestResource { name: name.to_owned() })).await?;
        let found = expect_answer!(self.session, answer, Findings, "test resource")?;
        Ok(found.findings.into_iter().map(Finding::from).collect())
    }

    /// The operator's word that this server is no copy, so that recovery may work at the resource (P3).
    pub async fn adopt_resource(&self, name: &str) -> Result<(), RequestError> {
        self.done(Ask::AdoptResource(v1::AdoptResource { name: name.to_owned() })).await
    }

    pub async fn transactions(&self, filter: TransactionFilter) -> Result<Vec<TransactionView>, RequestError> {
        let after = filter.after.map(|id| id.to_string()).unwrap_or_default();
        let ask = v1::ListTransactions { in_doubt: filter.in_doubt, after, limit: filter.limit };
        self.transaction_views(Ask::ListTransactions(ask)).await
    }

    /// A page of the branches of other coordinators' transactions that are prepared here, after the one of the last page.
    pub async fn foreign_transactions(
        &self,
        after: Option<&Xid>,
        limit: u32,
    ) -> Result<Vec<TransactionView>, RequestError> {
        let ask = v1::ListForeignBranches { after: after.map(v1::Xid::from), limit };
        self.transaction_views(Ask::ListForeignBranches(ask)).await
    }

    pub async fn transaction(&self, id: GlobalId) -> Result<TransactionView, RequestError> {
        let ask = Ask::ShowTransaction(v1::ShowTransaction { gtrid: id.to_string() });
        let views = self.transaction_views(ask).await?;
        self.only(views, "transactions")
    }

    /// Ends a transaction by an operator's decision (P16); answers how it ended then.
    pub async fn resolve_transaction(
        &self,
        id: GlobalId,
        outcome: Outcome,
        force: Force,
    ) -> Result<KnownOutcome, RequestError> {
        let ask = v1::ResolveTransaction {
            gtrid: id.to_string(),
            commit: outcome == Outcome::Committed,
            force: force == Force::ResourceIsGone,
        };
        match self.session.ask(Ask::ResolveTransaction(ask)).await? {
            // Done as asked.
            Answer::Done(_) => Ok(match outcome {
                Outcome::Committed => KnownOutcome::Committed,
                Outcome::RolledBack => KnownOutcome::RolledBack { reason: String::new() },
            }),
            answer => {
                expect_answer!(self.session, answer, Outcome, "resolve transaction").map(|outcome| known(&outcome))
            }
        }
    }

    /// The heuristic outcome has been seen and need not be kept.
    pub async fn forget_transaction(&self, id: GlobalId) -> Result<(), RequestError> {
        self.done(Ask::ForgetTransaction(v1::ForgetTransaction { gtrid: id.to_string() })).await
    }

    async fn done(&self, ask: Ask) -> Result<(), RequestError> {
        let answer = self.session.ask(ask).await?;
        expect_answer!(self.session, answer, Done, "the request").map(|v1::Done {}| ())
    }

    async fn queue_views(&self, ask: Ask) -> Result<Vec<QueueView>, RequestError> {
        let answer = self.session.ask(ask).await?;
        let found = expect_answer!(self.session, answer, Queues, "show queues")?;
        Ok(found.queues.into_iter().map(QueueView::from).collect())
    }

    async fn transaction_views(&self, ask: Ask) -> Result<Vec<TransactionView>, RequestError> {
        let answer = self.session.ask(ask).await?;
        let found = expect_answer!(self.session, answer, Transactions, "show transactions")?;
        let views = found.transactions.into_iter().map(TransactionView::try_from).collect::<Result<Vec<_>, _>>();
        views.map_err(|malformed| self.session.unreadable(malformed))
    }

    /// The one thing that was asked for.
    fn only<T>(&self, found: Vec<T>, field: &'static str) -> Result<T, RequestError> {
        let missing = || self.session.unreadable(handfast_wire::Malformed::Missing(field));
        found.into_iter().next().ok_or_else(missing)
    }
}
