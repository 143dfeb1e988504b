//! Starting, stopping, and what a server refuses.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use handfast_wire::v1;
use handfast_wire::v1::reply::Answer;
use handfast_wire::v1::request::Ask;
use rustix::process::Signal;

use crate::harness::{Run, Server, handfast, http_get, mode, ready_line, until, wait};
use crate::session::Session;

#[test]
fn one_line_says_that_it_is_ready_and_a_signal_stops_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        server.run(&["queue", "create", "orders"]).ok();
        server.run(&["send", "orders", "kept"]).ok();
        let (status, printed) = server.stop(signal);
        assert_eq!((status.code(), printed.as_str()), (Some(0), ""), "{}", server.log());
        server.start_again();
        assert_eq!(server.bodies("orders"), ["kept"]);
    }
}

#[test]
fn what_was_answered_survives_sigkill() {
    let mut server = Server::start();
    server.run(&["queue", "create", "orders"]).ok();
    for body in ["1", "2", "3"] {
        server.run(&["send", "orders", body]).ok();
    }
    assert_eq!(server.run(&["receive", "orders"]).ok(), "1\n");
    server.kill();
    server.start_again();
    assert_eq!(server.bodies("orders"), ["2", "3"]);
}

#[test]
fn the_directory_is_private_and_one_process_has_it() {
    let server = Server::start();
    assert_eq!(mode(&server.data()), 0o700);
    let data = server.data();
    let data = data.to_str().unwrap();
    let second = Run::of(&mut handfast(&["serve", "--listen", "127.0.0.1:0", "--data", data]));
    let expected = format!("error: {data} is in use by another process; stop that one, or choose another --data\n");
    assert_eq!(second.refused(1), expected);
}

#[test]
fn it_listens_on_loopback_only() {
    let directory = tempfile::tempdir().unwrap();
    let refused = Run::of(handfast(&["serve", "--listen", "0.0.0.0:0", "--data"]).arg(directory.path()));
    let expected = "error: 0.0.0.0:0 is not a loopback address: without TLS and authentication anybody could use this \
                    server; listen on 127.0.0.1 and use a tunnel\n";
    assert_eq!(refused.refused(1), expected);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let refused = Run::of(handfast(&["serve", "--listen", &address, "--data"]).arg(directory.path()));
    let refusal = refused.refused(1);
    assert!(refusal.starts_with(&format!("error: cannot listen on {address}: ")), "{refusal}");
    assert!(refusal.ends_with("; choose another --listen\n"), "{refusal}");
}

#[test]
fn without_options_the_data_is_where_a_users_data_is() {
    let home = tempfile::tempdir().unwrap();
    for (variable, place) in [("XDG_DATA_HOME", "handfast"), ("HOME", ".local/share/handfast")] {
        let mut command = handfast(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.env_remove("XDG_DATA_HOME").env(variable, home.path());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        assert!(ready_line(&mut process).is_some());
        rustix::process::kill_process(rustix::process::Pid::from_child(&process), Signal::TERM).unwrap();
        assert_eq!(wait(&mut process).code(), Some(0));
        assert!(home.path().join(place).join("identity").exists(), "{place}");
        let log = std::io::read_to_string(process.stderr.take().unwrap()).unwrap();
        for line in log.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }
    let nowhere = Run::of(handfast(&["serve"]).env_remove("XDG_DATA_HOME").env_remove("HOME"));
    let expected =
        "error: there is no place for data: neither XDG_DATA_HOME nor HOME is set; name one with --data DIR\n";
    assert_eq!(nowhere.refused(1), expected);
}

#[test]
fn health_and_metrics_are_on_the_same_port() {
    let server = Server::start();
    let health = http_get(server.address(), "/health");
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("\r\n\r\nserving\n"), "{health}");
    let metrics = http_get(server.address(), "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n") && metrics.contains("\n# TYPE handfast_"), "{metrics}");
    let nothing = http_get(server.address(), "/nothing");
    assert!(nothing.starts_with("HTTP/1.1 404") && nothing.contains("/health and /metrics"), "{nothing}");
}

