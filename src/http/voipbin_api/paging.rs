//! Pages (reference 1.4): newest first, cut by the time of the last row, empty only at the end.

use actix_web::HttpResponse;
use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::listing::AttemptWindow;
use crate::http::voipbin_api::auth::query;
use crate::http::voipbin_api::error::Refused;
use crate::http::voipbin_api::profile::{Profile, parse_timestamp};
use crate::http::voipbin_api::{Call, json};

/// Which page a client wants.
#[derive(Debug, Clone, Copy)]
pub struct Asks {
    pub before: Option<Timestamp>,
    pub size: u32,
}

/// One row of a page: where it stands in the list, and its JSON.
pub struct Row {
    pub list_at: Timestamp,
    pub json: Bytes,
}

impl Asks {
    /// # Errors
    /// When `page_size` is not an integer.
    pub fn of(call: &Call<'_>) -> Result<Self, Refused> {
        let size = query(call.request, "page_size")
            .map(|size| size.trim().parse::<i64>())
            .transpose()
            .map_err(|_| Refused::InvalidParameter("page_size"))?;
        // The platform compares any text; one that is no time is before everything or after it,
        // which nobody can mean: it reads from the beginning.
        let before = query(call.request, "page_token").and_then(|token| parse_timestamp(&token));
        Ok(Self { before, size: call.profile.page_size(size) })
    }

    /// The page of a list of attempts.
    pub fn attempts(self, profile: &Profile) -> AttemptWindow {
        let include_deleted = profile.lists_deleted;
        AttemptWindow { before: self.before, limit: self.size, include_deleted }
    }
}

/// A page of rows, newest first.
pub fn page(rows: &[Row], profile: &Profile) -> HttpResponse {
    let token = rows.last().map(|row| profile.page_token(row.list_at)).unwrap_or_default();
    let length: usize = rows.iter().map(|row| row.json.len() + 1).sum();
    let mut body = Vec::with_capacity(length + 64);
    body.extend_from_slice(b"{\"result\":[");
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&row.json);
    }
    body.extend_from_slice(b"],\"next_page_token\":\"");
    body.extend_from_slice(token.as_bytes());
    body.extend_from_slice(b"\"}");
    json(body.into())
}
