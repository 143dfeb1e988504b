//! PostgreSQL's password file, as libpq reads it: one `host:port:database:user:password` a line. Text in, password out;
//! finding the file and checking who may read it is the caller's business.

/// The password of the first line that fits. A field that is `*` alone fits everything; `\` takes the next character as it
/// is; a line that begins with `#`, or has fewer than five fields, fits nothing.
pub fn lookup(text: &str, host: &str, port: u16, database: &str, user: &str) -> Option<String> {
    let port = port.to_string();
    let wanted = [host, port.as_str(), database, user];
    text.lines().find_map(|line| password_of(line, wanted))
}

fn password_of(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        let (field, after) = split_field(rest);
        if field != "*" && unescaped(field) != wanted {
            return None;
        }
        rest = after?;
    }
    Some(unescaped(split_field(rest).0))
}

/// Up to the next colon that is not escaped, and what follows it.
fn split_field(text: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

fn unescaped(field: &str) -> String {
    let mut characters = field.chars();
    let mut plain = String::with_capacity(field.len());
    while let Some(character) = characters.next() {
        // A lone backslash at the end stands for itself.
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "\
# host:port:database:user:secret
db:5432:shop:ann:first
db:5432:shop:ann:second
db:*:*:bob:it\\:s\\\\:rest
short:5432:shop:ann
*:6000:*:*:wild
odd\\:host:1:d:u:found
stars:1:d:\\*:literal
crlf:1:d:u:windows\r
empty:1:d:u:
";

    #[test]
    fn reads_what_libpq_reads() {
        let table = [
            (("db", 5432, "shop", "ann"), Some("first")),
            (("db", 5432, "other", "ann"), None),
            (("db", 1, "any", "bob"), Some("it:s\\")),
            (("short", 5432, "shop", "ann"), None),
            (("x", 6000, "y", "z"), Some("wild")),
            (("odd:host", 1, "d", "u"), Some("found")),
            (("stars", 1, "d", "*"), Some("literal")),
            (("stars", 1, "d", "u"), None),
            (("crlf", 1, "d", "u"), Some("windows")),
            (("empty", 1, "d", "u"), Some("")),
            (("# host", 5432, "shop", "ann"), None),
        ];
        for ((host, port, database, user), password) in table {
            let found = lookup(FILE, host, port, database, user);
            assert_eq!(found.as_deref(), password, "{host}:{port}:{database}:{user}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_comes_back(host in "[^\r\n]{0,12}", password in "[^\r\n]{0,12}", noise in "[^\r\n]{0,40}") {
            let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:").replace('*', "\\*").replace('#', "\\#");
            let text = format!("{}:7:d:u:{}\n{noise}", escape(&host), escape(&password));
            prop_assert_eq!(lookup(&text, &host, 7, "d", "u"), Some(password));
        }
    }
}
