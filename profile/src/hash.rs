//! Values by their hashes, so that counting them needs eight bytes each.

use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

/// 64 bits of a value, the same in every run. Among a million values two fall together once in 37 million files.
pub(crate) fn of(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(value);
    hasher.finish()
}

/// The hash of a sequence of values, by the hash of all before the last and that of the last.
pub(crate) fn join(before: u64, last: u64) -> u64 {
    let mixed = (before.rotate_left(23) ^ last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

/// Takes a hash as it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are hashed by it");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type Build = BuildHasherDefault<AsItIs>;
