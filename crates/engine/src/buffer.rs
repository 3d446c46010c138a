//! Contiguous buffers, and a pool of them so that steady state allocates nothing and idle clients own nothing.

/// Bytes that are added at the end and consumed from the start.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

/// Consumed bytes are moved out once there are so many of them and they are the larger part.
const COMPACT: usize = 32 << 10;

impl Buffer {
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.start
    }

    #[inline]
    pub(crate) fn extend(&mut self, more: &[u8]) {
        self.end().extend_from_slice(more);
    }

    /// Where more is to be added.
    #[inline]
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        if self.start > COMPACT && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }
}

/// Spare byte vectors.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    spare: Vec<Vec<u8>>,
    bytes: usize,
}

/// A vector that has grown beyond this is given back to the system.
const KEEP_BYTES: usize = 64 << 10;
/// So many are kept, and so many bytes in all.
const KEEP_COUNT: usize = 4096;
const KEEP_ALL: usize = 4 << 20;

impl Pool {
    /// An empty vector, with room from an earlier use if there is one.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let bytes = self.spare.pop().unwrap_or_default();
        self.bytes -= bytes.capacity();
        bytes
    }

    pub(crate) fn give(&mut self, mut bytes: Vec<u8>) {
        let room = bytes.capacity();
        if room == 0 || room > KEEP_BYTES {
            return;
        }
        if self.spare.len() < KEEP_COUNT && self.bytes + room <= KEEP_ALL {
            bytes.clear();
            self.bytes += room;
            self.spare.push(bytes);
        }
    }

    /// Adds to a buffer, which gets its room from here if it has none.
    #[inline]
    pub(crate) fn extend(&mut self, buffer: &mut Buffer, more: &[u8]) {
        if buffer.bytes.capacity() == 0 {
            buffer.bytes = self.take();
        }
        buffer.extend(more);
    }

    /// Takes the room of an empty buffer back.
    pub(crate) fn reclaim(&mut self, buffer: &mut Buffer) {
        if buffer.is_empty() {
            buffer.start = 0;
            self.give(std::mem::take(&mut buffer.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, COMPACT, Pool};

    #[test]
    fn keeps_what_is_not_consumed() {
        let mut buffer = Buffer::default();
        buffer.extend(b"abcdef");
        buffer.consume(2);
        buffer.extend(b"gh");
        assert_eq!(buffer.data(), b"cdefgh");
        buffer.consume(6);
        assert!(buffer.is_empty());
    }

    #[test]
    fn does_not_grow_under_steady_use() {
        let mut buffer = Buffer::default();
        for _ in 0..10_000 {
            buffer.extend(&[7; 100]);
            buffer.extend(&[8; 100]);
            buffer.consume(100);
            let rest = buffer.len() - 100;
            buffer.consume(rest);
        }
        assert!(buffer.bytes.capacity() < 4 * COMPACT);
    }

    #[test]
    fn an_idle_buffer_owns_nothing() {
        let (mut pool, mut buffer) = (Pool::default(), Buffer::default());
        pool.extend(&mut buffer, b"reply");
        buffer.consume(5);
        pool.reclaim(&mut buffer);
        assert_eq!(buffer.bytes.capacity(), 0);
        assert!(pool.take().capacity() >= 5);
    }
}
