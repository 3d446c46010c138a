//! A slot, and the slot of a key (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).

/// One of the 16,384 parts of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many slots there are.
    pub const COUNT: usize = 16_384;

    /// The slot with this number, if there is one.
    pub fn new(number: u16) -> Option<Self> {
        (usize::from(number) < Self::COUNT).then_some(Self(number))
    }

    /// The number, below [`Slot::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
