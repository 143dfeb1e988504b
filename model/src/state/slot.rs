//! Which of the branches.

/// How many branches of two-phase resources a configuration has at most, beside the last resource.
pub const SLOTS_MAX: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub u8);

/// A set of branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Slots(u8);

impl Slots {
    pub fn with(self, slot: Slot) -> Slots {
        Slots(self.0 | 1 << slot.0)
    }

    pub fn without(self, slot: Slot) -> Slots {
        Slots(self.0 & !(1 << slot.0))
    }

    pub fn has(self, slot: Slot) -> bool {
        self.0 & 1 << slot.0 != 0
    }

    pub fn has_all(self, others: Slots) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn and(self, others: Slots) -> Slots {
        Slots(self.0 & others.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Slot> {
        (0..SLOTS_MAX).map(Slot).filter(move |slot| self.has(*slot))
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Slots {
        slots.into_iter().fold(Slots::default(), Slots::with)
    }
}
