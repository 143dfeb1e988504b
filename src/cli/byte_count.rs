//! Numbers of bytes as people write them: `1024`, `64KiB`, `4MiB`, `1GiB`.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a number of bytes such as 65536, 64KiB, 4MiB or 1GiB")]
pub struct ByteCountError(pub String);

/// A whole number, and its unit unless it counts single bytes.
pub fn parse_byte_count(text: &str) -> Result<u64, ByteCountError> {
    let parse = || {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit: u64 = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    };
    parse().ok_or_else(|| ByteCountError(text.to_owned()))
}

/// With three figures at most.
pub fn show_byte_count(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut shown, mut unit) = (bytes as f64, 0);
    while shown >= 999.5 && unit + 1 < UNITS.len() {
        shown /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || shown >= 99.95 { 0 } else { 1 };
    format!("{shown:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_and_a_unit() {
        let table = [("0", 0), ("100", 100), ("64KiB", 65_536), ("4MiB", 4 << 20), ("2GiB", 2 << 30)];
        for (text, bytes) in table {
            assert_eq!(parse_byte_count(text), Ok(bytes));
        }
        let table = [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (64 << 20, "64.0 MiB"), (300 << 20, "300 MiB")];
        for (bytes, shown) in table {
            assert_eq!(show_byte_count(bytes), shown);
        }
        assert_eq!(show_byte_count(u64::MAX), "16777216 TiB");
        for text in ["", "MiB", "4MB", "4 MiB", "-1", "1.5GiB", "99999999999999GiB"] {
            assert_eq!(parse_byte_count(text), Err(ByteCountError(text.to_owned())));
        }
    }
}
