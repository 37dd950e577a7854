//! The one-time code that makes the first administrator.

use std::io;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;

use super::vault::write_secret;

/// Letters and digits that nobody mixes up.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const GROUPS: usize = 4;
const GROUP_LENGTH: usize = 4;

/// A code in `<data-dir>/setup-code`, there until the first user is made.
#[derive(Debug, Clone)]
pub struct SetupCode {
    path: PathBuf,
    code: String,
}

impl SetupCode {
    /// The code of this data folder: the one written before, else a new one of 80 random bits.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join("setup-code");
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Ok(Self {
                path,
                code: text.trim().to_owned(),
            }),
            Ok(_) => Self::make(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    fn make(path: PathBuf) -> io::Result<Self> {
        let mut bytes = [0_u8; GROUPS * GROUP_LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let letters: Vec<u8> = bytes
            .iter()
            .map(|byte| ALPHABET[usize::from(byte % 32)])
            .collect();
        let groups: Vec<String> = letters
            .chunks(GROUP_LENGTH)
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        let code = groups.join("-");
        write_secret(&path, format!("{code}\n").as_bytes())?;
        Ok(Self { path, code })
    }

    pub fn as_str(&self) -> &str {
        &self.code
    }

    /// Whether `given` is the code, in constant time, without regard to case, spaces and dashes.
    pub fn matches(&self, given: &str) -> bool {
        plain(given)
            .as_bytes()
            .ct_eq(plain(&self.code).as_bytes())
            .into()
    }

    /// The code is used: its file goes.
    pub fn spend(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn plain(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_code_stays_the_same_until_it_is_spent() {
        let folder = tempfile::tempdir().unwrap();
        let code = SetupCode::open(folder.path()).unwrap();
        let again = SetupCode::open(folder.path()).unwrap();
        assert_eq!(code.as_str(), again.as_str());
        assert!(again.matches(&code.as_str().to_lowercase()));
        assert!(again.matches(&code.as_str().replace('-', " ")));
        assert!(!again.matches(""));
        assert!(!again.matches("AAAA-AAAA-AAAA-AAAA"));
        let mode = std::fs::metadata(folder.path().join("setup-code"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        code.spend().unwrap();
        assert!(!folder.path().join("setup-code").exists());
        code.spend().unwrap();
    }
}
