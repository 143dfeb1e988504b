//! The trigger file: which queue, which statements at which database, and where each message goes next.
//!
//! What it is not: it does not know the database. Its statements are read as SQL when the server has told what the resource
//! is, before the first message ([`Statement::parse`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use handfast_client::Dialect;
use handfast_protocol::{QueueName, ResourceName};
use serde::Deserialize;
use toml::Spanned;

use super::limits::{FILE_BYTES_MAX, STATEMENTS_MAX};
use super::statement::{Statement, StatementError};

/// What a trigger does with each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerFile {
    pub queue: QueueName,
    pub database: Option<Database>,
    /// Where the message is sent on to.
    pub send: Option<QueueName>,
}

/// It must be registered, also where nothing is done at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub resource: ResourceName,
    statements: Vec<Text>,
    path: PathBuf,
}

/// A statement, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    line: usize,
    sql: String,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerFileError {
    #[error("{} cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{} is larger than {FILE_BYTES_MAX} bytes; is it a trigger file?", path.display())]
    TooLarge { path: PathBuf },
    /// Unknown keys are among it, with those that there are.
    #[error("{}:{line}: {what}", path.display())]
    Content { path: PathBuf, line: usize, what: String },
    #[error("{}:{line}: {cause}", path.display())]
    Statement { path: PathBuf, line: usize, cause: StatementError },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    queue: Spanned<String>,
    database: Option<DatabaseContent>,
    send: Option<SendContent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatabaseContent {
    resource: Spanned<String>,
    statements: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendContent {
    queue: Spanned<String>,
}

impl TriggerFile {
    pub fn read(path: &Path) -> Result<TriggerFile, TriggerFileError> {
        let unreadable = |cause| TriggerFileError::Read { path: path.to_owned(), cause };
        let length = fs::metadata(path).map_err(unreadable)?.len();
        if length > FILE_BYTES_MAX as u64 {
            return Err(TriggerFileError::TooLarge { path: path.to_owned() });
        }
        TriggerFile::parse(path, &fs::read_to_string(path).map_err(unreadable)?)
    }

    /// The text of the file at `path`, which is named where something is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<TriggerFile, TriggerFileError> {
        let line_at = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        let wrong = |offset: usize, what: String| TriggerFileError::Content {
            path: path.to_owned(),
            line: line_at(offset),
            what,
        };
        let content: Content = toml::from_str(text)
            .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().replace('\n', "; ")))?;
        let queue = |name: Spanned<String>| {
            let offset = name.span().start;
            QueueName::new(name.into_inner()).map_err(|error| wrong(offset, error.to_string()))
        };
        let target = |name: Spanned<String>| {
            let offset = name.span().start;
            let name = queue(name)?;
            let what = "nothing is sent to the dead-letter queue; choose another queue".to_owned();
            if name == QueueName::dead_letter() { Err(wrong(offset, what)) } else { Ok(name) }
        };
        let database = content.database.map(|database| {
            let resource = ResourceName::new(database.resource.get_ref().as_str())
                .map_err(|error| wrong(database.resource.span().start, error.to_string()))?;
            let Some(statements) = database.statements else {
                return Ok(Database { resource, statements: Vec::new(), path: path.to_owned() });
            };
            let count = statements.get_ref().len();
            if count == 0 || count > STATEMENTS_MAX {
                let what = format!("the list has {count} statements; between 1 and {STATEMENTS_MAX} are allowed");
                return Err(wrong(statements.span().start, what));
            }
            let text = |sql: Spanned<String>| Text { line: line_at(sql.span().start), sql: sql.into_inner() };
            let statements = statements.into_inner().into_iter().map(text).collect();
            Ok(Database { resource, statements, path: path.to_owned() })
        });
        Ok(TriggerFile {
            queue: queue(content.queue)?,
            database: database.transpose()?,
            send: content.send.map(|send| target(send.queue)).transpose()?,
        })
    }
}

impl Database {
    /// The statements as the database takes them.
    pub fn statements(&self, dialect: Dialect) -> Result<Vec<Statement>, TriggerFileError> {
        let statement = |text: &Text| {
            Statement::parse(dialect, &text.sql).map_err(|cause| TriggerFileError::Statement {
                path: self.path.clone(),
                line: text.line,
                cause,
            })
        };
        self.statements.iter().map(statement).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TriggerFile, TriggerFileError> {
        TriggerFile::parse(Path::new("a.toml"), text)
    }

    fn refusal(text: &str) -> String {
        let file = parse(text);
        let statements = |file: TriggerFile| file.database.map(|database| database.statements(Dialect::Sqlite));
        match file.map(statements) {
            Err(error) | Ok(Some(Err(error))) => error.to_string(),
            Ok(found) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn every_part_but_the_queue_may_be_left_out() {
        let name = |name: &str| QueueName::new(name).unwrap();
        assert_eq!(
            parse("queue = 'orders'").unwrap(),
            TriggerFile { queue: name("orders"), database: None, send: None }
        );
        let file = parse("queue = 'orders'\n[database]\nresource = 'ledger'").unwrap();
        let database = file.database.unwrap();
        assert_eq!((database.resource.as_str(), database.statements(Dialect::Sqlite).unwrap()), ("ledger", Vec::new()));
        let whole = "queue = 'orders'\n[database]\nresource = 'ledger'\nstatements = [\n  'select :a',\n  'select 2',\n]\n\
                     [send]\nqueue = 'shipments'\n";
        let file = parse(whole).unwrap();
        assert_eq!((file.queue, file.send), (name("orders"), Some(name("shipments"))));
        let database = file.database.unwrap();
        assert_eq!(database.resource.as_str(), "ledger");
        let sql: Vec<_> = database.statements(Dialect::Postgres).unwrap().into_iter().map(|found| found.sql).collect();
        assert_eq!(sql, ["select $1", "select 2"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let table = [
            (
                "queue = 'orders'\n\nqueu = 'a'",
                "a.toml:3: unknown field `queu`, expected one of `queue`, `database`, `send`",
            ),
            ("queue = 'a'\n[send]\nto = 'b'", "a.toml:3: unknown field `to`, expected `queue`"),
            (
                "queue = 'a'\n[database]\nresource = 'b'\nstatement = []",
                "a.toml:4: unknown field `statement`, expected `resource` or `statements`",
            ),
            ("", "a.toml:1: missing field `queue`"),
            ("queue = 'a'\n[database]\nstatements = ['select 1']", "a.toml:2: missing field `resource`"),
            ("queue = 'a'\nqueue = 'b'", "a.toml:2: duplicate key"),
            (
                "queue = 'a'\n[send]\nqueue = 'Dead-Letter'",
                "a.toml:3: nothing is sent to the dead-letter queue; choose another queue",
            ),
            ("queue = 7", "a.toml:1: invalid type: integer `7`, expected a string"),
            ("queue = 'a;b'", "a.toml:1: "),
            ("queue = 'a'\n[send]\nqueue = ''", "a.toml:3: "),
            ("queue = 'a'\n[database]\nstatements = ['select 1']\nresource = ' '", "a.toml:4: "),
            (
                "queue = 'a'\n[database]\nresource = 'b'\nstatements = []",
                "a.toml:4: the list has 0 statements; between 1 and 256 are allowed",
            ),
            (
                "queue = 'a'\n[database]\nresource = 'b'\nstatements = [\n'select 1',\n'commit']",
                "a.toml:6: COMMIT is transaction control",
            ),
        ];
        for (text, expected) in table {
            assert!(refusal(text).starts_with(expected), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = TriggerFile::read(Path::new("/nowhere/a.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/a.toml cannot be read: "), "{error}");
    }
}
