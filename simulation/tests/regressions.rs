//! Plans that failed once, each with what it found.

use handfast_simulation::plan::Plan;
use handfast_simulation::trial::try_plan;

const FOUND: [(&str, &str); 3] = [
    (
        "the loss of a client's old connection, heard after its new one had asked for commit, kept the go from it: the client \
         waited with SQLite locked, the coordinator for the lock",
        "marker-sqlite 13:session:kill:arrive:soon",
    ),
    (
        "a trigger that stood still for longer than its lease never opened its queue again",
        "local 1:client:pause:arrive:late",
    ),
    (
        "a server that stood still while it started was judged by its start's time",
        "standalone-marker 3:server:nothing:arrive:at-once 7:server:pause:arrive:at-once",
    ),
];

#[test]
fn what_was_found_stays_found() {
    for (what, text) in FOUND {
        let plan = Plan::of_text(text).expect("it is a plan");
        if let Err(failed) = try_plan(&plan) {
            panic!("once: {what}\n{failed}");
        }
    }
}
