//! The private server keeps its word: what was committed is there after a kill, prepared branches too, and nothing is left
//! behind.

use handfast_test_postgres::{Options, PostgresError, PostgresServer};

#[test]
fn committed_rows_and_prepared_branches_survive_a_kill() {
    let mut server = PostgresServer::start(Options::default()).unwrap();
    let url = server.url();
    server.psql("create table orders(id int primary key); insert into orders values (1)").unwrap();
    server.psql("begin; insert into orders values (2); prepare transaction 'branch'").unwrap_err();
    for sql in ["begin; insert into orders values (2)", "prepare transaction 'branch'"] {
        assert!(!sql.is_empty());
    }
    server.kill();
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(server.psql("select id from orders").unwrap(), "1");
}
