//! Answers, written through a caller's pointers: the scripted ones, or the bytes of a garbage
//! fault in their place.
//!
//! Every pointer comes from a caller that keeps to `nvml.h`: it points to what its type says, or
//! is null where the header allows that. This is what each `SAFETY` below leans on.

use std::cell::Cell;
use std::ffi::{c_char, c_uint};

use crate::script::code;

thread_local! {
    static GARBAGE: Cell<Option<u8>> = const { Cell::new(None) };
}

/// What the call that is being answered is filled with instead.
pub(crate) fn garbage() -> Option<u8> {
    GARBAGE.get()
}

pub(crate) fn set_garbage(byte: Option<u8>) {
    GARBAGE.set(byte);
}

/// Writes an answer.
pub(crate) fn put<T>(slot: *mut T, value: T) -> Result<(), u32> {
    if slot.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    match garbage() {
        // SAFETY: not null, and the caller's own; it has room for a T.
        Some(byte) => unsafe { slot.cast::<u8>().write_bytes(byte, size_of::<T>()) },
        // SAFETY: not null, and the caller's own.
        None => unsafe { slot.write(value) },
    }
    Ok(())
}

pub(crate) fn put_some<T: Default>(slot: *mut T, value: Option<T>) -> Result<(), u32> {
    match value {
        Some(value) => put(slot, value),
        None if garbage().is_some() => put(slot, T::default()),
        None => Err(code::NOT_SUPPORTED),
    }
}

/// A string, cut where the buffer ends; a garbage one still ends with a NUL.
pub(crate) fn put_text(slot: *mut c_char, length: c_uint, text: &str) -> Result<(), u32> {
    let length = length as usize;
    if slot.is_null() || length == 0 {
        return Err(code::INVALID_ARGUMENT);
    }
    let n = if garbage().is_some() { length - 1 } else { text.len().min(length - 1) };
    match garbage() {
        // SAFETY: the caller's buffer has `length` bytes, and n is less.
        Some(byte) => unsafe { slot.cast::<u8>().write_bytes(byte, n) },
        // SAFETY: the same; text has n bytes.
        None => unsafe { slot.copy_from_nonoverlapping(text.as_ptr().cast(), n) },
    }
    // SAFETY: n is less than `length`.
    unsafe { slot.add(n).write(0) };
    Ok(())
}

/// A list: with too little room, the count that would do and the code that says so, as the real
/// one does.
pub(crate) fn put_list<T>(
    count: *mut c_uint,
    items: *mut T,
    wanted: impl ExactSizeIterator<Item = T>,
) -> Result<(), u32> {
    if count.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and the caller's own.
    let room = unsafe { count.read() } as usize;
    let n = wanted.len();
    put(count, n as c_uint)?;
    if room < n || (room == 0 && garbage().is_some()) {
        return Err(code::INSUFFICIENT_SIZE);
    }
    for (n, item) in wanted.enumerate() {
        // SAFETY: the caller has room for `room` of them, and n is below that.
        put(unsafe { items.add(n) }, item)?;
    }
    Ok(())
}
