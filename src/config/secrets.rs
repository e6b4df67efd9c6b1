//! Files that lie beside the configuration: secrets, certificates.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Reads secret files, or leaves them alone.
#[derive(Debug)]
pub(super) enum Secrets {
    /// Only the shape of the configuration is looked at: nothing is opened, every secret is empty.
    LeftAlone,
    /// Files are read; a name that is no absolute path is a credential in this directory.
    Read {
        /// `$CREDENTIALS_DIRECTORY`, where systemd puts the credentials of a unit.
        credentials: Option<PathBuf>,
    },
}

/// Why a file cannot be used, and what mends it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: String,
}

/// More than any password or key: a wrong file is told from a right one.
const LARGEST: u64 = 64 * 1024;

impl Secrets {
    /// As the environment says.
    pub(super) fn from_environment() -> Self {
        Secrets::Read {
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// Nothing beside the configuration is looked at.
    pub(super) fn are_left_alone(&self) -> bool {
        matches!(self, Secrets::LeftAlone)
    }

    /// Where a named file lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Secrets::Read {
                credentials: Some(directory),
            } if !Path::new(name).is_absolute() => directory.join(name),
            Secrets::Read { .. } | Secrets::LeftAlone => PathBuf::from(name),
        }
    }

    /// The secret in a file, without the line break at its end.
    pub(super) fn read(&self, name: &str) -> Result<SecretString, Refusal> {
        let credential = !Path::new(name).is_absolute();
        match self {
            Secrets::LeftAlone => return Ok(SecretString::default()),
            Secrets::Read { credentials: None } if credential => {
                return Err(Refusal {
                    message: format!(
                        "\"{name}\" is no absolute path, and there are no systemd credentials here"
                    ),
                    help: format!(
                        "write the whole path; or give the unit `LoadCredential={name}:/etc/asfaleia/secrets/{name}` and check with `--shape`"
                    ),
                });
            }
            Secrets::Read { .. } => {}
        }
        let path = self.path(name);
        let mut file = open(&path)?;
        let metadata = file.metadata().map_err(|why| unreadable(&path, &why))?;
        // systemd keeps credentials in memory, for the unit alone; an access list there shows
        // as rights of the group.
        if !credential && metadata.mode() & 0o077 != 0 {
            return Err(Refusal {
                message: format!("others can read the secret file {}", path.display()),
                help: format!("chmod 600 {}", path.display()),
            });
        }
        let mut bytes = Vec::new();
        Read::by_ref(&mut file)
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|why| unreadable(&path, &why))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        let secret = text.trim_end_matches(['\n', '\r']);
        if secret.is_empty() || text.len() as u64 > LARGEST {
            return Err(Refusal {
                message: format!("{} holds no secret", path.display()),
                help: "allowed: a text file with the secret alone".to_owned(),
            });
        }
        Ok(secret.to_owned().into())
    }

    /// The file can be opened.
    pub(super) fn readable(&self, path: &str) -> Result<(), Refusal> {
        match self {
            Secrets::LeftAlone => Ok(()),
            Secrets::Read { .. } => open(Path::new(path)).map(drop),
        }
    }
}

fn open(path: &Path) -> Result<File, Refusal> {
    let file = File::open(path).map_err(|why| unreadable(path, &why))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(Refusal {
            message: format!("{} is no file", path.display()),
            help: "allowed: the path of a file".to_owned(),
        }),
        Err(why) => Err(unreadable(path, &why)),
    }
}

fn unreadable(path: &Path, why: &std::io::Error) -> Refusal {
    let help = match why.kind() {
        std::io::ErrorKind::NotFound => {
            "create the file, or correct the path; `check --shape` leaves files out"
        }
        std::io::ErrorKind::PermissionDenied => {
            "run this as the user asfaleia (sudo -u asfaleia), or give the file to it with chown"
        }
        _ => "allowed: a file that this user can read",
    };
    Refusal {
        message: format!("reading {}: {why}", path.display()),
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn file(directory: &Path, name: &str, text: &[u8], mode: u32) -> String {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_secret_loses_the_line_break_at_its_end_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), "p", b" s e\n", 0o600);
        let secrets = Secrets::Read { credentials: None };
        assert_eq!(secrets.read(&path).unwrap().expose_secret(), " s e");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::Read { credentials: None };
        for mode in [0o640, 0o604, 0o620, 0o644, 0o601] {
            let path = file(directory.path(), "p", b"x", mode);
            let refusal = secrets.read(&path).unwrap_err();
            assert_eq!(refusal.help, format!("chmod 600 {path}"));
        }
    }

    #[test]
    fn empty_large_binary_and_missing_files_and_directories_are_no_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::Read { credentials: None };
        for text in [&b""[..], b"\n", &[0xff, 0xfe], &[b'x'; 70_000]] {
            let path = file(directory.path(), "p", text, 0o600);
            assert!(
                secrets
                    .read(&path)
                    .unwrap_err()
                    .message
                    .contains("no secret")
            );
        }
        assert!(
            secrets
                .read(directory.path().to_str().unwrap())
                .unwrap_err()
                .message
                .contains("no file")
        );
        assert!(
            secrets
                .read("/nowhere/at/all")
                .unwrap_err()
                .help
                .contains("create the file")
        );
    }

    #[test]
    fn a_bare_name_is_a_credential_of_systemd_whatever_its_rights() {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), "smtp", b"x\n", 0o440);
        let secrets = Secrets::Read {
            credentials: Some(directory.path().to_owned()),
        };
        assert_eq!(secrets.read("smtp").unwrap().expose_secret(), "x");
        let none = Secrets::Read { credentials: None };
        assert!(
            none.read("smtp")
                .unwrap_err()
                .help
                .contains("LoadCredential")
        );
    }

    #[test]
    fn looking_at_the_shape_opens_nothing() {
        assert_eq!(
            Secrets::LeftAlone.read("/nowhere").unwrap().expose_secret(),
            ""
        );
        assert!(Secrets::LeftAlone.readable("/nowhere").is_ok());
    }
}
