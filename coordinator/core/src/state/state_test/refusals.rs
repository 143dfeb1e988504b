//! Each refusal, with the state unchanged after it.

use super::*;

/// A log in which one transaction is delegated, one committed with an open branch, one ended, and one rolled back.
struct Log {
    kept: Kept,
    delegated: GlobalId,
    committed: GlobalId,
    ended: GlobalId,
    rolled_back: GlobalId,
    new: GlobalId,
}

impl Log {
    fn new() -> Log {
        let [delegated, committed, ended, rolled_back, new] = [1, 2, 3, 4, 5].map(|sequence| identity(1).id(sequence));
        let mut kept = Kept::new();
        for command in [
            delegate(delegated, "ledger", &[]),
            decide(committed, &["stock"]),
            decide(ended, &[]),
            delegate(rolled_back, "ledger", &[]),
            conclude(rolled_back, Outcome::RolledBack),
        ] {
            assert!(kept.apply(1, command).is_ok());
        }
        Log { kept, delegated, committed, ended, rolled_back, new }
    }

    fn refuses(mut self, table: Vec<(Command, Refused)>) {
        let state = self.kept.state.clone();
        for (command, refused) in table {
            let result = self.kept.apply(2, command.clone());
            assert_eq!(result, Err(refused), "{command:?}");
            assert_eq!(self.kept.state, state, "{command:?}");
        }
        self.kept.check();
    }
}

fn unknown() -> Refused {
    Refused::UnknownResource { name: name("nowhere") }
}

fn in_doubt(text: &str) -> Refused {
    Refused::ResourceInDoubt { name: name(text), count: 1 }
}

fn ended_epoch(id: GlobalId) -> Refused {
    Refused::EpochEnded { id, epoch: 1 }
}

fn otherwise(id: GlobalId, outcome: Outcome) -> Refused {
    Refused::OtherwiseDecided { id, outcome }
}

#[test]
fn p3_changes_of_resources() {
    let log = Log::new();
    let add = |text| Command::AddResource { resource: resource(text) };
    let remove = |text| Command::RemoveResource { name: name(text) };
    let through = log.new;
    let cleared = Command::MarkersCleared { resource: name("nowhere"), through };
    log.refuses(vec![
        (add("ledger"), in_doubt("ledger")),
        (add("stock"), in_doubt("stock")),
        (remove("stock"), in_doubt("stock")),
        (remove("nowhere"), unknown()),
        (cleared, unknown()),
    ]);
}

#[test]
fn p2_first_records() {
    let log = Log::new();
    let (new, before) = (log.new, identity(0).id(1));
    let (delegated, ended, rolled_back) = (log.delegated, log.ended, log.rolled_back);
    let undecided = Refused::Undecided { id: delegated };
    let too_many = Refused::TooManyBranches { id: new, count: 17 };
    log.refuses(vec![
        (delegate(before, "ledger", &[]), ended_epoch(before)),
        (decide(before, &[]), ended_epoch(before)),
        (delegate(new, "nowhere", &[]), unknown()),
        (delegate(new, "ledger", &["nowhere"]), unknown()),
        (decide(new, &["nowhere"]), unknown()),
        (decide(new, &["stock"; 17]), too_many),
        (delegate(delegated, "ledger", &[]), undecided.clone()),
        (decide(delegated, &[]), undecided),
        (delegate(ended, "ledger", &[]), otherwise(ended, Outcome::Committed)),
        (decide(rolled_back, &[]), otherwise(rolled_back, Outcome::RolledBack)),
    ]);
}

/// A3: the first decision stands.
#[test]
fn a3_later_records() {
    use Outcome::{Committed, RolledBack};
    let log = Log::new();
    let (delegated, committed, ended, new) = (log.delegated, log.committed, log.ended, log.new);
    let no_transaction = Refused::UnknownTransaction { id: new };
    let no_branch = Refused::UnknownBranch { id: committed, resource: name("ledger") };
    let nothing = |id| Refused::NothingToForget { id };
    log.refuses(vec![
        (conclude(committed, RolledBack), otherwise(committed, Committed)),
        (conclude(ended, RolledBack), otherwise(ended, Committed)),
        (conclude(new, Committed), no_transaction.clone()),
        (acknowledge(new, "stock", None), no_transaction),
        (acknowledge(delegated, "ledger", None), Refused::Undecided { id: delegated }),
        (acknowledge(committed, "ledger", None), no_branch),
        (acknowledge(committed, "nowhere", None), unknown()),
        (Command::Forget { id: committed }, nothing(committed)),
        (Command::Forget { id: ended }, nothing(ended)),
    ]);
}
