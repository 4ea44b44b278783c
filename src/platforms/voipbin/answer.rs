//! An answer of VoIPBin: the object itself, or a page of objects.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::domain::json;
use crate::platforms::{Operation, PlatformError};
use crate::transport::Access;

/// A page's rows with their own bytes; `next` is None at the end.
#[derive(Debug)]
pub struct Page<T> {
    pub rows: Vec<(T, Bytes)>,
    pub next: Option<String>,
    /// Rows that cannot be read and are not in `rows`: one broken object must not hide the others.
    pub unreadable: usize,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow, default)]
    result: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// # Errors
/// When the body is not the object.
pub fn object<T: DeserializeOwned>(
    operation: Operation,
    access: Access,
    body: &[u8],
) -> Result<T, PlatformError> {
    serde_json::from_slice(body).map_err(|_| {
        // The parser's text may quote the document.
        PlatformError::malformed(operation, access, "status 200 with a body that is not the object")
    })
}

/// # Errors
/// When the body is no page.
pub fn page<T: DeserializeOwned>(
    operation: Operation,
    body: &Bytes,
) -> Result<Page<T>, PlatformError> {
    page_of(operation, body, |row| serde_json::from_str(row).ok())
}

/// A page whose rows are read so; a row that cannot be read must not cost the others.
///
/// # Errors
/// When the body is no page.
pub fn page_of<T>(
    operation: Operation,
    body: &Bytes,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Page<T>, PlatformError> {
    let mended = || {
        let mended = json::mended(std::str::from_utf8(body).ok()?).into_owned();
        read_page(&Bytes::from(mended), &read)
    };
    read_page(body, &read).or_else(mended).ok_or_else(|| {
        PlatformError::malformed(operation, Access::Read, "status 200 with a body that is no page")
    })
}

fn read_page<T>(body: &Bytes, read: impl Fn(&str) -> Option<T>) -> Option<Page<T>> {
    let page: RawPage<'_> = serde_json::from_slice(body).ok()?;
    let raw_rows = page.result.unwrap_or_default();
    let count = raw_rows.len();
    let rows: Vec<(T, Bytes)> = raw_rows
        .into_iter()
        .filter_map(|raw| {
            let row = read(raw.get())?;
            Some((row, body.slice_ref(raw.get().as_bytes())))
        })
        .collect();
    // An empty page is the end; so is a page without a token, from which nothing can follow.
    let next = page.next_page_token.filter(|token| count > 0 && !token.is_empty());
    Some(Page { unreadable: count - rows.len(), rows, next })
}

/// A time of either generation; the sentinel of the year 9999 means that it never happened (1.5).
pub fn happened(text: Option<&str>) -> Option<Timestamp> {
    let text = text?.trim();
    let seed = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    let at = text.parse().ok().or_else(|| seed().map(|zoned| zoned.timestamp()))?;
    (!text.starts_with("9999-")).then_some(at)
}
