//! What stands in the files of a ledger: whether anybody but SQLite has written into them.
//!
//! A file that is overwritten in its place stays the same file. But between two checkpoints nobody writes
//! into the ledger file, and the first commit after each checkpoint changes its beginning ([`Mark`]). So
//! that is what the last checkpoint left, or what a newer one does. And the log holds the commit that its
//! index names last. The index is SQLite's (<https://sqlite.org/walformat.html>): every program that
//! writes the ledger as SQLite does keeps it up to date, and is no stranger.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The header of a ledger file, and how it begins.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The header of the log, and what it begins with, but for the last bit.
pub(super) const LOG_HEADER_BYTES: usize = 32;
pub(super) const LOG_MAGIC: u32 = 0x377f_0682;
/// What stands in the log before each page.
pub(super) const FRAME_HEADER_BYTES: usize = 24;
/// What is read of the index: twice the same header, and what checkpoints have done.
const INDEX_HEADER_BYTES: usize = 48;
const INDEX_BYTES: usize = 136;
const INDEX_VERSION: u32 = 3_007_000;
/// Files are read one after the other while they are written. So what does not fit together is read again
/// a few times before it is believed.
const ATTEMPTS: u32 = 4;
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// The ledger's files, open to be read. They are closed after the last connection: SQLite forgets its own
/// locks when any handle on a file is closed.
pub struct Contents {
    main: File,
    log: File,
    index: File,
    known: Mutex<Known>,
}

/// A file that is not what it was left as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwritten {
    Main,
    Log,
}

/// What the first commit after a checkpoint puts into the header of the ledger file, so that a copy that
/// was made before that checkpoint is known by it. SQLite's own counter stays while one connection writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub number: u32,
    /// The state of the log at that checkpoint.
    salts: [u8; 8],
    copied: u32,
}

struct Known {
    main: Main,
    index: Index,
}

/// Of the ledger file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Main {
    bytes: u64,
    header: [u8; HEADER_BYTES],
}

/// Of the index of the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub page_bytes: u64,
    /// In the log, committed.
    pub frames: u32,
    pub salts: [u8; 8],
    /// Frames that checkpoints have copied into the ledger file (`nBackfill`), and those that the last one
    /// began with (`nBackfillAttempted`).
    pub copied: u32,
    pub begun: u32,
}

impl Contents {
    /// Takes what stands there now for right. `main` is the open ledger file.
    pub fn open(main: &File, log: &Path, index: &Path) -> io::Result<Self> {
        let (main, log, index) = (main.try_clone()?, File::open(log)?, File::open(index)?);
        let unread = || io::Error::other("the index of its log cannot be read");
        let known = Known {
            index: (0..ATTEMPTS)
                .find_map(|_| read_index(&index).transpose())
                .ok_or_else(unread)??,
            main: read_main(&main)?,
        };
        Ok(Self { main, log, index, known: Mutex::new(known) })
    }

    /// Answers a file that somebody else has written, if one is.
    pub fn check(&self) -> io::Result<Option<Overwritten>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Err(io::Error::other("the index of its log changes while it is read"));
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(RETRY_INTERVAL);
            }
            let Some(before) = read_index(&self.index)? else { continue };
            let main = read_main(&self.main)?;
            let has_commit = self.has_commit(&before)?;
            let Some(after) = read_index(&self.index)? else { continue };
            found = if !known.explains(&main, &after) {
                Ok(Some(Overwritten::Main))
            } else if !has_commit {
                Ok(Some(Overwritten::Log))
            } else {
                *known = Known { main, index: before };
                return Ok(None);
            };
        }
        found
    }

    pub fn sync_index(&self) -> io::Result<()> {
        self.index.sync_all()
    }

    /// What the next commit is to put into the ledger file, if it is the first after a checkpoint.
    pub fn mark(&self) -> Mark {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Index { salts, copied, .. } = known.index;
        Mark { number: known.main.mark().wrapping_add(1) & Main::MARK_BITS, salts, copied }
    }

    /// Whether the log ends with the last commit, as far as that is not in the ledger file.
    fn has_commit(&self, index: &Index) -> io::Result<bool> {
        let Some(before) = index.frames.checked_sub(1).filter(|_| index.copied < index.frames)
        else {
            return Ok(true);
        };
        let frame_bytes = FRAME_HEADER_BYTES as u64 + index.page_bytes;
        let at = LOG_HEADER_BYTES as u64 + u64::from(before) * frame_bytes;
        let (mut log, mut frame) = ([0; LOG_HEADER_BYTES], [0; FRAME_HEADER_BYTES]);
        let is_there = read_at(&self.log, &mut log, 0)? && read_at(&self.log, &mut frame, at)?;
        Ok(is_there
            && big(&log, 0) & !1 == LOG_MAGIC
            && log[16..24] == index.salts
            && frame[8..16] == index.salts
            && self.log.metadata()?.len() >= at + frame_bytes)
    }
}

impl Known {
    /// Whether the ledger file is what it was, or what a checkpoint made of it since.
    fn explains(&self, main: &Main, index: &Index) -> bool {
        let copying = |index: &Index| (index.salts, index.copied, index.begun);
        let may_have_changed = index.copied < index.begun || copying(index) != copying(&self.index);
        *main == self.main
            || may_have_changed
                && main.header.starts_with(MAGIC)
                && main.mark().wrapping_sub(self.main.mark()) & Main::MARK_BITS
                    <= Main::MARK_BITS / 2
                && (main.bytes >= self.main.bytes
                    || main.bytes >= u64::from(big(&main.header, 28)) * index.page_bytes)
    }
}

impl Main {
    /// It is kept as a whole number that is not negative.
    const MARK_BITS: u32 = 0x7fff_ffff;

    /// SQLite's `user_version`.
    fn mark(&self) -> u32 {
        big(&self.header, 60)
    }
}

/// What is missing is read as zeros.
fn read_main(file: &File) -> io::Result<Main> {
    let mut header = [0; HEADER_BYTES];
    read_at(file, &mut header, 0)?;
    Ok(Main { bytes: file.metadata()?.len(), header })
}

/// None while it is being written.
pub(super) fn read_index(file: &File) -> io::Result<Option<Index>> {
    let mut index = [0; INDEX_BYTES];
    let is_there = read_at(file, &mut index, 0)?;
    let [header, copy] = [0, INDEX_HEADER_BYTES].map(|at| &index[at..at + INDEX_HEADER_BYTES]);
    if !is_there || header != copy || native(header, 0) != INDEX_VERSION || header[12] == 0 {
        return Ok(None);
    }
    let page_bytes = u64::from(u16::from_ne_bytes([header[14], header[15]]));
    let mut salts = [0; 8];
    salts.copy_from_slice(&header[32..40]);
    Ok(Some(Index {
        // The largest one does not fit into its place.
        page_bytes: (page_bytes & 0xfe00) + ((page_bytes & 1) << 16),
        frames: native(header, 16),
        salts,
        copied: native(&index, 96),
        begun: native(&index, 128),
    }))
}

/// False when the file ends before.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn big(bytes: &[u8], at: usize) -> u32 {
    word(bytes, at).map_or(0, u32::from_be_bytes)
}

fn native(bytes: &[u8], at: usize) -> u32 {
    word(bytes, at).map_or(0, u32::from_ne_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}
