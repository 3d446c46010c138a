//! Requests rendered beforehand, in one block, so that a batch is one slice of it.

use std::ops::Range;

/// A cycle of requests. Those at its beginning are repeated behind its end, so that a batch never wraps around.
#[derive(Debug)]
pub struct Requests {
    bytes: Vec<u8>,
    /// Where each request begins, and where the last one ends.
    edges: Vec<usize>,
    /// Requests in the cycle, without the repeated ones.
    cycle: usize,
}

impl Requests {
    /// The cycle of `commands`, each a list of words, for batches of up to `batch` requests.
    ///
    /// # Errors
    /// Nothing to ask.
    pub fn new(commands: &[Vec<&[u8]>], batch: usize) -> Result<Self, crate::Error> {
        if commands.is_empty() {
            return Err(crate::Error::Failed("no requests".into()));
        }
        let (mut bytes, mut edges) = (Vec::new(), vec![0]);
        // A batch may begin at the last request.
        for command in commands.iter().cycle().take(commands.len() + batch.max(1) - 1) {
            bytes.extend_from_slice(&testkit::client::encode(command));
            edges.push(bytes.len());
        }
        Ok(Self { bytes, edges, cycle: commands.len() })
    }

    /// How many there are before they repeat.
    pub fn len(&self) -> usize {
        self.cycle
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.cycle == 0
    }

    /// Where the `count` requests from `first` on lie.
    pub fn batch(&self, first: usize, count: usize) -> Range<usize> {
        let first = first % self.cycle;
        self.edges[first]..self.edges[first + count]
    }

    /// The bytes at such a place.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_over_the_end_of_the_cycle() {
        let commands = [vec![&b"A"[..]], vec![&b"BB"[..]]];
        let requests = Requests::new(&commands, 3).unwrap();
        let (a, b) = ("*1\r\n$1\r\nA\r\n", "*1\r\n$2\r\nBB\r\n");
        let batch = |first, count| String::from_utf8_lossy(requests.bytes(requests.batch(first, count))).into_owned();
        assert_eq!(batch(0, 1), a);
        assert_eq!(batch(1, 3), format!("{b}{a}{b}"));
        assert_eq!(batch(2, 2), format!("{a}{b}"));
        assert_eq!(requests.len(), 2);
    }

    #[test]
    fn nothing_to_ask_is_an_error() {
        assert!(Requests::new(&[], 1).is_err());
    }
}
