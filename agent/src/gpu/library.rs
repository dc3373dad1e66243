//! Loads NVML, once in a child's life: repeated initialisation has hung drivers.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

const NAME: &str = "libnvidia-ml.so.1";
/// By name, as the loader finds it; then where WSL, NixOS, Debian's alternatives, Fedora and
/// container platforms keep it outside the loader's path.
const PLACES: [&str; 7] = [
    NAME,
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.1",
    "/usr/lib/aarch64-linux-gnu/nvidia/current/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
];

/// NVML, and the file that it came from.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) nvml: Nvml,
    origin: Option<Origin>,
}

/// Where a program that starts now would find the library.
#[derive(Debug)]
struct Origin {
    path: PathBuf,
    file: FileId,
}

/// Device and inode.
type FileId = (u64, u64);

impl Library {
    /// NVML, initialised.
    ///
    /// # Errors
    ///
    /// That of the first place where there is a library, else that of the last place.
    pub(super) fn load(given: Option<&Path>) -> Result<Self, NvmlError> {
        if let Some(path) = given {
            return Self::init(path);
        }
        let mut result = Err(NvmlError::LibraryNotFound);
        for place in PLACES {
            result = Self::init(Path::new(place));
            if !matches!(result, Err(NvmlError::LibloadingError(_))) {
                break;
            }
        }
        result
    }

    fn init(path: &Path) -> Result<Self, NvmlError> {
        let nvml = Nvml::builder().lib_path(path.as_os_str()).init()?;
        let path = if path == Path::new(NAME) { loaded_from() } else { Some(path.to_owned()) };
        let origin = path.and_then(|path| Some(Origin { file: file_id(&path)?, path }));
        Ok(Self { nvml, origin })
    }

    /// Whether another library has come to stand in the place of this one, as an upgrade of the
    /// driver's packages leaves it. This one goes on working with the driver that is loaded, but
    /// every program that starts now gets the new one and fails; and while we hold the old driver
    /// it cannot be unloaded. So it is better to let go, and to say what everybody else will see.
    pub(super) fn is_replaced(&self) -> bool {
        let Some(Origin { path, file }) = &self.origin else { return false };
        // None at all is the middle of an upgrade.
        file_id(path).is_some_and(|now| now != *file)
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

/// Where the loader found it. What is mapped is the file with the version in its name; beside it
/// lies the link through which programs find it.
fn loaded_from() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let is_library = |path: &&Path| {
        path.file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.starts_with("libnvidia-ml"))
    };
    let mapped = paths.find(is_library)?;
    let link = mapped.parent()?.join(NAME);
    (file_id(&link)? == file_id(mapped)?).then_some(link)
}
