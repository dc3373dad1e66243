//! The script as the running library knows it: read again when its file changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, ffi, fs, thread, time};

use crate::put::set_garbage;
use crate::script::{Fault, Gpu, Script, code};

/// The script that belongs to this copy of the library.
pub(crate) fn beside(library: &Path) -> PathBuf {
    let mut path = library.as_os_str().to_owned();
    path.push(".json");
    path.into()
}

/// Answers one call: plays the fault that is scripted for it, else lets `speak` answer.
pub(crate) fn answer(symbol: &str, speak: impl FnOnce(&Script) -> Result<(), u32>) -> u32 {
    let script = script();
    note(&script, symbol, None);
    set_garbage(None);
    let played = play(&script.faults, symbol, None);
    played.and_then(|()| speak(&script)).err().unwrap_or(code::SUCCESS)
}

/// The same for a call about one GPU.
pub(crate) fn answer_gpu(
    symbol: &str,
    index: usize,
    speak: impl FnOnce(&Gpu) -> Result<(), u32>,
) -> u32 {
    let script = script();
    note(&script, symbol, Some(index));
    set_garbage(None);
    let answered = play(&script.faults, symbol, None).and_then(|()| {
        // A GPU that the story no longer has fell off the bus.
        let gpu = script.gpus.get(index).ok_or(code::GPU_IS_LOST)?;
        if gone().contains(&index) {
            return Err(code::GPU_IS_LOST);
        }
        play(&gpu.faults, symbol, Some(index)).inspect_err(|error| {
            if *error == code::GPU_IS_LOST && gpu.returns_at_init {
                gone().insert(index);
            }
        })?;
        speak(gpu)
    });
    answered.err().unwrap_or(code::SUCCESS)
}

/// The GPUs that are lost until the library is initialised anew.
static GONE: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

fn gone() -> MutexGuard<'static, BTreeSet<usize>> {
    GONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an initialisation does besides answering.
pub(crate) fn begin() {
    gone().clear();
}

/// The fault of a call, on this GPU or on any.
fn play(faults: &BTreeMap<String, Fault>, symbol: &str, gpu: Option<usize>) -> Result<(), u32> {
    match fault_at(faults, symbol) {
        None => Ok(()),
        Some(Fault::Code(code)) => Err(*code),
        Some(Fault::Garbage(byte)) => {
            set_garbage(Some(*byte));
            Ok(())
        }
        Some(Fault::Hang) => {
            while hangs(symbol, gpu) {
                thread::sleep(time::Duration::from_millis(10));
            }
            Ok(())
        }
        Some(Fault::SleepMs(ms)) => {
            thread::sleep(time::Duration::from_millis(*ms));
            Ok(())
        }
        Some(Fault::Segfault) => loop {
            // The runtime's own handler takes the first one, and restores the default action.
            // SAFETY: raise takes any number, and touches no memory of ours.
            unsafe { raise(SIGSEGV) };
        },
        Some(Fault::Abort) => std::process::abort(),
    }
}

fn fault_at<'a>(faults: &'a BTreeMap<String, Fault>, symbol: &str) -> Option<&'a Fault> {
    faults.get(symbol).or_else(|| faults.get("*"))
}

/// Whether the story still wants the call to hang.
fn hangs(symbol: &str, gpu: Option<usize>) -> bool {
    let script = script();
    let faults = match gpu {
        Some(gpu) => script.gpus.get(gpu).map(|gpu| &gpu.faults),
        None => Some(&script.faults),
    };
    faults.and_then(|faults| fault_at(faults, symbol)) == Some(&Fault::Hang)
}

fn note(script: &Script, symbol: &str, gpu: Option<usize>) {
    let Some(path) = &script.calls else { return };
    if let Ok(mut file) = fs::OpenOptions::new().create(true).append(true).open(path) {
        let gpu = gpu.map_or_else(String::new, |gpu| format!(" {gpu}"));
        let _ = file.write_all(format!("{symbol}{gpu}\n").as_bytes());
    }
}

type Stamp = (i64, i64, u64);

static LAST: Mutex<Option<(Stamp, Arc<Script>)>> = Mutex::new(None);

/// The present script; an unreadable one leaves the last one, or no GPUs at all.
pub(crate) fn script() -> Arc<Script> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let known = last.as_ref().map(|(stamp, script)| (*stamp, Arc::clone(script)));
    let read = path().and_then(|path| {
        let about = fs::metadata(&path).ok()?;
        let stamp = (about.mtime(), about.mtime_nsec(), about.ino());
        if let Some((last, script)) = &known
            && *last == stamp
        {
            return Some((stamp, Arc::clone(script)));
        }
        let script = serde_json::from_slice(&fs::read(&path).ok()?);
        script.map(|script| (stamp, Arc::new(script))).map_err(complain).ok()
    });
    let now = read.or(known).unwrap_or_default();
    *last = Some(now.clone());
    now.1
}

fn complain(error: serde_json::Error) {
    eprintln!("fake NVML: script cannot be read: {error}");
}

fn path() -> Option<PathBuf> {
    env::var_os("FAKE_NVML_SCRIPT").map(PathBuf::from).or_else(|| own_path().map(|at| beside(&at)))
}

const SIGSEGV: c_int = 11;

/// `Dl_info` of dlfcn.h.
#[repr(C)]
struct DlInfo {
    file: *const c_char,
    base: *mut c_void,
    symbol: *const c_char,
    address: *mut c_void,
}

unsafe extern "C" {
    fn raise(signal: c_int) -> c_int;
    fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
}

/// Where this library was loaded from.
fn own_path() -> Option<PathBuf> {
    let mut info = DlInfo {
        file: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol: std::ptr::null(),
        address: std::ptr::null_mut(),
    };
    let here: fn() -> Option<PathBuf> = own_path;
    // SAFETY: the address is that of a function of this library, and info outlives the call.
    let found = unsafe { dladdr(here as *const c_void, &raw mut info) };
    if found == 0 || info.file.is_null() {
        return None;
    }
    // SAFETY: dladdr set it to a string that lives as long as the library is loaded.
    let file = unsafe { CStr::from_ptr(info.file) };
    Some(ffi::OsStr::from_bytes(file.to_bytes()).into())
}
