//! Whether the log of a ledger that nobody has open holds all that was committed to it.
//!
//! SQLite reads a log up to the first page whose checksum is wrong: after a power failure what follows
//! was never answered as done. It reads one that somebody else has written into in the same way, and
//! drops commits that were. But its index outlives a process that is killed, and says how far the log
//! went (<https://sqlite.org/walformat.html>). The index is written after the log was synced, so of the
//! same log it never says more than what is on disk, whenever the power failed.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::Path;

use super::contents::{FRAME_HEADER_BYTES, Index, LOG_HEADER_BYTES, LOG_MAGIC, big, read_index};

/// A log that ends before the last commit that its index names. All numbers are of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutShort {
    pub committed: u32,
    /// From its beginning.
    pub readable: u32,
    /// In the ledger file by now, and in it perhaps: a checkpoint may not have come to its end.
    copied: u32,
    begun: u32,
}

/// How to go on with what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn {
    /// What can be read of the log is newer than the ledger file.
    WithLog,
    /// The ledger file has more than what can be read of the log, which would hide it.
    WithoutLog,
    /// Neither is whole.
    Nowhere,
}

impl CutShort {
    pub fn way_on(self) -> WayOn {
        if self.readable >= self.begun.max(self.copied) {
            WayOn::WithLog
        } else if self.begun <= self.copied {
            WayOn::WithoutLog
        } else {
            WayOn::Nowhere
        }
    }

    /// Pages that are neither in the ledger file nor to be read from the log.
    pub fn lost(self) -> u32 {
        self.committed - self.readable.max(self.copied)
    }
}

/// The two running sums of a log, over all that comes before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Checksum {
    is_big_endian: bool,
    sums: [u32; 2],
}

/// What is missing of a log. Call it before SQLite opens the ledger: it makes a new index.
pub fn cut_short(log: &Path, index: &Path) -> io::Result<Option<CutShort>> {
    let Some(index) = existing(index)? else { return Ok(None) };
    // One that was being written says nothing.
    let Some(index) = read_index(&index)? else { return Ok(None) };
    let readable = match existing(log)? {
        Some(log) => readable(&mut BufReader::new(log), &index)?,
        None => Some(0),
    };
    let Index { frames: committed, copied, begun, .. } = index;
    let cut_short = readable.map(|readable| CutShort { committed, readable, copied, begun });
    Ok(cut_short.filter(|found| {
        // Without any of the log nothing hides what was copied from it.
        found.readable < committed && (found.readable > 0 || copied < committed)
    }))
}

fn existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Pages before the first one that is not as it was written, up to the last commit; None for a log that was
/// begun after the index was written last: after a power failure the index may be an old one.
fn readable(log: &mut BufReader<File>, index: &Index) -> io::Result<Option<u32>> {
    let mut header = [0; LOG_HEADER_BYTES];
    if !fill(log, &mut header)? || big(&header, 0) & !1 != LOG_MAGIC {
        return Ok(Some(0));
    }
    if header[16..24] != index.salts {
        // The first salt counts logs.
        let logs_later = big(&header, 16).wrapping_sub(big(&index.salts, 0));
        return Ok((logs_later == 0 || logs_later > u32::MAX / 2).then_some(0));
    }
    let mut checksum = Checksum { is_big_endian: big(&header, 0) & 1 == 1, sums: [0; 2] };
    checksum.add(&header[..24]);
    if !checksum.is_in(&header[24..]) {
        return Ok(Some(0));
    }
    let page_bytes = usize::try_from(index.page_bytes).map_err(io::Error::other)?;
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    for before in 0..index.frames {
        let is_whole = fill(log, &mut frame)? && frame[8..16] == index.salts && {
            checksum.add(&frame[..8]);
            checksum.add(&frame[FRAME_HEADER_BYTES..]);
            checksum.is_in(&frame[16..24])
        };
        if !is_whole {
            return Ok(Some(before));
        }
    }
    Ok(Some(index.frames))
}

/// False when the log ends before.
fn fill(log: &mut BufReader<File>, bytes: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

impl Checksum {
    /// Over pairs of words.
    fn add(&mut self, bytes: &[u8]) {
        let [mut first, mut second] = self.sums;
        let word = if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        for pair in bytes.as_chunks::<8>().0 {
            let [one, two] =
                [[pair[0], pair[1], pair[2], pair[3]], [pair[4], pair[5], pair[6], pair[7]]];
            first = first.wrapping_add(word(one)).wrapping_add(second);
            second = second.wrapping_add(word(two)).wrapping_add(first);
        }
        self.sums = [first, second];
    }

    /// Whether what is kept says the same.
    fn is_in(&self, kept: &[u8]) -> bool {
        self.sums == [big(kept, 0), big(kept, 4)]
    }
}