/// What is taken is counted while it is, and what was recovered is told; one list for the command and the page.
#[test]
fn g7_the_status_says_what_is_taken_and_what_it_may_be() {
    let mut server = Server::start();
    let figure = |server: &Server, name: &str| {
        let status = server.run(&["--output", "json", "status"]).json();
        let found = status["gauges"].as_array().unwrap().iter().find(|gauge| gauge["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name} in {status:#}"));
        (found["value"].as_u64().unwrap(), found["limit"].as_u64())
    };
    server.run(&["queue", "create", "orders"]).ok();
    assert_eq!(figure(&server, "waiting_receives"), (0, Some(65_536)));
    assert_eq!(figure(&server, "recovered_log_entries"), (0, None));
    let mut waiting = server.command(&["receive", "orders", "--wait", "1m"]).stdout(Stdio::null()).spawn().unwrap();
    until("the receive waits", || figure(&server, "waiting_receives").0 == 1);
    until("there are its session, and the one that asks", || figure(&server, "sessions").0 == 2);
    assert_eq!(figure(&server, "active_bytes").0, 512 + 256, "a branch and its receive");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    until("nobody waits", || figure(&server, "active_bytes").0 == 0);

    server.run_with(&["send", "orders", "--lines"], "x\n".repeat(1_000).as_bytes()).ok();
    let (taken, limit) = figure(&server, "log_unflushed_bytes");
    assert!(taken > 1_000 && limit.is_some_and(|limit| taken < limit), "{taken} {limit:?}");
    for name in ["memory_bytes", "log_disk_bytes", "store_disk_bytes", "store_memtable_bytes", "disk_free_bytes"] {
        assert!(figure(&server, name).0 > 1_000, "{name}");
    }
    server.kill();
    server.start_again();
    assert!(figure(&server, "recovered_log_entries").0 > 0);
    let metrics = http_get(server.address(), "/metrics");
    assert!(metrics.contains("\nhandfast_waiting_receives 0\n"), "{metrics}");
    assert!(metrics.contains("\nhandfast_waiting_receives_limit 65536\n"), "{metrics}");
    let status = server.run(&["status"]);
    let table = status.ok();
    assert!(table.starts_with("FIGURE") && table.contains("\nwaiting receives"), "{table}");
}

#[test]
fn garbage_on_the_port_harms_nobody() {
    let server = Server::start();
    server.run(&["queue", "create", "orders"]).ok();
    for garbage in
        [&b"\0\xff\xfe\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff", &[b'x'; 100_000]]
    {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        // The server may hang up before it has read all of it.
        stream.write_all(garbage).ok();
    }
    server.run(&["send", "orders", "after"]).ok();
    assert_eq!(server.bodies("orders"), ["after"]);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    let refused = Run::of(handfast(&["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path()));
    let expected = format!(
        "error: {} is not empty and is no data directory of Handfast; choose an empty or a new one\n",
        directory.path().display()
    );
    assert_eq!(refused.refused(1), expected);
}

/// The limit of open files is raised to what the machine's owner allows.
#[test]
fn open_files_are_not_limited_to_the_usual_number() {
    let server = Server::start();
    let mut limits = String::new();
    until("the limits can be read", || {
        limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap_or_default();
        !limits.is_empty()
    });
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line["Max open files".len()..].split_whitespace().collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
}

/// Asks for gigabytes and takes none of them.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn g7_a_client_that_takes_no_answers_costs_a_bounded_memory() {
    let server = Server::start();
    server.run(&["queue", "create", "orders"]).ok();
    let line = "x".repeat(60 << 10) + "\n";
    server.run_with(&["send", "orders", "--lines"], line.repeat(64).as_bytes()).ok();

    let mut session = Session::open(server.url()).await;
    let Answer::Begun(begun) = session.ask(Ask::Begin(v1::Begin { timeout_ms: 300_000 })).await else { panic!() };
    let transaction = Some(v1::Transaction { name: Some(v1::transaction::Name::Gtrid(begun.gtrid)) });
    let receive = v1::Receive { transaction, queue: "orders".to_owned(), wait_ms: 0, begin: None };
    assert!(matches!(session.ask(Ask::Receive(receive)).await, Answer::Received(_)));
    for _ in 0..1000 {
        let peek = v1::Peek { queue: "orders".to_owned(), after: None, limit: 64, body_bytes: 64 << 10 };
        let leaving = session.leave(Ask::Peek(peek));
        if tokio::time::timeout(Duration::from_millis(200), leaving).await.is_err() {
            break;
        }
    }
    let mut last = 0;
    until("the server takes no more memory", || {
        let before = std::mem::replace(&mut last, peak_memory(&server));
        std::thread::sleep(Duration::from_millis(500));
        last > 0 && before == last
    });
    assert!(last < 700 << 20, "{} MiB", last >> 20);
    assert_eq!(server.queue("orders")["locked"], 1, "it goes on serving");
    drop(session);
    until("what it had locked is back", || server.queue("orders")["locked"] == 0);
}

#[cfg(target_os = "linux")]
fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
