//! The private server keeps its word: what was committed or prepared is there after a kill, and nothing is left behind, even
//! by a test that was killed itself.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use handfast_private_postgres::{Options, PostgresError, PostgresServer};

const PREPARE: &str = "begin; insert into orders values (2); prepare transaction 'branch'";

#[test]
fn what_was_committed_or_prepared_survives_a_kill_and_nothing_else_does() {
    let mut server = PostgresServer::start(Options::default()).unwrap();
    let url = server.url();
    server.psql("create table orders(id int primary key); insert into orders values (1)").unwrap();
    server.psql(PREPARE).unwrap();
    server.psql("begin; insert into orders values (3)").unwrap();
    server.kill();
    assert!(server.psql("select 1").is_err(), "a killed server answers nobody");
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    server.psql("commit prepared 'branch'").unwrap();
    server.restart().unwrap();
    assert_eq!(server.psql("select id from orders order by id").unwrap(), "1\n2");
}

/// One that forks while it is killed leaves no child behind: such a child may wait for a lock of a dead one, and nobody can start
/// the server again.
#[test]
fn a_server_that_forks_all_the_time_dies_whole() {
    let mut server = PostgresServer::start(Options::default()).unwrap();
    let (address, ended) = (address(&server), Arc::new(AtomicBool::new(false)));
    let knocking: Vec<_> = (0..4)
        .map(|_| {
            let (address, ended) = (address.clone(), Arc::clone(&ended));
            // Each connection is a fork.
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    drop(TcpStream::connect(&address));
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let began = Instant::now();
        server.kill();
        assert!(began.elapsed() < Duration::from_secs(10), "a child is left: it was waited for {:?}", began.elapsed());
        server.restart().unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    knocking.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn servers_are_strangers_to_each_other_and_take_their_own_settings() {
    let ours = Options { max_prepared_transactions: 0, extra: vec![("fsync".to_owned(), "off".to_owned())] };
    let mut without_prepare = PostgresServer::start(ours).unwrap();
    let other = PostgresServer::start(Options::default()).unwrap();
    assert_ne!(without_prepare.url(), other.url());
    without_prepare.psql("create table orders(id int)").unwrap();
    assert_eq!(without_prepare.psql("show fsync").unwrap(), "off");
    assert_eq!(other.psql("show fsync").unwrap(), "on");
    assert!(other.psql("select * from orders").is_err(), "a fresh server has no tables");

    let refused = without_prepare.psql(PREPARE).unwrap_err();
    assert!(refused.to_string().contains("prepared transactions are disabled"), "{refused}");
    without_prepare.stop();
    without_prepare.set_options(Options::default());
    without_prepare.restart().unwrap();
    without_prepare.psql(PREPARE).unwrap();
}

#[test]
fn a_setting_that_postgresql_refuses_is_quoted_from_its_log() {
    let options = Options { extra: vec![("no_such_setting".to_owned(), "1".to_owned())], ..Options::default() };
    match PostgresServer::start(options) {
        Err(PostgresError::Ended { log }) => assert!(log.contains("no_such_setting"), "{log}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dropped_server_leaves_neither_process_nor_directory() {
    let server = PostgresServer::start(Options::default()).unwrap();
    let (address, dir) = (address(&server), server.data_directory().to_path_buf());
    assert!(TcpStream::connect(&address).is_ok());
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    assert!(!dir.exists());
}

/// Set in the process that [`a_killed_test_leaves_neither_process_nor_directory`] runs: the file that it reports into.
const REPORT: &str = "HANDFAST_TEST_POSTGRES_REPORT";

#[test]
fn a_killed_test_leaves_neither_process_nor_directory() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "starts_a_server_and_dies", "--ignored"])
        .env(REPORT, &report)
        .status()
        .unwrap();
    assert!(!status.success());
    let report = std::fs::read_to_string(report).unwrap();
    let (address, server_dir) = report.split_once('\n').unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_ok() || Path::new(server_dir).exists() {
        assert!(Instant::now() < deadline, "still there: {report}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "run by a_killed_test_leaves_neither_process_nor_directory, in a process of its own"]
fn starts_a_server_and_dies() {
    let report = PathBuf::from(std::env::var_os(REPORT).unwrap());
    let server = PostgresServer::start(Options::default()).unwrap();
    std::fs::write(report, format!("{}\n{}", address(&server), server.data_directory().display())).unwrap();
    std::process::abort();
}

fn address(server: &PostgresServer) -> String {
    let url = server.url();
    url.trim_start_matches("postgres://handfast@").trim_end_matches("/postgres").to_owned()
}
