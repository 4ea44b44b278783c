//! One list out of several: rows of all sources, newest first, in pages that join without a gap.
//!
//! A reader goes on with the time of the last row that it got and is given what is strictly older.
//! So a page may only end between two different times, and only where every source has told all
//! that is newer; it is empty only at the end of all sources. What a source has not told yet is
//! asked for while it is needed, and no further.

use std::cmp::Reverse;
use std::collections::HashSet;

use futures_util::future::{LocalBoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::gateway::error::GatewayError;

/// A row and its place: its time, and among rows of one time its id.
#[derive(Debug, Clone)]
pub struct Listed<R> {
    pub list_at: Timestamp,
    pub id: Uuid,
    pub row: R,
}

/// Rows of one source, newest first.
#[derive(Debug, Clone)]
pub struct SourcePage<R> {
    pub rows: Vec<Listed<R>>,
    /// Everything newer than this has been told, rows of this very time may be missing; None: there
    /// are no more.
    pub next: Option<Timestamp>,
}

impl<R> SourcePage<R> {
    /// The same places with other rows.
    pub fn map<S>(self, into: impl Fn(R) -> S) -> SourcePage<S> {
        let map = |Listed { list_at, id, row }| Listed { list_at, id, row: into(row) };
        SourcePage { rows: self.rows.into_iter().map(map).collect(), next: self.next }
    }
}

/// Where rows come from; any `async |before, limit| …` closure is one.
pub trait Source<R> {
    /// At most `limit` rows strictly older than `before` (None: from the newest); fewer where the
    /// source's own pages are shorter.
    fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, R>;
}

/// A source being asked.
pub type Reading<'a, R> = LocalBoxFuture<'a, Result<SourcePage<R>, GatewayError>>;

/// Pages that one source is asked for at most while one page is made.
pub const MAX_PAGES_PER_SOURCE: usize = 8;

/// What a source is asked for when it has to go on, at least: rows of one time that a small page cuts
/// through fit into it.
const NEXT_PAGE_ROWS: u32 = 100;

/// Times have microseconds: what is older than this much after a time includes that time.
pub const TICK: SignedDuration = SignedDuration::from_micros(1);

/// At most `limit` rows (at least 1) strictly older than `before`, empty only at the end. More rows
/// than `limit` come only when they all have one time. Of rows with one id the first source's
/// counts.
///
/// # Errors
/// The first source that cannot answer: a list with a hole would be a wrong list.
pub async fn merged<R>(
    sources: &[&dyn Source<R>],
    before: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<Listed<R>>, GatewayError> {
    let limit = limit.max(1);
    // One more than wanted shows whether the last row's time goes on.
    let asked = limit.saturating_add(1);
    let mut merging = Merging { rows: Vec::new(), seen: HashSet::new(), next: Vec::new() };
    for page in join_all(sources.iter().map(|source| source.page(before, asked))).await {
        let page = page?;
        merging.next.push(page.next);
        merging.take(page.rows);
    }
    for _ in 1..MAX_PAGES_PER_SOURCE {
        let horizon = merging.horizon();
        if let Some(end) = merging.end(horizon, limit as usize) {
            return Ok(merging.cut(end));
        }
        merging.read_on(sources, horizon, asked.max(NEXT_PAGE_ROWS)).await?;
    }
    let told = merging.told(merging.horizon());
    if told == 0 {
        return Err(GatewayError::unavailable("a list could not be read to its next row"));
    }
    Ok(merging.cut(told))
}

struct Merging<R> {
    /// Newest first.
    rows: Vec<Listed<R>>,
    seen: HashSet<Uuid>,
    /// How far each source has told.
    next: Vec<Option<Timestamp>>,
}

impl<R> Merging<R> {
    fn take(&mut self, rows: Vec<Listed<R>>) {
        let seen = &mut self.seen;
        self.rows.extend(rows.into_iter().filter(|row| seen.insert(row.id)));
        self.rows.sort_by_key(|row| Reverse((row.list_at, row.id)));
    }

    /// Rows newer than this are all here; None: all rows are.
    fn horizon(&self) -> Option<Timestamp> {
        self.next.iter().flatten().max().copied()
    }

    /// How many rows are certain to come first.
    fn told(&self, horizon: Option<Timestamp>) -> usize {
        self.rows.partition_point(|row| horizon.is_none_or(|horizon| row.list_at > horizon))
    }

    /// Where the page ends; None: not enough is known yet.
    fn end(&self, horizon: Option<Timestamp>, limit: usize) -> Option<usize> {
        let told = self.told(horizon);
        if told < limit {
            return horizon.is_none().then_some(told);
        }
        let last = self.rows[limit - 1].list_at;
        if self.rows.get(limit).is_none_or(|following| following.list_at != last) {
            return Some(limit);
        }
        match self.rows.partition_point(|row| row.list_at > last) {
            0 => Some(self.rows.partition_point(|row| row.list_at >= last)),
            newer => Some(newer),
        }
    }

    /// Asks the sources that keep the horizon where it is for what comes next, at its time too.
    async fn read_on(
        &mut self,
        sources: &[&dyn Source<R>],
        horizon: Option<Timestamp>,
        limit: u32,
    ) -> Result<(), GatewayError> {
        let Some(horizon) = horizon else { return Ok(()) };
        let held = self.next.iter().enumerate().filter(|(_, next)| **next == Some(horizon));
        let held: Vec<usize> = held.map(|(index, _)| index).collect();
        let before = horizon.checked_add(TICK).unwrap_or(horizon);
        let pages = join_all(held.iter().map(|&index| sources[index].page(Some(before), limit)));
        for (index, page) in held.iter().zip(pages.await) {
            let mut page = page?;
            if page.next == Some(horizon) {
                // More rows of one time than the source puts on a page: what it would not tell
                // anybody, it cannot tell us. Go on behind them.
                self.take(page.rows);
                page = sources[*index].page(Some(horizon), limit).await?;
            }
            self.next[*index] = page.next;
            self.take(page.rows);
        }
        Ok(())
    }

    fn cut(mut self, end: usize) -> Vec<Listed<R>> {
        self.rows.truncate(end);
        self.rows
    }
}

impl<R, F> Source<R> for F
where
    F: AsyncFn(Option<Timestamp>, u32) -> Result<SourcePage<R>, GatewayError>,
{
    fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, R> {
        Box::pin(self(before, limit))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A list with pages of its own size, as a platform would answer it.
    #[derive(Debug)]
    struct Shelf {
        /// Newest first.
        rows: Vec<(Timestamp, Uuid)>,
        page_rows: usize,
        asked: Cell<usize>,
    }

    impl Shelf {
        fn new(number: u128, times: &[i64], page_rows: usize) -> Self {
            let mut rows: Vec<_> = times
                .iter()
                .zip(1_u128..)
                .map(|(&time, index)| {
                    let at = Timestamp::from_microsecond(time).expect("a time");
                    (at, Uuid::from_u128(number << 64 | index))
                })
                .collect();
            rows.sort_by(|a, b| b.cmp(a));
            Self { rows, page_rows, asked: Cell::new(0) }
        }
    }

    impl Source<()> for Shelf {
        fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, ()> {
            self.asked.set(self.asked.get() + 1);
            let size = self.page_rows.min(limit as usize);
            let older = self.rows.iter().filter(|(at, _)| before.is_none_or(|before| *at < before));
            let rows: Vec<Listed<()>> =
                older.take(size).map(|&(list_at, id)| Listed { list_at, id, row: () }).collect();
            let next = rows.last().map(|row| row.list_at).filter(|_| rows.len() == size);
            Box::pin(std::future::ready(Ok(SourcePage { rows, next })))
        }
    }

    fn read(shelves: &[Shelf], before: Option<Timestamp>, limit: u32) -> Vec<Listed<()>> {
        let sources: Vec<&dyn Source<()>> = shelves.iter().map(|shelf| shelf as _).collect();
        let page = futures_util::FutureExt::now_or_never(merged(&sources, before, limit));
        page.expect("nothing waits").expect("a page")
    }

    fn read_all(shelves: &[Shelf], limit: u32) -> Vec<Vec<Listed<()>>> {
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = read(shelves, before, limit);
            let Some(last) = page.last() else { return pages };
            before = Some(last.list_at);
            pages.push(page);
        }
    }

    proptest! {
        #[test]
        fn every_row_comes_once_in_order_and_in_full_pages(
            lists in prop::collection::vec(
                (prop::collection::vec(0_i64..40, 0..60), 5_usize..40), 0..4),
            limit in 1_u32..12,
        ) {
            // At most four rows of one time on a shelf: fewer than any of its pages.
            let shelves: Vec<Shelf> = lists.iter().zip(0_u128..).map(|((times, page), number)| {
                let mut count = BTreeMap::new();
                let few = |time: &&i64| { let n = count.entry(**time).or_insert(0); *n += 1; *n <= 4 };
                let times: Vec<i64> = times.iter().filter(few).copied().collect();
                Shelf::new(number, &times, *page)
            }).collect();
            let mut expected: Vec<_> = shelves.iter().flat_map(|shelf| shelf.rows.clone()).collect();
            expected.sort_by(|a, b| b.cmp(a));
            let pages = read_all(&shelves, limit);
            let got: Vec<_> = pages.iter().flatten().map(|row| (row.list_at, row.id)).collect();
            prop_assert_eq!(&got, &expected);
            let mut at = 0;
            for page in &pages {
                let one_time = page[0].list_at == page[page.len() - 1].list_at;
                prop_assert!(page.len() <= limit as usize || one_time);
                at += page.len();
                // A page is short only at the end, or because the next time does not fit whole.
                let rest = &expected[at..];
                if let Some((next, _)) = rest.first() {
                    let tied = rest.iter().take_while(|(time, _)| time == next).count();
                    prop_assert!(page.len() + tied > limit as usize);
                }
            }
        }

        #[test]
        fn no_source_is_asked_for_more_than_is_needed(
            lists in prop::collection::vec((0_i64..50, 3_usize..40), 1..4),
            limit in 1_u32..12,
        ) {
            // All times differ.
            let shelves: Vec<Shelf> = lists.iter().zip(0_i64..).map(|((count, page), number)| {
                let times: Vec<i64> = (0..*count).map(|i| i * 4 + number).collect();
                Shelf::new(u128::from(number.unsigned_abs()), &times, *page)
            }).collect();
            let page = read(&shelves, None, limit);
            for (shelf, number) in shelves.iter().zip(0_u128..) {
                let given = page.iter().filter(|row| row.id.as_u128() >> 64 == number).count();
                let needed = given / (shelf.page_rows - 1);
                prop_assert!(shelf.asked.get() <= needed + 1, "{} pages", shelf.asked.get());
            }
        }
    }

    #[test]
    fn a_crowd_of_one_time_never_stops_the_reader() {
        // Seven rows of one time, three on a page: no one can get all of them, but what is older comes.
        let shelves = [Shelf::new(0, &[9, 5, 5, 5, 5, 5, 5, 5, 1], 3)];
        let pages = read_all(&shelves, 2);
        let times: Vec<i64> =
            pages.iter().flatten().map(|row| row.list_at.as_microsecond()).collect();
        assert_eq!((times.first(), times.last()), (Some(&9), Some(&1)));
    }

    #[test]
    fn the_first_source_speaks_for_an_id() {
        let page = read(&[Shelf::new(0, &[5], 9), Shelf::new(0, &[5], 9)], None, 10);
        assert_eq!(page.len(), 1);
        assert!(read(&[], None, 10).is_empty());
    }

    #[tokio::test]
    async fn a_source_that_fails_fails_the_list() {
        let shelf = Shelf::new(0, &[5], 9);
        let broken = async |_: Option<Timestamp>, _: u32| Err(GatewayError::unavailable("gone"));
        let list = merged(&[&shelf, &broken], None, 10).await;
        assert_eq!(list.map(|rows| rows.len()), Err(GatewayError::unavailable("gone")));
    }
}
