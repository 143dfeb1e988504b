//! One page with everything in it: nothing is loaded from elsewhere.

use std::fmt::Write;

use super::timeline::{LANES, Span, Timeline};
use super::{Judgement, Report, Spread};

const WIDTH: f64 = 1_000.0;
const LANE: f64 = 34.0;
const LEFT: f64 = 80.0;
/// The height of the picture of latencies.
const HIGH: f64 = 160.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}\
h1{font-size:1.5em}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.good{color:#17692b}.bad{color:#b3261e;font-weight:bold}\
pre{background:#f6f6f6;padding:1em;overflow-x:auto}svg{width:100%;height:auto}svg text{font-size:12px;fill:#555}\
.idle{color:#999}";

/// As HTML takes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub fn page(report: &Report) -> String {
    let verdict = if report.good {
        "<span class=good>Everything holds</span>"
    } else {
        "<span class=bad>Something is wrong</span>"
    };
    let smallest = if report.smallest.is_empty() {
        String::new()
    } else {
        let lines: Vec<String> = report.smallest.iter().map(|line| escaped(line)).collect();
        format!("<h2>The smallest part of the history that shows it</h2><pre>{}</pre>", lines.join("\n"))
    };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Handfast crash test, seed {seed}</title><style>{STYLE}</style>\
         <h1>Handfast crash test: {verdict}</h1>{facts}<h2>Kills and recoveries</h2>{lanes}\
         <h2>From a receive to the outcome of its commit</h2>{latencies}<h2>Verdicts</h2>{verdicts}{smallest}</html>",
        seed = report.seed,
        facts = facts(report),
        lanes = lanes(&report.timeline),
        latencies = latencies(&report.timeline),
        verdicts = verdicts(&report.verdicts),
    )
}

fn facts(report: &Report) -> String {
    let kills = &report.kills;
    let spread = |Spread { median, p99, longest, count }: &Spread| {
        format!("{median:.1} ms median, {p99:.1} ms p99, {longest:.1} ms longest, of {count}")
    };
    let rows = [
        ("seed", report.seed.to_string()),
        ("time", format!("{:.1} s", report.seconds)),
        (
            "killed",
            format!(
                "server {} ({} of them before it served), trigger {}, database {}",
                kills.server, kills.while_starting, kills.trigger, kills.database
            ),
        ),
        ("messages", report.messages.to_string()),
        ("commits", report.commits.to_string()),
        ("ends that nobody heard of", report.unknown.to_string()),
        ("dead letters", report.dead_letters.to_string()),
        ("found in doubt after kills", report.recovered.in_doubt.to_string()),
        ("a killed server served in", spread(&report.recovery_ms)),
        ("latency", spread(&report.latency_ms)),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("<tr><th>{name}<td>{value}")).collect();
    format!("<table>{rows}</table>")
}

/// Where a moment is on the picture.
fn across(timeline: &Timeline, at: u64) -> f64 {
    LEFT + (WIDTH - LEFT) * at as f64 / timeline.end.max(1) as f64
}

fn seconds(timeline: &Timeline, bottom: f64) -> String {
    let all = timeline.end as f64 / 1e6;
    let step = [0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3_600.0]
        .into_iter()
        .find(|step| all / step <= 12.0)
        .unwrap_or(86_400.0);
    let marks = (0..=(all / step) as u64).map(|mark| {
        let (x, second) = (across(timeline, (mark as f64 * step * 1e6) as u64), mark as f64 * step);
        format!(
            "<line x1={x:.1} x2={x:.1} y1=0 y2={bottom:.0} stroke=#eee /><text x={x:.1} y={:.0}>{second} s</text>",
            bottom + 14.0
        )
    });
    marks.collect()
}

fn lanes(timeline: &Timeline) -> String {
    let bottom = LANE * LANES.len() as f64;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=img>{}", bottom + 20.0, seconds(timeline, bottom));
    for (number, lane) in LANES.into_iter().enumerate() {
        let (top, kills) = (LANE * number as f64, timeline.kills.get(lane).map_or(&[][..], Vec::as_slice));
        let middle = top + LANE / 2.0;
        let away = timeline.away.get(lane).map_or(&[][..], Vec::as_slice);
        write!(svg, "<text x=0 y={:.0}>{lane}</text>", middle + 4.0).expect("a string takes everything");
        write!(svg, "<rect x={LEFT} y={:.0} width={:.0} height=8 fill=#cfe6d4 />", middle - 4.0, WIDTH - LEFT)
            .expect("a string takes everything");
        for Span { from, to } in away {
            let (x, width) = (across(timeline, *from), (across(timeline, *to) - across(timeline, *from)).max(1.0));
            write!(svg, "<rect x={x:.1} y={:.0} width={width:.1} height=8 fill=#f0b9b4 />", middle - 4.0)
                .expect("a string takes everything");
        }
        for at in kills {
            let x = across(timeline, *at);
            write!(
                svg,
                "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=#b3261e stroke-width=1.5 />",
                x - 4.0,
                middle - 4.0
            )
            .expect("a string takes everything");
        }
    }
    svg + "</svg>"
}

/// Each commit a dot, by a scale of powers of ten.
fn latencies(timeline: &Timeline) -> String {
    let longest = timeline.commits.iter().map(Span::milliseconds).fold(1.0, f64::max);
    let decades = longest.log10().ceil().max(1.0) + 1.0;
    let up = |milliseconds: f64| HIGH * (1.0 - (milliseconds.max(0.1).log10() + 1.0) / decades);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=img>{}", HIGH + 20.0, seconds(timeline, HIGH));
    for decade in 0..=decades as i32 {
        let milliseconds = 10f64.powi(decade - 1);
        let y = up(milliseconds);
        write!(
            svg,
            "<line x1={LEFT} x2={WIDTH} y1={y:.0} y2={y:.0} stroke=#eee /><text x=0 y={:.0}>{milliseconds} ms</text>",
            y + 4.0
        )
        .expect("a string takes everything");
    }
    for span in &timeline.commits {
        let (x, y) = (across(timeline, span.to), up(span.milliseconds()));
        write!(svg, "<circle cx={x:.1} cy={y:.1} r=1.5 fill=#2f6fb0 fill-opacity=.5 />")
            .expect("a string takes everything");
    }
    svg + "</svg>"
}

fn verdicts(verdicts: &[Judgement]) -> String {
    let rows = verdicts.iter().map(|Judgement { id, name, judged, wrong }| {
        let (class, verdict) = match (wrong.is_empty(), *judged) {
            (true, 0) => ("idle", "not judged by such a test".to_owned()),
            (true, _) => ("good", "holds".to_owned()),
            (false, _) => {
                let first: Vec<String> = wrong.iter().take(20).map(|wrong| escaped(wrong)).collect();
                ("bad", format!("broken {} times<br>{}", wrong.len(), first.join("<br>")))
            }
        };
        format!("<tr><td>{id}<td>{name}<td class=n>{judged}<td class={class}>{verdict}")
    });
    format!("<table><tr><th>property<th><th>judged<th>verdict{}</table>", rows.collect::<String>())
}
