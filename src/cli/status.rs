//! `handfast status`: what the server has taken of memory and disk, beside its bounds.

use handfast_client::GaugeView;
use serde::Serialize;

use super::byte_count::show_byte_count;
use super::output::{OutputFormat, print_list, print_one};
use super::{CommandError, Ended, Options};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The same figures are on the server's page /metrics, as handfast_NAME and handfast_NAME_limit.

Examples:
  handfast status
  handfast --output json status
  handfast --server http://127.0.0.1:1802 status")]
pub struct Args {}

/// A figure as people read it.
#[derive(Serialize)]
struct Row {
    figure: String,
    now: String,
    limit: Option<String>,
    what: String,
}

#[derive(Serialize)]
struct Status {
    manager_id: String,
    gauges: Vec<GaugeRecord>,
}

#[derive(Serialize)]
struct GaugeRecord {
    name: String,
    value: u64,
    limit: Option<u64>,
    what: String,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let handfast = options.connect().await?;
        let gauges = handfast.status().await?;
        match options.output {
            OutputFormat::Text => {
                let rows: Vec<Row> = gauges.into_iter().map(Row::from).collect();
                print_list(OutputFormat::Text, &rows, &["figure", "now", "limit", "what"])?;
            }
            OutputFormat::Json => {
                let manager_id = handfast.server().await?.manager_id.to_string();
                let gauges = gauges.into_iter().map(GaugeRecord::from).collect();
                print_one(OutputFormat::Json, &Status { manager_id, gauges })?;
            }
        }
        Ok(Ended::Done)
    }
}

impl From<GaugeView> for GaugeRecord {
    fn from(GaugeView { name, what, value, limit }: GaugeView) -> GaugeRecord {
        GaugeRecord { name, value, limit, what }
    }
}

impl From<GaugeView> for Row {
    fn from(GaugeView { name, what, value, limit }: GaugeView) -> Row {
        let (figure, shown): (String, fn(u64) -> String) = match name.strip_suffix("_bytes") {
            Some(figure) => (figure.replace('_', " "), show_byte_count),
            None => (name.replace('_', " "), |count| count.to_string()),
        };
        Row { figure, now: shown(value), limit: limit.map(shown), what }
    }
}
