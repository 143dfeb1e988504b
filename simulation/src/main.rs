//! Runs one plan and tells it step by step: `handfast-simulation local orders=2 17:server:kill:arrive:at-once`. Exit code 1 when
//! the checker finds something, 2 when the words are no plan.

use std::process::ExitCode;

use handfast_simulation::plan::Plan;
use handfast_simulation::{checker, trial};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let plan = match Plan::of_text(&words.join(" ")) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match trial::run(&plan, true) {
        Err((stuck, trace)) => {
            print!("{trace}");
            println!("{plan}\n{stuck}");
            ExitCode::FAILURE
        }
        Ok(ran) => {
            print!("{}", ran.trace);
            println!("{plan}\n{:#?}\n{}", ran.audit, ran.probes);
            let violations = checker::judge(&ran.history, &ran.audit);
            violations.iter().for_each(|violation| println!("{violation}"));
            if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
