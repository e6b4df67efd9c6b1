//! The service's user, and what it may open.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whom the package makes.
const USER: &str = "asfaleia";
/// What the unit adds, and the devices want.
pub(super) const GROUPS: [&str; 3] = ["gpio", "video", "dialout"];

/// A user, and the groups it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub(super) name: String,
    uid: u32,
    gid: u32,
    /// Number and name.
    groups: Vec<(u32, String)>,
}

impl User {
    /// The package's user; where there is none, who asks.
    pub fn of_the_service() -> User {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        if let Some(user) = User::listed(USER, &passwd, &group) {
            return user;
        }
        let uid = rustix::process::geteuid().as_raw();
        let name = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        });
        let ours = rustix::process::getgroups().unwrap_or_default();
        let own = std::iter::once(rustix::process::getegid()).chain(ours);
        let named = |number: u32| {
            let group = groups(&group).find(|(_, its, _)| *its == number);
            (
                number,
                group.map_or_else(String::new, |(name, ..)| name.to_owned()),
            )
        };
        User {
            name: name.unwrap_or_else(|| uid.to_string()),
            uid,
            gid: rustix::process::getegid().as_raw(),
            groups: own.map(|group| named(group.as_raw())).collect(),
        }
    }

    fn listed(name: &str, passwd: &str, group: &str) -> Option<User> {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let own: u32 = fields.next()?.parse().ok()?;
        let member = groups(group)
            .filter(|(_, number, members)| {
                *number == own || members.split(',').any(|it| it == name)
            })
            .map(|(group, number, _)| (number, group.to_owned()));
        Some(User {
            name: name.to_owned(),
            uid,
            gid: own,
            groups: member.collect(),
        })
    }

    /// Number of the user, and of its own group.
    pub fn ids(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }

    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// The groups that devices want and the user is not in.
    pub(super) fn lacks(&self) -> Vec<&'static str> {
        let is_in = |wanted: &str| self.groups.iter().any(|(_, name)| name == wanted);
        GROUPS.into_iter().filter(|group| !is_in(group)).collect()
    }

    /// It may do this (4 read, 2 write, 1 enter; added up) to a file of these rights. Access lists
    /// are not looked at.
    pub(super) fn may(&self, wanted: u32, file: &Metadata) -> bool {
        self.allowed(wanted, file.mode(), file.uid(), file.gid())
    }

    fn allowed(&self, wanted: u32, mode: u32, owner: u32, group: u32) -> bool {
        let shift = if self.uid == owner {
            6
        } else if self.groups.iter().any(|(number, _)| *number == group) {
            3
        } else {
            0
        };
        self.is_root() || (mode >> shift) & wanted == wanted
    }

    /// Why the device cannot be opened by this user, and what mends it. `None`: it can, or is not
    /// there.
    pub(super) fn shut_out(&self, device: &Path) -> Option<(String, String)> {
        let metadata = fs::metadata(device).ok()?;
        if self.may(6, &metadata) {
            return None;
        }
        let device = device.display();
        let found = format!(
            "{device} may not be opened by {} (its rights are {:o})",
            self.name,
            metadata.mode() & 0o777
        );
        let text = fs::read_to_string("/etc/group").unwrap_or_default();
        let group = groups(&text).find(|(_, number, _)| *number == metadata.gid());
        let mend = match group {
            Some((group, number, _)) if number != 0 && metadata.mode() & 0o060 == 0o060 => {
                format!(
                    "sudo adduser {} {group}; then restart the service",
                    self.name
                )
            }
            Some(_) | None => "no rule of udev's gives it to a group: install \
                 /usr/lib/udev/rules.d/60-asfaleia.rules, then sudo udevadm control --reload, and \
                 sudo udevadm trigger --action=change"
                .to_owned(),
        };
        Some((found, mend))
    }
}

/// Name, number, members.
fn groups(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse().ok()?;
        Some((name, number, fields.next().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/:/bin/sh\nasfaleia:x:990:980::/var/lib/asfaleia:/bin/no\n";
    const GROUP: &str = "root:x:0:\nasfaleia:x:980:\ngpio:x:997:asfaleia\nvideo:x:44:pi,asfaleia\n";

    #[test]
    fn the_services_user_has_its_own_group_and_those_that_list_it() {
        let user = User::listed(USER, PASSWD, GROUP).unwrap();
        assert_eq!(user.lacks(), ["dialout"]);
        assert!(user.allowed(6, 0o660, 0, 997), "by its group");
        assert!(user.allowed(6, 0o600, 990, 0), "by itself");
        assert!(!user.allowed(6, 0o640, 0, 44), "the group may only read");
        assert!(!user.allowed(6, 0o660, 0, 20), "another group");
        assert!(user.allowed(4, 0o604, 0, 20), "everybody");
        assert!(
            !user.allowed(4, 0o046, 990, 980),
            "what its owner may counts alone"
        );
    }

    #[test]
    fn who_is_not_listed_is_nobody() {
        assert_eq!(User::listed("ghost", PASSWD, GROUP), None);
        let root = User::listed("root", PASSWD, GROUP).unwrap();
        assert!(root.allowed(6, 0, 990, 980), "root may everything");
    }
}
