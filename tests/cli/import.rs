//! Imports: CSV and lines, and that nothing is sent twice or left out, whatever is cut (P24).

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Running, Server, until};

const ROWS: usize = 6_000;

fn lines() -> Vec<String> {
    (0..ROWS).map(|line| format!("order {line}")).collect()
}

fn with_queue() -> Server {
    let server = Server::start();
    server.run(&["queue", "create", "orders"]).ok();
    server
}

fn messages(server: &Server) -> u64 {
    server.queue("orders")["messages"].as_u64().unwrap()
}

#[test]
fn rows_become_objects_and_numbers_keep_their_digits() {
    let server = with_queue();
    let csv =
        "\u{feff}id,amount,name\r\n1,0.10,\"Smith, \"\"Jo\"\"\"\r\n007,-0,\r\n12345678901234567890,1e5,\"a\r\nb\"\r\n";
    let sent = server.run_with(&["send", "orders", "--csv", "--label", "order"], csv.as_bytes());
    assert_eq!(sent.ok(), "3 messages sent\n");
    let expected = [
        r#"{"id":1,"amount":0.10,"name":"Smith, \"Jo\""}"#,
        r#"{"id":"007","amount":-0,"name":null}"#,
        r#"{"id":12345678901234567890,"amount":1e5,"name":"a\r\nb"}"#,
    ];
    assert_eq!(server.bodies("orders"), expected);
    server.run(&["queue", "purge", "orders"]).ok();
    server.run_with(&["send", "orders", "--csv", "--line-key", "line"], b"a\nx\n\ny\n").ok();
    assert_eq!(server.bodies("orders"), [r#"{"line":2,"a":"x"}"#, r#"{"line":4,"a":"y"}"#]);
}

#[test]
fn a_bad_row_is_refused_with_its_line_and_nothing_of_its_batch_is_sent() {
    let server = with_queue();
    let table: [(&[&str], &str, &str, &[&str]); 4] = [
        (
            &["--csv", "--batch", "2"],
            "a,b\n1,2\n3,4\n5,6\n7\n",
            "error: line 5 has 1 fields, and the header has 2; 2 messages were sent\n",
            &[r#"{"a":1,"b":2}"#, r#"{"a":3,"b":4}"#],
        ),
        (
            &["--csv", "--batch", "2", "--producer", "p"],
            "a\n1\n2\n3\n\"4\n5\n",
            "error: line 5 opens a quotation mark that is never closed; 2 messages were sent\n",
            &[r#"{"a":1}"#, r#"{"a":2}"#],
        ),
        (
            &["--csv"],
            "a,a\n1,2\n",
            "error: columns 1 and 2 of the header are both named \"a\"; rename one of them; 0 messages were sent\n",
            &[],
        ),
        (
            &["--lines", "--json", "--batch", "1"],
            "1\nx\n3\n",
            "error: line 2 is not JSON: expected value at column 1; 1 messages were sent\n",
            &["1"],
        ),
    ];
    for (options, input, refusal, sent) in table {
        server.run(&["queue", "purge", "orders"]).ok();
        let run = server.run_with(&[&["send", "orders"], options].concat(), input.as_bytes());
        assert_eq!(run.refused(1), refusal, "{input:?}");
        assert_eq!(server.bodies("orders"), sent, "{input:?}");
    }
}

#[test]
fn p24_an_import_that_is_run_again_sends_only_what_is_missing() {
    let server = with_queue();
    let run = |input: &str| {
        server.run_with(&["send", "orders", "--lines", "--producer", "p", "--output", "json"], input.as_bytes())
    };
    assert_eq!(run("1\n2\n").json(), json!({"queue": "orders", "sent": 2, "skipped": 0}));
    assert_eq!(run("1\n2\n3\n").json(), json!({"queue": "orders", "sent": 1, "skipped": 2}));
    assert_eq!(run("1\n2\n3\n").json(), json!({"queue": "orders", "sent": 0, "skipped": 3}));
    assert_eq!(server.bodies("orders"), ["1", "2", "3"]);
    let other = run("x\n");
    let expected = "error: producer p has sent 3 messages already, and this input has 1: it is not the input that was sent \
                    under this name; choose another --producer; 0 messages were sent\n";
    assert_eq!(other.refused(1), expected);
}

#[test]
fn p24_an_import_whose_client_is_killed_is_run_again_without_duplicates() {
    let server = with_queue();
    let lines = lines();
    let args = ["send", "orders", "--lines", "--batch", "50", "--producer", "p"];
    for cut in [1_000, 3_500] {
        let before = messages(&server);
        let mut import = Running::start(&mut server.command(&args));
        import.feed((lines[..cut].join("\n") + "\n").as_bytes());
        until("something was sent", || messages(&server) > before);
        import.kill();
    }
    let known = messages(&server);
    assert!(known > 0 && known < ROWS as u64, "{known}");
    let input = lines.join("\n") + "\n";
    let run = server.run_with(&[&args[..], &["--output", "json"]].concat(), input.as_bytes()).json();
    let [sent, skipped] = ["sent", "skipped"].map(|count| run[count].as_u64().unwrap());
    // A batch that was on its way when its client died may have come later.
    assert!(skipped >= known && sent + skipped == ROWS as u64, "{known} of {run}");
    assert_eq!(server.bodies("orders"), lines);
}

#[test]
fn p24_an_import_rides_over_a_server_that_is_killed() {
    let mut server = with_queue();
    let lines = lines();
    let args = ["send", "orders", "--lines", "--batch", "50", "--producer", "p"];
    let mut import = Running::start(&mut server.command(&args));
    for part in lines.chunks(ROWS / 3) {
        let before = messages(&server);
        import.feed((part.join("\n") + "\n").as_bytes());
        until("something was sent", || messages(&server) > before);
        server.kill();
        server.start_again();
    }
    assert_eq!(import.finish().ok(), format!("{ROWS} messages sent\n"));
    assert_eq!(server.bodies("orders"), lines);
}

#[test]
fn a_server_that_stays_away_ends_the_import_with_what_was_sent() {
    let mut server = with_queue();
    let args = ["send", "orders", "--lines", "--batch", "2", "--producer", "p", "--retry-for", "300ms"];
    let mut import = Running::start(&mut server.command(&args));
    import.feed(b"1\n2\n");
    until("the first batch was sent", || messages(&server) == 2);
    server.kill();
    import.feed(b"3\n4\n");
    let url = server.url();
    let expected =
        format!("error: no answer from {url} for 300ms; run the same command again to go on; 2 messages were sent\n");
    assert_eq!(import.finish().refused(1), expected);
    server.start_again();
    let again = server.run_with(&args, b"1\n2\n3\n4\n");
    assert_eq!(again.ok(), "2 messages sent; 2 were there already\n");
    assert_eq!(server.bodies("orders"), ["1", "2", "3", "4"]);
}

#[test]
fn an_import_without_a_producer_says_how_far_it_came() {
    let mut server = with_queue();
    let start = |server: &Server| {
        let mut import = Running::start(&mut server.command(&["send", "orders", "--lines", "--batch", "2"]));
        import.feed(b"1\n2\n");
        until("the first batch was sent", || messages(server) == 2);
        import
    };
    let import = start(&server);
    import.signal(Signal::INT);
    let interrupted = import.end();
    assert_eq!(interrupted.refused(1), "error: interrupted; 2 messages were sent\n");

    server.run(&["queue", "purge", "orders"]).ok();
    let mut import = start(&server);
    server.kill();
    import.feed(b"3\n4\n");
    let cut = import.finish();
    let refusal = cut.refused(1);
    assert!(refusal.starts_with("error: lines 3 to 4: "), "{refusal}");
    assert!(refusal.contains("; 2 messages were sent"), "{refusal}");
}

/// Each run is a message of its own: only the tries of one run are one.
#[test]
fn one_message_of_a_producer_goes_on_with_its_sequence() {
    let server = with_queue();
    for body in ["1", "2"] {
        server.run(&["send", "orders", body, "--producer", "p"]).ok();
    }
    let import = server.run_with(&["send", "orders", "--lines", "--producer", "p"], b"1\n2\n3\n");
    assert_eq!(import.ok(), "1 messages sent; 2 were there already\n");
    assert_eq!(server.bodies("orders"), ["1", "2", "3"]);
}

/// Two who send different inputs under one name at the same time: whatever was taken for sent, one of them is told.
#[test]
fn p24_another_input_at_the_same_time_is_told_apart() {
    let others_batches_and_error = [
        (
            "1",
            "error: lines 2 to 2: another stream was sent under the name of producer p, up to sequence 1; choose another name; \
             1 messages were sent\n",
        ),
        (
            "2",
            "error: producer p has sent 3 messages already, and this input has 2: it is not the input that was sent under this \
             name; choose another --producer; 2 messages were sent\n",
        ),
    ];
    for (batch, error) in others_batches_and_error {
        let server = with_queue();
        let args = |batch| ["send", "orders", "--lines", "--producer", "p", "--batch", batch];
        let mut import = Running::start(&mut server.command(&args("1")));
        import.feed(b"a\n");
        until("its first line was sent", || messages(&server) == 1);
        assert_eq!(server.run_with(&args(batch), b"a\nb\nc\n").ok(), "2 messages sent; 1 were there already\n");
        import.feed(b"B\n");
        assert_eq!(import.finish().refused(1), error);
        assert_eq!(server.bodies("orders"), ["a", "b", "c"]);
    }
}

/// A producer's name is one input to one queue: what another one has sent is not taken for sent.
#[test]
fn p24_another_input_under_the_same_name_is_refused_and_nothing_of_it_is_sent() {
    let server = Server::start();
    for queue in ["orders", "others"] {
        server.run(&["queue", "create", queue]).ok();
    }
    let send = |queue: &str, input: &str| {
        server.run_with(&["send", queue, "--lines", "--producer", "import", "--batch", "2"], input.as_bytes())
    };
    assert_eq!(send("orders", "a\nb\nc\n").code, Some(0));
    let expected = "error: its first 3 records are not those that were sent before under this producer's name, to this \
         queue; choose another --producer; 0 messages were sent, and 3 before\n";
    for (queue, input) in [("others", "a\nb\nc\nd\n"), ("orders", "a\nB\nc\nd\n")] {
        assert_eq!(send(queue, input).refused(1), expected, "{queue} {input}");
    }
    assert_eq!(send("ORDERS", "a\nb\nc\nd\n").code, Some(0));
    assert_eq!((server.bodies("orders").join(""), server.bodies("others").len()), ("abcd".to_owned(), 0));
}
