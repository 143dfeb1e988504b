//! Sums of decimals, exact to the last digit.

/// A sum of up to 38 digits, 18 of them behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decimal(i128);

const DIGITS_BEHIND: u32 = 18;
const ONE: i128 = 10_i128.pow(DIGITS_BEHIND);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("{0:?} is no decimal number with at most 18 digits behind the point")]
    NotDecimal(String),
    #[error("the sum has more than 20 digits before the point")]
    TooLarge,
}

impl std::str::FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Decimal, DecimalError> {
        parse(text).map(Decimal).ok_or_else(|| DecimalError::NotDecimal(text.to_owned()))
    }
}

impl Decimal {
    pub fn plus(self, term: Decimal) -> Result<Decimal, DecimalError> {
        self.0.checked_add(term.0).map(Decimal).ok_or(DecimalError::TooLarge)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, behind) = (self.0.unsigned_abs() / ONE.unsigned_abs(), self.0.unsigned_abs() % ONE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = format!("{behind:018}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            digits => write!(f, "{sign}{whole}.{digits}"),
        }
    }
}

fn parse(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let behind = behind.trim_end_matches('0');
    if whole.is_empty() || !plain(whole) || !plain(behind) || behind.len() > DIGITS_BEHIND as usize {
        return None;
    }
    let whole = whole.parse::<i128>().ok()?.checked_mul(ONE)?;
    let scale = 10_i128.pow(DIGITS_BEHIND - u32::try_from(behind.len()).ok()?);
    let behind = if behind.is_empty() { 0 } else { behind.parse::<i128>().ok()? * scale };
    Some(sign * (whole.checked_add(behind)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let table: [(&[&str], &str); 6] = [
            (&[], "0"),
            (&["0.10", "0.20"], "0.3"),
            (&["12345678901234567890", "0.000000000000000001"], "12345678901234567890.000000000000000001"),
            (&["1", "-2.50"], "-1.5"),
            (&["-0.5", "0.5"], "0"),
            (&["100", "3.00"], "103"),
        ];
        for (terms, expected) in table {
            let sum = terms.iter().try_fold(Decimal::default(), |sum, term| sum.plus(term.parse().unwrap())).unwrap();
            assert_eq!(sum.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".5", "1e5", "1,5", "0.1234567890123456789", "NaN", " 1", "+1"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::NotDecimal(text.to_owned())));
        }
    }
}
