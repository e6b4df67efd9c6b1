//! Files that hold secrets: can the service read them? That nobody else can, `check` sees to.

use std::fs;
use std::path::{Path, PathBuf};

use super::user::User;
use super::{Finding, Part};

/// Looks at every secret that the configuration names by a path. systemd's credentials are read by
/// systemd.
pub(super) fn look(config: &Path, user: &User) -> Vec<Finding> {
    let text = fs::read_to_string(config).unwrap_or_default();
    let secrets = named(&text).into_iter().filter(|path| path.is_absolute());
    secrets.filter_map(|path| of(&path, user)).collect()
}

/// `None`: `check` says what is wrong with it.
fn of(path: &Path, user: &User) -> Option<Finding> {
    let subject = path.display().to_string();
    let metadata = fs::metadata(path).ok()?;
    let closed = path
        .ancestors()
        .skip(1)
        .find(|above| fs::metadata(above).is_ok_and(|it| !user.may(1, &it)));
    let name = &user.name;
    Some(if let Some(closed) = closed {
        let found = format!("{name} may not enter {}", closed.display());
        let mend = format!("sudo chown {name} {}", closed.display());
        Finding::error(Part::Secrets, subject, found, mend)
    } else if !user.may(4, &metadata) {
        let found = format!("{name} may not read it");
        let mend = format!("sudo chown {name} {}", path.display());
        Finding::error(Part::Secrets, subject, found, mend)
    } else {
        Finding::ok(Part::Secrets, subject, format!("{name} can read it"))
    })
}

/// Values of keys like `password-file`, and of `header-files`. Certificates are no secrets.
fn named(text: &str) -> Vec<PathBuf> {
    fn walk(value: &toml::Value, key: &str, found: &mut Vec<PathBuf>) {
        match value {
            toml::Value::Table(table) => {
                for (inner, value) in table {
                    let key = if key == "header-files" { key } else { inner };
                    walk(value, key, found);
                }
            }
            toml::Value::Array(values) => {
                values.iter().for_each(|value| walk(value, key, found));
            }
            toml::Value::String(text) => {
                let secret = key.ends_with("-file") && key != "ca-file" || key == "header-files";
                if secret {
                    found.push(PathBuf::from(text));
                }
            }
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk(&toml::Value::Table(table), "", &mut found);
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_with_a_secret_is_found_and_certificates_are_not() {
        let text = r#"
            [email]
            password-file = "/a"
            ca-file = "/ca"
            [web]
            tls = { certificate = "/c", key-file = "/b" }
            [[webhook]]
            header-files = { Authorization = "/d" }
            [phone]
            auth-token-file = "credential"
        "#;
        let expected = ["/a", "/b", "/d", "credential"].map(PathBuf::from);
        assert_eq!(named(text), expected);
        assert!(named("what = ").is_empty());
    }
}
