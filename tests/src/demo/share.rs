//! Which GPUs a model is put on: one where it fits, else as few as it takes.

use std::ops::Range;

/// What a process takes of each GPU that it works on, beside its model.
pub(super) const CONTEXT_BYTES: u64 = 420 << 20;

/// A part of a model on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) gpu: usize,
    pub(super) bytes: u64,
}

/// What is free on some GPUs.
#[derive(Clone, Debug, Default)]
pub(super) struct Room(Vec<Place>);

impl Room {
    /// GPUs on which nothing lies yet.
    pub(super) fn of(gpus: Range<usize>, bytes: u64) -> Self {
        Self(gpus.map(|gpu| Place { gpu, bytes }).collect())
    }

    /// Something lies there, with its process.
    pub(super) fn take(&mut self, place: Place) {
        if let Some(free) = self.0.iter_mut().find(|free| free.gpu == place.gpu) {
            free.bytes = free.bytes.saturating_sub(place.bytes + CONTEXT_BYTES);
        }
    }

    /// A GPU is not to be used.
    pub(super) fn without(mut self, is_out: impl Fn(usize) -> bool) -> Self {
        self.0.retain(|free| !is_out(free.gpu));
        self
    }
}

/// Where so many bytes find room, in equal parts.
pub(super) fn place(room: &Room, bytes: u64) -> Option<Vec<Place>> {
    let mut freest = room.0.clone();
    // Among equals the first one.
    freest.sort_by_key(|free| (std::cmp::Reverse(free.bytes), free.gpu));
    (1..=freest.len()).find_map(|n| {
        let part = bytes.div_ceil(n as u64);
        let chosen = &freest[..n];
        let fits = chosen.iter().all(|free| free.bytes >= part + CONTEXT_BYTES);
        let mut places: Vec<Place> =
            chosen.iter().map(|free| Place { gpu: free.gpu, bytes: part }).collect();
        places.sort_by_key(|place| place.gpu);
        fits.then_some(places)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_fits_lies_on_one_gpu_and_what_does_not_on_as_few_as_it_takes() {
        let mut room = Room::of(4..8, 80 * GIB);
        assert_eq!(place(&room, 40 * GIB), Some(vec![Place { gpu: 4, bytes: 40 * GIB }]));
        room.take(Place { gpu: 4, bytes: 40 * GIB });
        let two = place(&room, 120 * GIB).unwrap();
        assert_eq!(two, [5, 6].map(|gpu| Place { gpu, bytes: 60 * GIB }));
        assert_eq!(place(&room, 400 * GIB), None);
        assert_eq!(place(&room.without(|gpu| gpu != 4), 40 * GIB), None);
    }
}
