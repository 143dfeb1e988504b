use super::*;

/// The rows as lines and fields, or the refusal after them.
fn read(input: impl BufRead) -> (Vec<(u64, Vec<String>)>, Option<String>) {
    let mut found = Vec::new();
    let mut rows = Rows::new(input).unwrap();
    let mut row = Row::default();
    loop {
        match rows.read(&mut row) {
            Ok(true) => {
                let fields = row.fields().map(|field| String::from_utf8(field.to_vec()).unwrap());
                found.push((row.line, fields.collect()));
            }
            Ok(false) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

#[test]
fn rows_are_read_as_rfc_4180_has_them() {
    type Rows<'a> = &'a [(u64, &'a [&'a str])];
    let table: [(&str, Rows<'_>); 12] = [
        ("", &[]),
        ("\n\r\n\n", &[]),
        ("a,b\nc,d\n", &[(1, &["a", "b"]), (2, &["c", "d"])]),
        ("a,b\r\nc,d", &[(1, &["a", "b"]), (2, &["c", "d"])]),
        ("a,\n,\n", &[(1, &["a", ""]), (2, &["", ""])]),
        ("a,", &[(1, &["a", ""])]),
        ("\"a,b\",\"c\"\"d\"\n", &[(1, &["a,b", "c\"d"])]),
        ("\"a\r\nb\",1\r\nc,2\r\n", &[(1, &["a\r\nb", "1"]), (3, &["c", "2"])]),
        ("\"\"\n\na\n", &[(1, &[""]), (3, &["a"])]),
        ("\u{feff}a,b\n", &[(1, &["a", "b"])]),
        ("\u{feff}\"a\",b\n", &[(1, &["a", "b"])]),
        (" a , \u{fc}b \n", &[(1, &[" a ", " \u{fc}b "])]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> =
            expected.iter().map(|(line, fields)| (*line, fields.iter().map(ToString::to_string).collect())).collect();
        assert_eq!(read(text.as_bytes()), (expected.clone(), None), "{text:?}");
        // Cut anywhere, the same.
        let trickle = std::io::BufReader::with_capacity(1, text.as_bytes());
        assert_eq!(read(trickle), (expected, None), "{text:?} byte by byte");
    }
}

#[test]
fn what_is_malformed_is_refused_with_its_line() {
    let table = [
        ("a\nb\"c\n", 1, "line 2 has a quotation mark inside a field"),
        ("a\n\"b\"c\n", 1, "line 2 has text behind a closing quotation mark"),
        ("a\n\"b\n\nc", 1, "line 2 opens a quotation mark that is never closed"),
        ("a\nb\rc\n", 1, "line 2 has a carriage return"),
        ("a\nb\r", 1, "line 2 has a carriage return"),
    ];
    for (text, rows, refusal) in table {
        let (found, refused) = read(text.as_bytes());
        assert_eq!(found.len(), rows, "{text:?}");
        let refused = refused.unwrap_or_default();
        assert!(refused.starts_with(refusal), "{text:?}: {refused}");
    }
}

#[test]
fn an_open_quotation_mark_does_not_swallow_the_file_into_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let (found, refused) = read(b"a\n\"".as_slice().chain(endless));
    assert_eq!(found.len(), 1);
    assert!(refused.unwrap().starts_with("the row of line 2 is longer than"));
}
