//! What users write.

use super::{Seed, seed};

const TRIGGER: &str = "queue = 'orders'\n\n[database]\nresource = 'ledger'\nstatements = [\n  '''insert into booked (id, amount) \
                       values (:id, :customer.\"Total €\")''',\n  \"select 1 -- :none\",\n]\n\n[send]\nqueue = 'shipments'\n";

pub fn seeds() -> Vec<Seed> {
    let rows = "\u{feff}id,amount,\"na\"\"me\",note\r\n1,0.10,\"Smith, \"\"Jo\"\"\",\r\n007,-0,\"two\r\nlines\",1e5\n\n\
                12345678901234567890,1.00, 1,\"\"\n";
    let statement = |sql: &str, body: &str| format!("{sql}\0{body}");
    let body = r#"{"id": 7, "amount": 12.50, "customer": {"Total €": "it's", "x": null}, "ok": true, "l": [1, 2.50]}"#;
    vec![
        seed("import", "csv", format!("\x01{rows}")),
        seed("import", "csv_unclosed", "\x01a,b\n1,\"x\n"),
        seed("import", "csv_stray", "\x01a\nb\"c\n"),
        seed("import", "lines", "\x02one\r\ntwo\n\n fo\rur \nlast"),
        seed("import", "json", "\x00{\"a\": 1.10}\n[1e5, \"\\u00fc\"]\r\nnull\n{\"a\":\n"),
        seed("trigger", "file", TRIGGER),
        seed("trigger", "insert", statement("insert into a values (:id, :amount, :customer.\"Total €\")", body)),
        seed("trigger", "quoted", statement("select ':a', \":b\", [c], `d` -- :e\n, :ok /* :f */;", body)),
        seed("trigger", "dollar", statement("select $x$ :a $x$, E'\\':b', :l::text, a[1 : 2], :id", body)),
        seed(
            "trigger",
            "nested",
            statement("/* /* */ select :customer.x */ select :customer.x, cast(:id as real)", body),
        ),
    ]
}
