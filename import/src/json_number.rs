//! Whether a text is a number by JSON's grammar (RFC 8259, section 6). Such a text can stand in JSON as it is: nobody has to
//! turn it into a float and back, so that `0.10` and twenty digits stay what they are.

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
pub fn is_json_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let Some(text) = behind_integer(text) else {
        return false;
    };
    let text = match text.strip_prefix(b".") {
        Some(fraction) => behind_digits(fraction),
        None => Some(text),
    };
    match text {
        Some([b'e' | b'E', exponent @ ..]) => {
            let digits = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-"));
            behind_digits(digits.unwrap_or(exponent)).is_some_and(<[u8]>::is_empty)
        }
        Some(rest) => rest.is_empty(),
        None => false,
    }
}

fn behind_integer(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'0', rest @ ..] => Some(rest),
        _ => behind_digits(text),
    }
}

/// What follows at least one digit.
fn behind_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &text[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_grammar() {
        let numbers = [
            "0",
            "-0",
            "7",
            "-12",
            "0.10",
            "1.00",
            "1e5",
            "1E+5",
            "-0.5e-12",
            "12345678901234567890.123456789012345678",
        ];
        for text in numbers {
            assert!(is_json_number(text.as_bytes()), "{text}");
        }
        let others = [
            "", "-", "+1", "007", "-01", ".5", "5.", "1e", "1e+", "e5", "0x10", "1_000", "1,5", " 1", "1 ", "NaN",
            "Infinity", "--1", "1.2.3", "1e5.0", "one", "٣",
        ];
        for text in others {
            assert!(!is_json_number(text.as_bytes()), "{text}");
        }
    }

    /// What passes here is copied into JSON unchecked: the parser must agree.
    #[test]
    fn agrees_with_the_parser() {
        let alphabet = b"-+.e059";
        let mut text = Vec::new();
        for mut number in 0..alphabet.len().pow(6) {
            text.clear();
            while number > 0 {
                text.push(alphabet[number % alphabet.len()]);
                number /= alphabet.len();
            }
            let parsed = serde_json::from_slice::<serde_json::Number>(&text).is_ok();
            assert_eq!(is_json_number(&text), parsed, "{}", text.escape_ascii());
        }
    }
}
