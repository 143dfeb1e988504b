//! Who a data directory belongs to, and whether it is the original (P3).

use std::fmt;
use std::str::FromStr;

use handfast_protocol::Incarnation;
use uuid::Uuid;

use super::role::Role;

/// What the file `identity` says: what is served from here, its id, its incarnation, and the marks by which a copy of the file gives
/// itself away: the file system gives a copied file another number or another time of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub role: Role,
    pub manager_id: Uuid,
    pub incarnation: Incarnation,
    pub marks: Marks,
}

/// How the file system knows one file from its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    pub inode: u64,
    /// Nanoseconds since 1970; 0 where the file system does not tell.
    pub born: u128,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the identity file is not understood")]
pub struct IdentityUnreadable {
    pub line: usize,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "role {}", self.role.as_str())?;
        writeln!(f, "manager {}", self.manager_id.simple())?;
        writeln!(f, "incarnation {:016x}", self.incarnation.0)?;
        writeln!(f, "inode {}", self.marks.inode)?;
        writeln!(f, "born {}", self.marks.born)
    }
}

impl FromStr for Identity {
    type Err = IdentityUnreadable;

    fn from_str(text: &str) -> Result<Identity, IdentityUnreadable> {
        let lines: Vec<&str> = text.lines().collect();
        let value = |at: usize, key: &str| {
            let value = lines.get(at).and_then(|line| line.strip_prefix(key)?.strip_prefix(' '));
            value.ok_or(IdentityUnreadable { line: at + 1 })
        };
        let unreadable = |line| IdentityUnreadable { line };
        let role = value(0, "role")?.parse().map_err(|_| unreadable(1))?;
        let manager_id = Uuid::try_parse(value(1, "manager")?).map_err(|_| unreadable(2))?;
        let incarnation = u64::from_str_radix(value(2, "incarnation")?, 16).map_err(|_| unreadable(3))?;
        let inode = value(3, "inode")?.parse().map_err(|_| unreadable(4))?;
        let born = value(4, "born")?.parse().map_err(|_| unreadable(5))?;
        Ok(Identity { role, manager_id, incarnation: Incarnation(incarnation), marks: Marks { inode, born } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_names_the_line_it_cannot_read() {
        for role in Role::ALL {
            reads_and_names(role);
        }
    }

    fn reads_and_names(role: Role) {
        let identity = Identity {
            role,
            manager_id: Uuid::from_u128(7),
            incarnation: Incarnation(0xab),
            marks: Marks { inode: 9, born: 1_700_000_000_000_000_000 },
        };
        let text = identity.to_string();
        assert_eq!(text.parse(), Ok(identity));
        let broken = [(0, "role bridge"), (1, "manager x"), (2, "incarnation"), (3, "inode -1"), (4, "")];
        for (line, replacement) in broken {
            let mut lines: Vec<&str> = text.lines().collect();
            lines[line] = replacement;
            assert_eq!(lines.join("\n").parse::<Identity>(), Err(IdentityUnreadable { line: line + 1 }));
        }
    }
}
