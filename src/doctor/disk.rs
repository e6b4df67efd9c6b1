//! The store's disk: room, rights, and the card's health where it tells.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use super::user::User;
use super::{Finding, Part, Service};
use crate::config::Config;
use crate::daemon::machine::{Machine, Space};

const PART: Part = Part::Disk;

/// Looks at the file system of the store, and at what it is on.
pub(super) fn look(config: &Config, _service: &Service, user: &User) -> Vec<Finding> {
    let wanted = &config.store.path;
    let subject = wanted.display().to_string();
    // A store that was never opened is made by the service.
    let Some((place, metadata)) = wanted
        .ancestors()
        .find_map(|path| Some((path, fs::metadata(path).ok()?)))
    else {
        let found = "neither it nor what is above it can be looked at";
        return vec![Finding::error(PART, subject, found, "[store] path")];
    };
    let mut findings = Vec::new();
    if !user.may(3, &metadata) {
        let found = format!("{} may not write {}", user.name, place.display());
        let mend = format!("sudo chown -R {} {}", user.name, place.display());
        findings.push(Finding::error(PART, subject.as_str(), found, mend));
    }
    let machine = Machine {
        root: PathBuf::from("/"),
        store: place.to_owned(),
    };
    findings.extend(machine.look(true).space.map(|space| room(&subject, space)));
    let mounted = rustix::fs::statvfs(place).map(|it| it.f_flag);
    if mounted.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY)) {
        findings.push(Finding::error(
            PART,
            subject.as_str(),
            "its file system is mounted read-only",
            "`dmesg` says why: often a worn card; replace it",
        ));
    }
    let (major, minor) = (
        rustix::fs::major(metadata.dev()),
        rustix::fs::minor(metadata.dev()),
    );
    findings.extend(card(Path::new("/sys"), major, minor));
    findings
}

fn room(subject: &str, space: Space) -> Finding {
    let (free, total) = (space.free / Space::MB, space.total / Space::MB);
    let found = format!("{free} of {total} MB are free");
    match space.is_low(false) {
        false => Finding::ok(PART, subject, found),
        true => {
            let mend = "look what fills it; [store] max-size bounds what asfaleia keeps";
            Finding::error(PART, subject, found, mend)
        }
    }
}

/// What the kernel says of the device under a file system.
fn card(sys: &Path, major: u32, minor: u32) -> Vec<Finding> {
    let Ok(block) = fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))) else {
        return Vec::new();
    };
    let name = block
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut findings = Vec::new();
    let errors = read(&sys.join("fs/ext4").join(&name).join("errors_count"));
    if errors.is_some_and(|count| count != "0") {
        findings.push(Finding::error(
            PART,
            name.as_str(),
            "the file system has found errors of its own",
            "copy /var/lib/asfaleia, then check it (fsck at the next boot); often a worn card",
        ));
    }
    // A partition lies below its device.
    let device = block.ancestors().map(|above| above.join("device"));
    let card = device.take(2).find(|it| it.join("cid").exists());
    findings.extend(card.map(|card| {
        let model = read(&card.join("name")).unwrap_or_default();
        let date = read(&card.join("date")).unwrap_or_default();
        let worn = worn(
            read(&card.join("life_time")),
            read(&card.join("pre_eol_info")),
        );
        let card = format!("card {model} of {date}");
        match worn {
            Wear::Untold => Finding::ok(PART, name, format!("{card}: it does not tell its wear")),
            Wear::Used(percent) => Finding::ok(
                PART,
                name,
                format!("{card}: at most {percent} % of its life is used"),
            ),
            Wear::NearItsEnd => Finding::warning(
                PART,
                name,
                format!("{card}: nine tenths of its life, or of its reserve, are used"),
                "get a new card (one for dashcams lasts longer), and copy this one",
            ),
            Wear::AtItsEnd => Finding::error(
                PART,
                name,
                format!("{card}: its life is over"),
                "replace the card now: it may take no writes at any time",
            ),
        }
    }));
    findings
}

fn read(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

/// How much of a card's life is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wear {
    Untold,
    /// Percent, rounded up to tens.
    Used(u32),
    NearItsEnd,
    AtItsEnd,
}

/// `life_time` (two estimates, 1 to 10 in tenths of a life, 11 exceeded) and `pre_eol_info` (1
/// normal, 2 four fifths of the reserve are used, 3 nine tenths), as JEDEC eMMC 5.0 defines them.
fn worn(life: Option<String>, reserve: Option<String>) -> Wear {
    let number = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let life = life.and_then(|text| text.split_whitespace().filter_map(number).max());
    let reserve = reserve.and_then(|text| number(&text));
    match (life.unwrap_or(0), reserve.unwrap_or(0)) {
        (11.., _) | (_, 3..) => Wear::AtItsEnd,
        (10, _) | (_, 2) => Wear::NearItsEnd,
        (0, _) => Wear::Untold,
        (tenths, _) => Wear::Used(tenths * 10),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn wear_is_read_as_the_standard_writes_it() {
        let of = |life: &str, reserve: &str| worn(Some(life.into()), Some(reserve.into()));
        assert_eq!(of("0x01 0x03", "0x01"), Wear::Used(30));
        assert_eq!(of("0x0a 0x01", "0x01"), Wear::NearItsEnd);
        assert_eq!(of("0x01 0x01", "0x02"), Wear::NearItsEnd);
        assert_eq!(of("0x0b 0x01", "0x01"), Wear::AtItsEnd);
        assert_eq!(of("0x01 0x01", "0x03"), Wear::AtItsEnd);
        assert_eq!(of("0x00 0x00", "0x00"), Wear::Untold);
        assert_eq!(worn(None, None), Wear::Untold);
    }

    #[test]
    fn a_card_is_found_from_its_partition_and_a_disk_that_is_none_is_not() {
        let sys = tempfile::tempdir().unwrap();
        let sys = sys.path();
        let disk = sys.join("devices/mmc0/mmcblk0");
        fs::create_dir_all(disk.join("mmcblk0p2")).unwrap();
        fs::create_dir_all(disk.join("device")).unwrap();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        symlink(disk.join("mmcblk0p2"), sys.join("dev/block/179:2")).unwrap();
        assert_eq!(card(sys, 179, 2), [], "no card");
        assert_eq!(card(sys, 8, 1), [], "not there");
        for (file, text) in [("cid", "x"), ("name", "SC32G"), ("life_time", "0x0b 0x0b")] {
            fs::write(disk.join("device").join(file), text).unwrap();
        }
        let found = card(sys, 179, 2);
        assert_eq!(found[0].verdict, Verdict::Error);
        assert!(found[0].found.contains("SC32G"), "{found:?}");
        let ext4 = sys.join("fs/ext4/mmcblk0p2");
        fs::create_dir_all(&ext4).unwrap();
        fs::write(ext4.join("errors_count"), "2\n").unwrap();
        assert_eq!(card(sys, 179, 2).len(), 2);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let space = |free| Space {
            free: free * Space::MB,
            total: 32_000 * Space::MB,
        };
        assert_eq!(room("x", space(5_000)).verdict, Verdict::Ok);
        assert_eq!(room("x", space(50)).verdict, Verdict::Error);
    }
}
