//! The file with the orders: the user's own, or a sample that is made up.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use handfast_import::CsvRows;
use serde_json::{Map, Value};

use crate::decimal::{Decimal, DecimalError};
use crate::options::{LINE, Options};

/// What the file says, to compare the end with.
#[derive(Debug)]
pub struct Orders {
    pub path: PathBuf,
    pub columns: Vec<String>,
    /// The lines on which the rows begin, in order: who they are.
    pub lines: Vec<u64>,
    pub sum_column: Option<String>,
    /// What each row adds to the sum: nothing where the field is empty.
    pub terms: Vec<Decimal>,
}

impl Orders {
    /// Reads the whole file once; the sample is written to `directory` first.
    pub fn read(options: &Options, directory: &Path) -> anyhow::Result<Orders> {
        let path = match &options.csv {
            Some(path) => path.clone(),
            None => {
                let path = directory.join("orders.csv");
                write_sample(options.rows, BufWriter::new(File::create_new(&path)?))?;
                path
            }
        };
        let file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let rows = CsvRows::new(BufReader::new(file), Some(LINE)).with_context(|| path.display().to_string())?;
        let mut orders = Orders { path, columns: Vec::new(), lines: Vec::new(), sum_column: None, terms: Vec::new() };
        for row in rows {
            let row = row.with_context(|| orders.path.display().to_string())?;
            let body: Map<String, Value> = serde_json::from_slice(&row.body)?;
            if orders.columns.is_empty() {
                orders.columns = body.keys().filter(|key| *key != LINE).cloned().collect();
                orders.sum_column = sum_column(options, &orders.columns)?;
            }
            orders.lines.push(row.line);
            orders.take_term(options, row.line, &body)?;
        }
        if orders.lines.is_empty() {
            bail!("{} has no rows", orders.path.display());
        }
        Ok(orders)
    }

    /// A column that holds something else than decimals has no sum: the database and the file might read it differently.
    fn take_term(&mut self, options: &Options, line: u64, body: &Map<String, Value>) -> anyhow::Result<()> {
        let Some(column) = &self.sum_column else { return Ok(()) };
        let term = match &body[column] {
            Value::Null => Ok(Decimal::default()),
            Value::Number(term) => term.to_string().parse(),
            other => Err(DecimalError::NotDecimal(other.as_str().unwrap_or_default().to_owned())),
        };
        match term {
            Ok(term) => self.terms.push(term),
            Err(_) if options.sum.is_none() => self.sum_column = None,
            Err(error) => {
                let place = format!("line {line} of {}, column {column}", self.path.display());
                return Err(error).context(place).context("choose another column with --sum");
            }
        }
        Ok(())
    }
}

fn sum_column(options: &Options, columns: &[String]) -> anyhow::Result<Option<String>> {
    let Some(name) = &options.sum else {
        return Ok(columns.iter().find(|column| *column == "amount").cloned());
    };
    if !columns.contains(name) {
        bail!("--sum {name}: the file has no such column; it has {}", columns.join(", "));
    }
    Ok(Some(name.clone()))
}

/// Orders of a shop: amounts with cents, texts with commas, quotation marks and line ends, fields that are empty.
pub fn write_sample(rows: u64, mut out: impl Write) -> std::io::Result<()> {
    const CUSTOMERS: [&str; 5] =
        ["Ada Byron", "\"Grace, Hopper\"", "Zoë Ångström", "\"Smith \"\"Jo\"\" & Co.\"", "李小龙"];
    const NOTES: [&str; 4] = ["", "express", "\"leave at the door,\nring twice\"", "call +44 20 7946 0000"];
    writeln!(out, "id,customer,amount,currency,note")?;
    for row in 0..rows {
        let customer = CUSTOMERS[(row % 5) as usize];
        let note = NOTES[(row % 7 % 4) as usize];
        let (whole, cents) = (row * 37 % 1_000, row * 13 % 100);
        writeln!(out, "{},{customer},{whole}.{cents:02},EUR,{note}", 10_000 + row)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_in_the_repository_is_the_one_that_is_made() {
        let mut made = Vec::new();
        write_sample(1_000, &mut made).unwrap();
        let kept = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orders.csv")).unwrap();
        assert!(kept == made, "write it again: see write_sample");
    }
}
