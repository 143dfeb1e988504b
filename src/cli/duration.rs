//! Spans of time as people write them: `200ms`, `5s`, `2m`, `1h`.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a span of time such as 200ms, 5s, 2m or 1h")]
pub struct DurationError(pub String);

/// A whole number and its unit.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let parse = || {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        millis.map(Duration::from_millis)
    };
    parse().ok_or_else(|| DurationError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        let table = [("0s", 0), ("200ms", 200), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("090s", 90_000)];
        for (text, millis) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
        let refused = [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5sec",
            "5S",
            "1h30m",
            "٣s",
            "18446744073709551615s",
            "99999999999999999999ms",
        ];
        for text in refused {
            assert_eq!(parse_duration(text), Err(DurationError(text.to_owned())));
        }
    }
}
