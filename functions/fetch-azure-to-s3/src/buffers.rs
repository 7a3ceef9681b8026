//! Memory that ranges are read into, again and again: got from the system and given back for each, it would have to be paged in for each,
//! which by `perf` was a tenth of a copy's work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Buffers that nobody uses now. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use; goes back where it came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// An empty buffer for so many bytes.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        let mut bytes = self.unused().pop().unwrap_or_default();
        bytes.reserve_exact(length);
        Buffer { bytes, home: self.clone() }
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Whoever panicked with the lock held has left a list all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes, for as long as anybody wants them.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.home.unused().push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_its_last_reader_is_gone() {
        let buffers = Buffers::default();
        let mut first = buffers.take(10);
        let memory = first.as_ref().as_ptr();
        first.extend(b"0123456789");
        let whole = first.freeze();
        let tail = whole.slice(8..);
        drop(whole);
        assert_eq!(&tail[..], b"89");
        assert_ne!(buffers.take(10).as_ref().as_ptr(), memory);
        drop(tail);
        let again = buffers.take(10);
        assert_eq!((again.as_ref().as_ptr(), again.len()), (memory, 0));
    }

    #[test]
    fn a_buffer_grows_to_what_is_asked_of_it() {
        let buffers = Buffers::default();
        drop(buffers.take(1));
        let mut buffer = buffers.take(100);
        let memory = buffer.as_ref().as_ptr();
        buffer.extend(&[7; 100]);
        assert_eq!((buffer.as_ref().as_ptr(), buffer.as_ref()), (memory, &[7; 100][..]));
    }
}
