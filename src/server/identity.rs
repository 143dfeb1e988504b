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

/// Of the file's form.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityUnreadable {
    #[error("line {line} of the identity file is not understood")]
    Line { line: usize },
    #[error("the identity file has a format of version {version} and this program reads up to {VERSION}")]
    Newer { version: u32 },
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version {VERSION}")?;
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
            value.ok_or(IdentityUnreadable::Line { line: at + 1 })
        };
        let unreadable = |line| IdentityUnreadable::Line { line };
        let version = value(0, "version")?.parse().map_err(|_| unreadable(1))?;
        if version > VERSION {
            return Err(IdentityUnreadable::Newer { version });
        }
        let role = value(1, "role")?.parse().map_err(|_| unreadable(2))?;
        let manager_id = Uuid::try_parse(value(2, "manager")?).map_err(|_| unreadable(3))?;
        let incarnation = u64::from_str_radix(value(3, "incarnation")?, 16).map_err(|_| unreadable(4))?;
        let inode = value(4, "inode")?.parse().map_err(|_| unreadable(5))?;
        let born = value(5, "born")?.parse().map_err(|_| unreadable(6))?;
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
        let broken =
            [(0, "version x"), (1, "role bridge"), (2, "manager x"), (3, "incarnation"), (4, "inode -1"), (5, "")];
        for (line, replacement) in broken {
            let mut lines: Vec<&str> = text.lines().collect();
            lines[line] = replacement;
            assert_eq!(lines.join("\n").parse::<Identity>(), Err(IdentityUnreadable::Line { line: line + 1 }));
        }
        let newer = text.replace("version 1", "version 2");
        assert_eq!(newer.parse::<Identity>(), Err(IdentityUnreadable::Newer { version: 2 }));
    }
}
