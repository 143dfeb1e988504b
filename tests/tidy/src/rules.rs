//! The rules, one file each: what it keeps, and an example that breaks it.

pub mod arrows;
pub mod confined;
pub mod dependencies;
pub mod leftovers;
pub mod markdown;
pub mod names;
pub mod purity;
pub mod size;

use crate::{Finding, Repository};

/// Finds every place that breaks one rule.
pub type Check = fn(&Repository) -> Vec<Finding>;

/// Every rule by its name.
pub const ALL: [(&str, Check); 8] = [
    ("arrows", arrows::check),
    ("confined", confined::check),
    ("dependencies", dependencies::check),
    ("leftovers", leftovers::check),
    ("markdown", markdown::check),
    ("names", names::check),
    ("purity", purity::check),
    ("size", size::check),
];
