//! Loads NVML, once in a child's life: repeated initialisation has hung drivers.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::sampling::Roots;

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
    version: Option<String>,
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
        let origin = path.and_then(Origin::of);
        Ok(Self { nvml, origin })
    }

    /// Whether programs that start now get a library that does not fit the driver in the kernel, as
    /// an upgrade of the driver's packages leaves it. This one goes on working with the driver that
    /// is loaded, so it is kept: a new child would get the other, and could read nothing.
    pub(super) fn is_outdated(&self, roots: &Roots) -> bool {
        let Some(loaded) = &self.origin else { return false };
        // None at all is the middle of an upgrade.
        let Some(now) = Origin::of(loaded.path.clone()) else { return false };
        // Packages that are installed again bring another file of the same version.
        let fits = |version: &String| {
            loaded.version.as_ref() == Some(version)
                || fs::read_to_string(roots.sys.join("module/nvidia/version"))
                    .is_ok_and(|driver| driver.trim() == version)
        };
        now.file != loaded.file && !now.version.as_ref().is_some_and(fits)
    }
}

impl Origin {
    fn of(path: PathBuf) -> Option<Self> {
        Some(Self { file: file_id(&path)?, version: version(&path), path })
    }
}

/// That in the name of the file to which the links lead: `libnvidia-ml.so.580.95.05`.
fn version(path: &Path) -> Option<String> {
    let file = fs::canonicalize(path).ok()?;
    let version = file.file_name()?.to_str()?.strip_prefix("libnvidia-ml.so.")?;
    // Without a dot it is that of the interface.
    version.contains('.').then(|| version.to_owned())
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
