//! Statements as people write them, and what becomes of them.

use handfast_client::Dialect::{Postgres, Sqlite};
use proptest::prelude::*;

use super::*;

fn both(text: &str) -> [Result<Statement, StatementError>; 2] {
    [Statement::parse(Postgres, text), Statement::parse(Sqlite, text)]
}

/// The SQL with `@` for the sign of the dialect, and the names.
fn check(dialect: Dialect, text: &str, sql: &str, names: &[&str]) {
    let sign = if dialect == Postgres { "$" } else { "?" };
    let statement = Statement::parse(dialect, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let found: Vec<String> = statement.parameters.iter().map(ToString::to_string).collect();
    assert_eq!(
        (statement.sql, found),
        (sql.replace('@', sign), names.iter().map(ToString::to_string).collect()),
        "{text}"
    );
}

#[test]
fn names_become_numbers() {
    let table: [(&str, &str, &[&str]); 16] = [
        ("insert into a values (:id, :amount)", "insert into a values (@1, @2)", &[":id", ":amount"]),
        ("select :a, :b, :a", "select @1, @2, @1", &[":a", ":b"]),
        ("select :customer.city, :customer", "select @1, @2", &[":customer.city", ":customer"]),
        ("select :a.*", "select @1.*", &[":a"]),
        ("select :\"Order No.\"", "select @1", &[":\"Order No.\""]),
        ("select :\"a\"", "select @1", &[":a"]),
        ("select :a.\"b \"\"c\"\"\".d", "select @1", &[":a.\"b \"\"c\"\"\".d"]),
        ("select :größe", "select @1", &[":größe"]),
        ("select 1 limit:n", "select 1 limit @1", &[":n"]),
        ("select :\"a\"5", "select @1 5", &[":a"]),
        ("select ':a', \":b\", 'it''s :c', :d", "select ':a', \":b\", 'it''s :c', @1", &[":d"]),
        ("select 1 -- :a\n, :b", "select 1 -- :a\n, @1", &[":b"]),
        ("select /* :a */ :b", "select /* :a */ @1", &[":b"]),
        ("select '{}'::json, :a::text", "select '{}'::json, @1::text", &[":a"]),
        ("select a := :b", "select a := @1", &[":b"]),
        ("select 1 ; -- the end\n ;", "select 1 ; -- the end\n ;", &[]),
    ];
    for (text, sql, names) in table {
        check(Postgres, text, sql, names);
        check(Sqlite, text, sql, names);
    }
}

#[test]
fn each_dialect_quotes_in_its_own_way() {
    let table: [(Dialect, &str, &str, &[&str]); 14] = [
        (Postgres, "select E'it\\'s :a', :b", "select E'it\\'s :a', @1", &[":b"]),
        (Sqlite, "select 'a\\', :b", "select 'a\\', @1", &[":b"]),
        (Postgres, "select 'a\\', :b", "select 'a\\', @1", &[":b"]),
        (Postgres, "select type'a\\', :b", "select type'a\\', @1", &[":b"]),
        (Postgres, "select $$ :a ' $$, :b", "select $$ :a ' $$, @1", &[":b"]),
        (Postgres, "select $t$ :a $$ $t$, :b", "select $t$ :a $$ $t$, @1", &[":b"]),
        (Postgres, "select a$b, :b, c$d$", "select a$b, @1, c$d$", &[":b"]),
        (Postgres, "select a[1:2], a[1 : n], :b", "select a[1:2], a[1 : n], @1", &[":b"]),
        (Postgres, "select a[:n]", "select a[@1]", &[":n"]),
        (Sqlite, "select [:a], `:b`, :c", "select [:a], `:b`, @1", &[":c"]),
        (Postgres, "select 1 /* a /* :b */ :c */, :d", "select 1 /* a /* :b */ :c */, @1", &[":d"]),
        (Sqlite, "select 1 /* a /* :b */, :c", "select 1 /* a /* :b */, @1", &[":c"]),
        (Postgres, "select b ? 'x' and b @> :a", "select b ? 'x' and b \u{1}> @1", &[":a"]),
        (Postgres, "select 1 -- :a\r, :b", "select 1 -- :a\r, @1", &[":b"]),
    ];
    for (dialect, text, sql, names) in table {
        // The operator @> is PostgreSQL's own.
        let statement = Statement::parse(dialect, text).unwrap();
        let sign = if dialect == Postgres { "$" } else { "?" };
        assert_eq!(statement.sql, sql.replace('@', sign).replace('\u{1}', "@"), "{text}");
        let found: Vec<String> = statement.parameters.iter().map(ToString::to_string).collect();
        assert_eq!(found, names, "{text}");
    }
}

#[test]
fn what_is_no_statement_of_a_transaction_is_refused() {
    let control = |words: &str| StatementError::Control(TransactionControl { words: words.to_owned() });
    let unclosed = |what, begin: &str| StatementError::Unclosed { what, begin: begin.to_owned() };
    let table = [
        ("", StatementError::Empty),
        (" ; -- nothing\n", StatementError::Empty),
        ("commit", control("COMMIT")),
        ("/* a */ begin", control("BEGIN")),
        ("select 1; commit", StatementError::Several),
        ("select 1; select 2", StatementError::Several),
        ("select 'a", unclosed("string", "'a")),
        ("select \"a", unclosed("quoted name", "\"a")),
        ("select 1 /* a", unclosed("comment", "/* a")),
        ("select :\"a", unclosed("name of a parameter", "\"a")),
    ];
    for (text, error) in table {
        assert_eq!(both(text), [Err(error.clone()), Err(error)], "{text}");
    }
    let nameless = |text: &str| Err(StatementError::Nameless { text: text.to_owned() });
    assert_eq!(Statement::parse(Postgres, "select $1, :a"), nameless("$1"));
    for text in ["?", "?1", "$a", "@a", "#a", ":1", ":1a", ":$", ":€"] {
        assert_eq!(Statement::parse(Sqlite, &format!("select {text}, :a")), nameless(text));
    }
    check(Postgres, "select a[1:2], a[:a]", "select a[1:2], a[@1]", &[":a"]);
    assert_eq!(Statement::parse(Postgres, "select $a$ b"), Err(unclosed("string", "$a$ b")));
    assert_eq!(Statement::parse(Postgres, "select e'a\\'"), Err(unclosed("string", "e'a\\'")));
    assert_eq!(Statement::parse(Sqlite, "select [a"), Err(unclosed("quoted name", "[a")));
}

/// Pieces that mean something to the tokenizer, in any order.
fn sql() -> impl Strategy<Value = String> {
    let pieces = vec![
        "select ", "'", "\"", "`", "[", "]", "$", "$a$", "$$", ":", "::", ":=", ":a", ":\"b\"", ".", "--", "\n", "\r",
        "/*", "*/", ";", " ", "\\", "e'", "E", "ö", "1", "?", "@", "(", ")", "\u{feff}",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![sql(), any::<String>()]) {
        for result in both(&text) {
            if let Ok(statement) = result && statement.parameters.is_empty() {
                prop_assert_eq!(statement.sql, text.as_str());
            }
        }
    }

    /// What a parameter is called in a message about it names the same parameter.
    #[test]
    fn a_parameter_is_written_as_it_is_read(path in prop::collection::vec(".{0,6}", 1..4)) {
        let parameter = Parameter { path };
        for result in both(&format!("select {parameter}")) {
            prop_assert_eq!(result.unwrap().parameters, vec![parameter.clone()]);
        }
    }
}
