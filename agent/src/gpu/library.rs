//! Loads NVML, once in a child's life: repeated initialisation has hung drivers.

use std::ffi::OsStr;
use std::path::Path;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// By name, as the loader finds it; then where WSL, NixOS, Debian's alternatives, Fedora and
/// container platforms keep it outside the loader's path.
const PLACES: [&str; 7] = [
    "libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.1",
    "/usr/lib/aarch64-linux-gnu/nvidia/current/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
];

/// NVML, initialised.
///
/// # Errors
///
/// That of the first place where there is a library, else that of the last place.
pub(super) fn load(given: Option<&Path>) -> Result<Nvml, NvmlError> {
    if let Some(path) = given {
        return init(path.as_os_str());
    }
    let mut result = Err(NvmlError::LibraryNotFound);
    for place in PLACES {
        result = init(OsStr::new(place));
        if !matches!(result, Err(NvmlError::LibloadingError(_))) {
            break;
        }
    }
    result
}

fn init(path: &OsStr) -> Result<Nvml, NvmlError> {
    Nvml::builder().lib_path(path).init()
}
