//! Runs one plan and tells it step by step: `handfast-simulation local orders=2 17:server:kill:arrive:at-once`. Exit code 1 when
//! the checker finds something, 2 when the words are no plan.

use std::process::ExitCode;

use handfast_checker::judge;
use handfast_simulation::plan::Plan;
use handfast_simulation::trial;

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
            println!("{plan}\n{}", ran.probes);
            let report = judge(&ran.history);
            for verdict in &report.verdicts {
                println!(
                    "{:4} {:12} {} judged, {} wrong",
                    verdict.id,
                    verdict.name,
                    verdict.judged,
                    verdict.wrong.len()
                );
            }
            report.violations().for_each(|violation| println!("{violation}"));
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
