//! Other programs that have a device open.

use std::fs;
use std::path::{Path, PathBuf};

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pid: u32,
    name: String,
}

impl Holder {
    /// It is asfaleia, and so most likely the service.
    pub(super) fn is_asfaleia(&self) -> bool {
        self.name == "asfaleia"
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        format!("\"{}\" (process {})", self.name, self.pid)
    }
}

/// Who has this device open, but for ourselves. Only root sees what others have.
pub(super) fn of(device: &Path) -> Vec<Holder> {
    let Ok(device) = fs::canonicalize(device) else {
        return Vec::new();
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut holders: Vec<Holder> = processes
        .flatten()
        .filter_map(|process| holder(&process.path(), &device))
        .filter(|holder| holder.pid != std::process::id())
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn holder(process: &Path, device: &PathBuf) -> Option<Holder> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let mut files = fs::read_dir(process.join("fd")).ok()?.flatten();
    files.find(|file| fs::read_link(file.path()).is_ok_and(|open| open == *device))?;
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    Some(Holder {
        pid,
        name: name.trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_program_that_has_the_file_open_is_named_and_we_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(of(file.path()), [], "ours is no other");
        let mut other = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(fs::File::open(file.path()).unwrap()))
            .spawn()
            .unwrap();
        let holders = of(file.path());
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].pid, other.id());
    }
}
