//! Messages on their way. A set: in no order, and the same message twice is one that may arrive twice, which is the choice of
//! whoever takes it out or leaves it in.

use super::message::{Message, OfBranch, OfWhole};
use super::slot::Slot;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Network(u64);

impl Network {
    pub fn send(&mut self, message: Message) {
        self.0 |= 1 << message.bit();
    }

    pub fn tell(&mut self, word: OfBranch, slot: Slot) {
        self.send(Message::Of(word, slot));
    }

    pub fn say(&mut self, word: OfWhole) {
        self.send(Message::Whole(word));
    }

    pub fn remove(&mut self, message: Message) {
        self.0 &= !(1 << message.bit());
    }

    pub fn has(&self, word: OfBranch, slot: Slot) -> bool {
        self.carries(Message::Of(word, slot))
    }

    pub fn hears(&self, word: OfWhole) -> bool {
        self.carries(Message::Whole(word))
    }

    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Message> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let bit = u8::try_from(rest.trailing_zeros()).expect("a word has 64 bits");
            let found = (rest != 0).then(|| Message::at(bit));
            rest &= rest.wrapping_sub(1);
            found
        })
    }

    fn carries(&self, message: Message) -> bool {
        self.0 & 1 << message.bit() != 0
    }
}
