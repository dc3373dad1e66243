//! What the kernel says of the GPUs, as files in a folder that stands for `/`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::script::Gpu;

/// A folder with `/sys` and `/proc` in it.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The machine in this folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Puts a GPU on the bus, bound to the driver, with this runtime power status: `active`,
    /// `suspended`.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn put(&self, gpu: &Gpu, status: &str) -> io::Result<()> {
        let device = self.device(gpu);
        fs::create_dir_all(device.join("power"))?;
        fs::write(device.join("vendor"), "0x10de\n")?;
        fs::write(device.join("class"), "0x030200\n")?;
        fs::write(device.join("power/runtime_status"), format!("{status}\n"))?;
        let driver = device.join("driver");
        if !driver.is_symlink() {
            std::os::unix::fs::symlink("../../../../bus/pci/drivers/nvidia", driver)?;
        }
        fs::create_dir_all(self.root.join("proc/driver/nvidia/gpus").join(gpu.pci_address()))
    }

    /// Lets the kernel suspend the GPU when nobody uses it.
    ///
    /// # Errors
    ///
    /// Where it was not there.
    pub fn let_sleep(&self, gpu: &Gpu) -> io::Result<()> {
        fs::write(self.device(gpu).join("power/control"), "auto\n")
    }

    /// Takes a GPU from the bus.
    ///
    /// # Errors
    ///
    /// Where it was not there.
    pub fn take(&self, gpu: &Gpu) -> io::Result<()> {
        fs::remove_dir_all(self.device(gpu))?;
        fs::remove_dir_all(self.root.join("proc/driver/nvidia/gpus").join(gpu.pci_address()))
    }

    /// A process with this name and control group.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn process(&self, pid: u32, name: &str, cgroup: &str) -> io::Result<()> {
        let folder = self.root.join("proc").join(pid.to_string());
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join("stat"),
            format!("{pid} ({name}) S 1 {} 100{pid} 0\n", "0 ".repeat(17)),
        )?;
        fs::write(folder.join("comm"), format!("{name}\n"))?;
        fs::write(folder.join("cgroup"), format!("0::{cgroup}\n"))
    }

    /// The driver that is loaded.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn driver(&self, version: &str) -> io::Result<()> {
        let folder = self.root.join("proc/driver/nvidia");
        fs::create_dir_all(&folder)?;
        let text = format!(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release\n"
        );
        fs::write(folder.join("version"), text)
    }

    /// The kernel's memory.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn memory(&self, total_kib: u64, available_kib: u64) -> io::Result<()> {
        fs::create_dir_all(self.root.join("proc"))?;
        let text =
            format!("MemTotal: {total_kib} kB\nMemFree: 1 kB\nMemAvailable: {available_kib} kB\n");
        fs::write(self.root.join("proc/meminfo"), text)
    }

    fn device(&self, gpu: &Gpu) -> PathBuf {
        self.root.join("sys/bus/pci/devices").join(gpu.pci_address())
    }
}
