//! Triggers with PostgreSQL, by marker and in two phases.

use handfast_private_postgres::{Options, PostgresServer};
use serde_json::json;

use crate::harness::{Running, Server, until};
use crate::{begun, dead_letters, run, summary, with_queues, write};

fn with_ledger(mode: &[&str], schema: &str) -> (Server, PostgresServer) {
    let database = PostgresServer::start(Options::default()).unwrap();
    database.psql(schema).unwrap();
    let server = with_queues("2");
    let args: Vec<&str> =
        [&["resource", "add", "ledger", "--postgres"], &[database.url().leak() as &str][..], mode].concat();
    server.run(&args).ok();
    (server, database)
}

const MODES: [&[&str]; 2] = [&[], &["--two-phase"]];

/// Each value arrives in the type that its statement expects, and no number goes through a float.
#[test]
fn values_have_the_type_that_the_statement_expects() {
    for mode in MODES {
        let schema =
            "create table booking (id bigint, amount numeric, price float8, paid bool, at timestamptz, extra jsonb,
            code text, ref uuid, day date, tags text[])";
        let (server, database) = with_ledger(mode, schema);
        let body = r#"{"id": 7, "amount": 12345678901234.567890, "price": 0.1, "paid": true, "at": "2026-01-02T03:04:05Z",
            "extra": {"a": [1, null]}, "code": 42, "ref": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "day": null,
            "tags": "{a,b}"}"#;
        server.run_with(&["send", "orders"], body.as_bytes()).ok();
        let statement =
            "insert into booking values (:id, :amount, :price, :paid, :at, :extra, :code, :ref, :day, :tags)";
        assert_eq!(run(&server, &[statement]), summary(1, 0, 0), "{mode:?}");
        let row = database.psql("set timezone = 'UTC'; select * from booking").unwrap();
        let expected = "7|12345678901234.567890|0.1|t|2026-01-02 03:04:05+00|{\"a\": [1, null]}|42|\
            a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11||{a,b}";
        assert_eq!(row, expected, "{mode:?}");
        assert_eq!(server.bodies("shipments"), [body]);
        assert_eq!(database.psql("select count(*) from pg_prepared_xacts").unwrap(), "0");
    }
}

/// P22, with the database's own words: at the statement, by a function that refuses, and at the end of the transaction.
#[test]
fn p22_a_message_that_the_database_refuses_is_a_dead_letter() {
    for mode in MODES {
        let schema = "create table item (id int primary key); insert into item values (1);
            create table booking (item int references item deferrable initially deferred, amount int);
            create function judge() returns trigger language plpgsql as
              $$ begin if new.amount > 100 then raise exception 'too much'; end if; return new; end $$;
            create trigger judge before insert on booking for each row execute function judge()";
        let (server, database) = with_ledger(mode, schema);
        let bodies = [
            r#"{"item":1,"amount":"x"}"#,
            r#"{"item":1,"amount":101}"#,
            r#"{"item":9,"amount":1}"#,
            r#"{"item":1,"amount":2}"#,
        ];
        server.run_with(&["send", "orders", "--lines"], bodies.join("\n").as_bytes()).ok();
        assert_eq!(run(&server, &["insert into booking values (:item, :amount)"]), summary(1, 3, 6), "{mode:?}");
        assert_eq!(database.psql("select * from booking").unwrap(), "1|2");
        assert_eq!(server.bodies("shipments"), [bodies[3]]);
        let found = dead_letters(&server);
        let parts =
            ["22P02: invalid input syntax for type integer", "P0001: too much", "23503: insert or update on table"];
        assert_eq!(found.len(), 3);
        for ([body, reason, attempts, error], (part, sent)) in found.iter().zip(parts.iter().zip(bodies)) {
            assert_eq!([body, reason, attempts], [sent, "MaxAttempts", "2"]);
            assert!(error.contains(part), "{error}");
        }
    }
}

/// P22: a database that is down counts no attempt; the trigger waits for it.
#[test]
fn p22_a_database_that_is_away_costs_no_attempt() {
    for mode in MODES {
        let (server, mut database) = with_ledger(mode, "create table booking (id int)");
        server.run_with(&["send", "orders", "--lines"], b"{\"id\":1}\n{\"id\":2}\n").ok();
        write(&server, &["insert into booking values (:id)"]);
        database.kill();
        let trigger = Running::start(&mut server.command(&["trigger", "run", "trigger.toml", "--until-empty"]));
        // More transactions than a message has attempts; transactions are counted in their names.
        let (before, mut ours) = (begun(&server), 0);
        until("the trigger has tried often enough", || {
            ours += 1;
            begun(&server) > before + ours + 6
        });
        database.restart().unwrap();
        let ended = trigger.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("trying again until it works") && ended.stderr.contains("working again"),
            "{}",
            ended.stderr
        );
        assert_eq!(database.psql("select id from booking order by id").unwrap(), "1\n2");
        assert_eq!(server.bodies("shipments"), ["{\"id\":1}", "{\"id\":2}"]);
        let attempts = server.run(&["peek", "shipments", "--output", "json"]).json();
        assert_eq!((&attempts[0]["attempts"], dead_letters(&server).len()), (&json!(0), 0));
    }
}

/// The row is prepared and its commit decided, and the database lets nobody in who could tell it: that is not the end.
#[test]
fn it_does_not_end_while_what_it_did_is_in_doubt() {
    let schema = "create role shop login; grant all on schema public to shop; create table booking (id int);
        grant all on booking to shop";
    let database = PostgresServer::start(Options::default()).unwrap();
    database.psql(schema).unwrap();
    let server = with_queues("2");
    let url = database.url().replace("postgres://handfast@", "postgres://shop@");
    server.run(&["resource", "add", "ledger", "--postgres", &url, "--two-phase"]).ok();
    server.run(&["send", "orders", "{\"id\":1}"]).ok();
    write(&server, &["insert into booking select :id from pg_sleep(5)"]);
    let mut trigger = Running::start(&mut server.command(&["trigger", "run", "trigger.toml", "--until-empty"]));
    let activity = |of: &str| format!("from pg_stat_activity where application_name = '{of}'");
    let working = format!("select count(*) {} and state = 'active'", activity("handfast ledger"));
    until("the row is being written", || database.psql(&working).unwrap() == "1");
    database.psql("alter role shop nologin").unwrap();
    database.psql(&format!("select pg_terminate_backend(pid) {}", activity("handfast"))).unwrap();

    until("it is decided", || {
        server.run(&["transaction", "list", "--in-doubt", "--output", "json"]).json() != json!([])
    });
    // Longer than it takes to find the queue empty.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(trigger.is_running());
    assert_eq!((server.queue("orders")["messages"].as_u64(), server.bodies("shipments").len()), (Some(0), 0));
    database.psql("alter role shop login").unwrap();
    let ended = trigger.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("is in doubt at ledger"), "{}", ended.stderr);
    assert_eq!(database.psql("select id from booking").unwrap(), "1");
    assert_eq!(server.bodies("shipments"), ["{\"id\":1}"]);
}
