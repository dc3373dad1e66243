//! Whether this machine has an NVIDIA driver at all. Without one no child is started and no
//! library is searched for; a driver that is loaded later is seen later.

use std::path::Path;

use crate::sampling::Roots;

/// Whether a child is worth starting.
pub(super) fn is_present(nvml_lib: Option<&Path>, roots: &Roots) -> bool {
    nvml_lib.is_some()
        || roots.proc.join("driver/nvidia/version").exists()
        || roots.root.join("dev/nvidiactl").exists()
        // WSL has the library and no driver of its own.
        || roots.root.join("usr/lib/wsl/lib/libnvidia-ml.so.1").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_shows_in_any_of_its_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let roots = Roots { proc: path.join("proc"), sys: path.join("sys"), root: path };
        assert!(!is_present(None, &roots));
        assert!(is_present(Some(Path::new("/fake.so")), &roots));
        for file in ["proc/driver/nvidia/version", "dev/nvidiactl"] {
            let file = roots.root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            assert!(is_present(None, &roots));
            std::fs::remove_file(file).unwrap();
        }
    }
}
