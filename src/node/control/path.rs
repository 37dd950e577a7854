//! Where the control socket lies.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

pub const NAME: &str = "control.sock";
/// `sun_path` of unix(7) holds 108 bytes, the last of them zero.
const LONGEST: usize = 107;

/// A path of the socket that fits into its address.
pub struct SocketPath {
    path: PathBuf,
    /// The number in `path` is this one's.
    _folder: Option<File>,
}

impl SocketPath {
    /// By way of an open folder, where the name of `data_dir` is too long.
    pub fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(NAME);
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let folder = File::open(data_dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
