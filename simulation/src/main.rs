//! Runs plans by hand.
//!
//! - `handfast-simulation PLAN` runs one plan and tells it step by step, such as `local orders=2 17:server:kill:arrive:at-once`.
//! - `handfast-simulation history PLAN` prints its history as JSON lines.
//! - `handfast-simulation reduce PLAN` leaves out of a plan that fails whatever it does not need to fail.
//! - `handfast-simulation soak FIRST COUNT` runs so many seeds from the first one on, and says how far it is.
//! - `handfast-simulation storm FIRST COUNT` runs so many storms, and says how many crash-recoveries a second that is.
//!
//! Exit code 1 when something is wrong, 2 when the words mean nothing.

use std::ops::Range;
use std::process::ExitCode;

use handfast_checker::judge;
use handfast_simulation::pace::Pace;
use handfast_simulation::plan::Plan;
use handfast_simulation::probes::Probes;
use handfast_simulation::reduce::reduce;
use handfast_simulation::trial::try_plan;
use handfast_simulation::{swarm, trial};

/// Seeds between one word of progress and the next.
const SEEDS_A_ROUND: u64 = 5_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["soak", first, count] => seeds(first, count).map(|seeds| soak(seeds, swarm::plan)),
        ["storm", first, count] => seeds(first, count).map(|seeds| soak(seeds, swarm::storm)),
        ["reduce", plan @ ..] => read(plan).map(|plan| reduced(&plan)),
        ["history", plan @ ..] => read(plan).map(|plan| tell(&plan, false)),
        plan => read(plan).map(|plan| tell(&plan, true)),
    };
    done.unwrap_or(ExitCode::from(2))
}

fn read(words: &[&str]) -> Option<Plan> {
    Plan::of_text(&words.join(" ")).inspect_err(|error| eprintln!("{error}")).ok()
}

fn seeds(first: &str, count: &str) -> Option<Range<u64>> {
    let range = first
        .parse()
        .ok()
        .zip(count.parse().ok())
        .and_then(|(first, count): (u64, u64)| first.checked_add(count).map(|end| first..end));
    if range.is_none() {
        eprintln!("a soak or a storm needs its first seed and how many there are: soak 0 1000000");
    }
    range
}

fn soak(seeds: Range<u64>, plan: fn(u64) -> Plan) -> ExitCode {
    let (mut pace, mut probes) = (Pace::default(), Probes::default());
    let mut first = seeds.start;
    while first < seeds.end {
        let end = seeds.end.min(first + SEEDS_A_ROUND);
        match swarm::run(first..end, plan) {
            Ok(round) => {
                probes.add(&round.probes);
                pace.add(round.pace);
            }
            Err(failed) => {
                println!("{failed}");
                return ExitCode::FAILURE;
            }
        }
        first = end;
        eprintln!("up to seed {end}: {pace}");
    }
    println!("{probes}");
    ExitCode::SUCCESS
}

fn reduced(plan: &Plan) -> ExitCode {
    match try_plan(plan) {
        Ok(_) => println!("nothing is wrong with it"),
        Err(failed) => println!("{}", reduce(failed)),
    }
    ExitCode::SUCCESS
}

fn tell(plan: &Plan, in_steps: bool) -> ExitCode {
    match trial::run(plan, in_steps) {
        Err((stuck, trace)) => {
            print!("{trace}");
            println!("{plan}\n{stuck}");
            ExitCode::FAILURE
        }
        Ok(ran) if !in_steps => {
            print!("{}", ran.history.to_text());
            ExitCode::SUCCESS
        }
        Ok(ran) => {
            print!("{}", ran.trace);
            println!("{plan}\n{}", ran.probes);
            let report = judge(&ran.history);
            for verdict in &report.verdicts {
                let (id, name, judged, wrong) = (verdict.id, verdict.name, verdict.judged, verdict.wrong.len());
                println!("{id:4} {name:12} {judged} judged, {wrong} wrong");
            }
            report.violations().for_each(|violation| println!("{violation}"));
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
