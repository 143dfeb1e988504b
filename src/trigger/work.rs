//! What a trigger does with one message inside a transaction, and what a failure of it means.

use handfast_client::{
    Dialect, EnlistError, Message, ReceiveError, Received, RefusalCode, RequestError, SendError, Transaction,
};
use handfast_crash_test::witness::{Mark, Testimony, insert};
use handfast_protocol::{Properties, QueueName, ResourceName};
use handfast_trigger::{Argument, Parameter, ParameterError, Parameters, Statement};

use super::condition::Place;
use super::error::TriggerError;

/// A trigger that knows its database.
#[derive(Debug)]
pub struct Work {
    pub queue: QueueName,
    pub database: Option<Statements>,
    pub send: Option<QueueName>,
}

/// At least one.
#[derive(Debug)]
pub struct Statements {
    pub resource: ResourceName,
    pub dialect: Dialect,
    pub statements: Vec<Statement>,
}

/// Why a message is not done.
#[derive(Debug)]
pub enum Setback {
    /// Its own fault: an attempt is counted (P22).
    Message { error: String },
    /// Nobody's fault, and it may work later: no attempt is counted.
    Away { place: Place, what: String },
    /// Nothing changes until a person changes something.
    Fatal(TriggerError),
}

impl Work {
    /// Everything but the commit.
    pub async fn carry_out(
        &self,
        transaction: &mut Transaction,
        message: &Received,
        testimony: &Testimony,
    ) -> Result<(), Setback> {
        if let Some(database) = &self.database {
            testimony.writes(transaction.id(), &database.resource, message);
            database.run(transaction, message, testimony).await?;
            testimony.wrote(transaction.id(), &database.resource, message);
        }
        if let Some(queue) = &self.send {
            let sent_on = testimony.marked(transaction.id(), sent_on(message));
            testimony.sends(transaction.id(), queue, &sent_on);
            transaction.send(queue.as_str(), sent_on.clone()).await?;
            testimony.sent(transaction.id(), queue, &sent_on);
        }
        Ok(())
    }
}

impl Statements {
    async fn run(
        &self,
        transaction: &mut Transaction,
        message: &Received,
        testimony: &Testimony,
    ) -> Result<(), Setback> {
        let mark = testimony.mark(transaction.id(), message);
        let needs_body = self.statements.iter().any(|statement| !statement.parameters.is_empty());
        let parameters = if needs_body { Some(Parameters::parse(&message.body)?) } else { None };
        let arguments = |wanted: &[Parameter]| match &parameters {
            Some(parameters) => parameters.arguments(wanted),
            None => Ok(Vec::new()),
        };
        // All are found before the database is asked for anything.
        let arguments: Vec<Vec<Argument<'_>>> =
            self.statements.iter().map(|statement| arguments(&statement.parameters)).collect::<Result<_, _>>()?;
        let statements = self.statements.iter().zip(&arguments);
        match self.dialect {
            Dialect::Postgres => {
                let branch = transaction.postgres(self.resource.as_str()).await?;
                for (statement, arguments) in statements {
                    let given: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                        arguments.iter().map(|argument| argument as _).collect();
                    let done = branch.execute(&statement.sql, &given).await;
                    done.map_err(|error| self.setback(error.blame(), &error))?;
                }
                if let Some(Mark { table, key, by }) = &mark {
                    let done = branch.execute(&insert(table, ["$1", "$2"]), &[key, by]).await;
                    done.map_err(|error| self.setback(error.blame(), &error))?;
                }
            }
            Dialect::Sqlite => {
                let branch = transaction.sqlite(self.resource.as_str()).await?;
                for (statement, arguments) in statements {
                    let given: Vec<&(dyn rusqlite::ToSql + Sync)> =
                        arguments.iter().map(|argument| argument as _).collect();
                    // A statement may return rows, which `execute` takes for a mistake.
                    let done = branch.query(&statement.sql, &given).await;
                    done.map_err(|error| self.setback(error.blame(), &error))?;
                }
                if let Some(Mark { table, key, by }) = &mark {
                    let done = branch.execute(&insert(table, ["?1", "?2"]), &[key, by]).await;
                    done.map_err(|error| self.setback(error.blame(), &error))?;
                }
            }
        }
        Ok(())
    }

    fn setback(&self, blame: handfast_client::Blame, error: &dyn std::error::Error) -> Setback {
        use handfast_client::Blame;
        match blame {
            Blame::Message { error } | Blame::Reject { error } => Setback::Message { error },
            Blame::None => Setback::Away { place: Place::Database, what: error.to_string() },
        }
    }
}

/// The message as it is sent on: by custom its correlation id is the id of the message that began it. How long it may wait
/// was said for the queue it comes from.
fn sent_on(message: &Received) -> Message {
    let properties = &message.properties;
    let correlation_id = if properties.correlation_id.is_empty() {
        message.id.to_string().into()
    } else {
        properties.correlation_id.clone()
    };
    let properties =
        Properties { correlation_id, time_to_be_received: None, drop_expired: false, ..properties.clone() };
    Message { properties, body: message.body.clone() }
}

impl From<ParameterError> for Setback {
    fn from(error: ParameterError) -> Setback {
        Setback::Message { error: error.to_string() }
    }
}

impl From<RequestError> for Setback {
    fn from(error: RequestError) -> Setback {
        if error.is_retryable() {
            Setback::Away { place: Place::Server, what: error.to_string() }
        } else {
            Setback::Fatal(error.into())
        }
    }
}

impl From<ReceiveError> for Setback {
    fn from(error: ReceiveError) -> Setback {
        match error {
            ReceiveError::Request(error) => error.into(),
            error => Setback::Away { place: Place::Server, what: error.to_string() },
        }
    }
}

impl From<SendError> for Setback {
    fn from(error: SendError) -> Setback {
        match error {
            // It is larger than the server allows, or has a property that it refuses.
            SendError::Request(RequestError::Refused(refused)) if refused.code == RefusalCode::Invalid => {
                Setback::Message { error: refused.text }
            }
            SendError::Request(error) => error.into(),
            SendError::RollbackOnly(cause) => Setback::Away { place: Place::Server, what: cause.to_string() },
            error => Setback::Message { error: error.to_string() },
        }
    }
}

impl From<EnlistError> for Setback {
    fn from(error: EnlistError) -> Setback {
        match error {
            EnlistError::Request(error) if error.code() != Some(RefusalCode::Resource) => error.into(),
            error if error.is_retryable() => Setback::Away { place: Place::Database, what: error.to_string() },
            error => Setback::Fatal(error.into()),
        }
    }
}
