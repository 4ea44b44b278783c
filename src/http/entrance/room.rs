//! The memory that bodies of requests may hold at once. Bodies that prove something only when they are
//! complete have a quarter of it, those of known clients, of platforms and of operators a quarter each:
//! none of them can take another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Whose share of the memory a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of somebody who has not proved anything yet.
    Unproved,
    Client,
    Platform,
    Operator,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Unproved, Self::Client, Self::Platform, Self::Operator];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Unproved => "unproved",
            Kind::Client => "client",
            Kind::Platform => "platform",
            Kind::Operator => "operator",
        }
    }
}

/// The shares, and what they hold.
#[derive(Default)]
pub struct Room(Mutex<Shares>);

#[derive(Default)]
struct Shares {
    limit_bytes: usize,
    next: u64,
    used_bytes: [usize; Kind::ALL.len()],
    bodies: HashMap<u64, Held>,
}

struct Held {
    kind: Kind,
    bytes: usize,
    /// A body that is complete stays until nobody has it any more.
    is_complete: bool,
    taken: CancellationToken,
}

/// The memory is used up by bodies that cannot make room.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRoom;

/// The memory of one body; free again when it is dropped.
pub struct Place {
    room: Arc<Room>,
    number: u64,
    taken: CancellationToken,
}

impl Room {
    /// Divides so many bytes.
    pub(super) fn limit(&self, bytes: usize) {
        self.lock().limit_bytes = bytes / Kind::ALL.len();
    }

    /// What each kind of body holds now.
    pub fn used_bytes(&self) -> impl Iterator<Item = (Kind, usize)> {
        let used = self.lock().used_bytes;
        Kind::ALL.into_iter().zip(used)
    }

    pub(super) fn place(self: &Arc<Self>, kind: Kind) -> Place {
        let mut shares = self.lock();
        let number = shares.next;
        shares.next += 1;
        let taken = CancellationToken::new();
        let held = Held { kind, bytes: 0, is_complete: false, taken: taken.clone() };
        shares.bodies.insert(number, held);
        Place { room: Arc::clone(self), number, taken }
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Makes the place so large, if need be at the cost of a larger body that is not complete.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut shares = self.room.lock();
        let (kind, held) = match shares.bodies.get(&self.number) {
            Some(held) => (held.kind, held.bytes),
            None => return Err(NoRoom),
        };
        let more = bytes.saturating_sub(held);
        while shares.used_bytes[kind as usize] + more > shares.limit_bytes {
            shares.take_largest(kind, bytes)?;
        }
        shares.used_bytes[kind as usize] += more;
        if let Some(held) = shares.bodies.get_mut(&self.number) {
            held.bytes += more;
        }
        Ok(())
    }

    /// Ends when the place was taken for another body.
    pub(super) async fn taken(&self) {
        self.taken.cancelled().await;
    }

    pub(super) fn complete(&self) {
        if let Some(held) = self.room.lock().bodies.get_mut(&self.number) {
            held.is_complete = true;
        }
    }

    /// Counts it among the bodies of another kind, in memory as it is.
    pub(super) fn count_as(&self, kind: Kind) {
        let mut shares = self.room.lock();
        let Some(held) = shares.bodies.get_mut(&self.number) else { return };
        let (before, bytes) = (std::mem::replace(&mut held.kind, kind), held.bytes);
        shares.used_bytes[before as usize] -= bytes;
        shares.used_bytes[kind as usize] += bytes;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.room.lock();
        // One that was taken is not there any more.
        if let Some(held) = shares.bodies.remove(&self.number) {
            shares.used_bytes[held.kind as usize] -= held.bytes;
        }
    }
}

impl Shares {
    /// Takes the largest place of an incomplete body that is larger than `bytes`.
    fn take_largest(&mut self, kind: Kind, bytes: usize) -> Result<(), NoRoom> {
        let takable = |held: &Held| held.kind == kind && !held.is_complete && held.bytes > bytes;
        let takable = self.bodies.iter().filter(|(_, held)| takable(held));
        let (&number, _) = takable.max_by_key(|(_, held)| held.bytes).ok_or(NoRoom)?;
        let held = self.bodies.remove(&number).ok_or(NoRoom)?;
        self.used_bytes[kind as usize] -= held.bytes;
        held.taken.cancel();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Arc<Room> {
        let room = Arc::new(Room::default());
        room.limit(4 * 100);
        room
    }

    fn used(room: &Room) -> Vec<usize> {
        room.used_bytes().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn the_largest_incomplete_body_makes_room_for_a_smaller_one() {
        let room = room();
        let [large, larger, small] = [40, 60, 1].map(|bytes| (room.place(Kind::Unproved), bytes));
        for (place, bytes) in [&large, &larger] {
            assert_eq!(place.grow(*bytes), Ok(()));
        }
        assert_eq!(small.0.grow(small.1), Ok(()));
        assert!(larger.0.taken.is_cancelled() && !large.0.taken.is_cancelled());
        assert_eq!(used(&room), [41, 0, 0, 0]);
        // It has no place to grow any more, and frees nothing a second time.
        assert_eq!(larger.0.grow(61), Err(NoRoom));
        drop(larger);
        assert_eq!(used(&room), [41, 0, 0, 0]);
        drop((large, small));
        assert_eq!(used(&room), [0; 4]);
    }

    #[test]
    fn complete_bodies_and_other_kinds_stay() {
        let room = room();
        let (complete, other) = (room.place(Kind::Unproved), room.place(Kind::Platform));
        assert_eq!((complete.grow(100), other.grow(100)), (Ok(()), Ok(())));
        complete.complete();
        let late = room.place(Kind::Unproved);
        assert_eq!(late.grow(1), Err(NoRoom));
        complete.count_as(Kind::Client);
        assert_eq!(late.grow(1), Ok(()));
        assert_eq!(used(&room), [1, 100, 100, 0]);
    }

    #[test]
    fn a_body_does_not_drive_out_a_smaller_one() {
        let room = room();
        let (small, large) = (room.place(Kind::Client), room.place(Kind::Client));
        assert_eq!((small.grow(50), large.grow(50)), (Ok(()), Ok(())));
        assert_eq!(large.grow(51), Err(NoRoom));
        assert!(!small.taken.is_cancelled());
    }
}
