//! Whom `handfast bench compare` compares a server with: a database that is at hand, and what is done there.

use std::path::PathBuf;

use handfast_private_postgres::{Options as PostgresOptions, PostgresServer};
use handfast_protocol::ResourceKind;

use super::CommandError;
use super::bench_compare::Work;
use super::resource::absolute;
use crate::bench::{
    BenchError, Database, Display, Figures, Kind, Load, Rival, Rivalry, SqliteRival, describe, run_load,
};

#[derive(Debug)]
pub enum Opponent {
    Postgres {
        url: String,
        two_phase: bool,
        /// One of our own, which ends with this.
        _private: Option<Box<PostgresServer>>,
    },
    Sqlite {
        /// The database of the pair.
        database: String,
        /// Where the rows alone are written.
        file: PathBuf,
    },
}

impl Opponent {
    /// Without a URL, of a PostgreSQL of its own.
    pub fn postgres(url: Option<String>, two_phase: bool) -> Result<Opponent, BenchError> {
        let private = match url {
            Some(_) => None,
            None => Some(Box::new(PostgresServer::start(PostgresOptions::default())?)),
        };
        let url = url.or(private.as_ref().map(|server| server.url())).unwrap_or_default();
        Ok(Opponent::Postgres { url, two_phase, _private: private })
    }

    pub fn sqlite(database: &std::path::Path) -> Result<Opponent, CommandError> {
        Ok(Opponent::Sqlite { database: absolute(database)?, file: SqliteRival::file_beside(database) })
    }

    /// What the server does beside it.
    pub fn kind(&self, work: Work) -> Result<Kind, BenchError> {
        let database = match self {
            Opponent::Postgres { url, two_phase: false, .. } => (ResourceKind::PostgresMarker, url),
            Opponent::Postgres { url, two_phase: true, .. } => (ResourceKind::PostgresTwoPhase, url),
            Opponent::Sqlite { database, .. } => (ResourceKind::SqliteMarker, database),
        };
        let (kind, address) = database;
        Ok(match work {
            Work::Pair => Kind::Pair(Database { kind, address: address.clone() }),
            _ if matches!(self, Opponent::Sqlite { .. }) => return Err(BenchError::PairsOnly),
            Work::Send => Kind::Send,
            Work::Receive => Kind::Receive,
            Work::Transfer => Kind::Transfer,
        })
    }

    /// The database and how durable it is.
    pub async fn describe(&self) -> Result<String, BenchError> {
        match self {
            Opponent::Postgres { url, .. } => describe(url).await,
            Opponent::Sqlite { .. } => Ok(SqliteRival::describe()),
        }
    }

    /// What is done there: short, and in words.
    pub fn sides(&self, work: Work) -> Vec<(&'static str, &'static str)> {
        match self {
            Opponent::Postgres { two_phase, .. } => {
                rivalries(work, *two_phase).iter().map(|rivalry| (rivalry.name(), rivalry.what())).collect()
            }
            Opponent::Sqlite { .. } => vec![(SqliteRival::NAME, SqliteRival::WHAT)],
        }
    }

    /// Measures one of its sides: the workers that it had, and their figures. What it needs goes again, whatever happened.
    pub async fn measure(
        &self,
        (work, side): (Work, usize),
        load: &Load,
        display: &Display,
        stopped: impl Future<Output = ()> + Unpin,
    ) -> Result<(usize, Figures), BenchError> {
        match self {
            Opponent::Postgres { url, two_phase, .. } => {
                measure_postgres(url, rivalries(work, *two_phase)[side], load, display, stopped).await
            }
            Opponent::Sqlite { file, .. } => {
                let measured = match SqliteRival::prepare(file) {
                    Ok(rival) => run_load(vec![rival.client()], load, display, stopped).await,
                    Err(error) => Err(error),
                };
                let cleared = SqliteRival::clear_up(file);
                let measured = measured?;
                cleared.map(|()| (1, measured.figures))
            }
        }
    }
}

fn rivalries(work: Work, two_phase: bool) -> &'static [Rivalry] {
    match work {
        Work::Send => &[Rivalry::Send],
        Work::Receive => &[Rivalry::Receive],
        Work::Transfer => &[Rivalry::Transfer],
        Work::Pair if two_phase => &[Rivalry::Pair, Rivalry::RowsPrepared],
        Work::Pair => &[Rivalry::Pair, Rivalry::Rows],
    }
}

async fn measure_postgres(
    url: &str,
    rivalry: Rivalry,
    load: &Load,
    display: &Display,
    mut stopped: impl Future<Output = ()> + Unpin,
) -> Result<(usize, Figures), BenchError> {
    let rival = tokio::select! {
        rival = Rival::prepare(url, rivalry, load, display) => rival?,
        () = &mut stopped => {
            Rival::clear_up(url).await?;
            return Err(BenchError::Interrupted);
        }
    };
    let measured = run_load(rival.clients(), load, display, stopped).await;
    let workers = rival.workers();
    drop(rival);
    let cleared = Rival::clear_up(url).await;
    let measured = measured?;
    cleared.map(|()| (workers, measured.figures))
}
