//! Lists that are read live from VoIPBin accounts, page by page, as sources of one merged list.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::gateway::error::GatewayError;
use crate::gateway::exchange::Target;
use crate::gateway::merged::{Listed, SourcePage};
use crate::http::voipbin_api::profile::{HEAD, MAX_PAGE_SIZE, is_sentinel, parse_timestamp};
use crate::http::voipbin_api::{Call, unreadable};
use crate::platforms::{Exchange, Operation};

/// A list of one account.
pub struct Live<'a> {
    pub call: &'a Call<'a>,
    pub account: AccountSlug,
    pub operation: Operation,
    /// `/queues`
    pub path: &'static str,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    result: Option<Vec<&'a RawValue>>,
}

/// What places a row.
#[derive(Deserialize)]
struct Place {
    id: Uuid,
    tm_create: String,
    #[serde(default)]
    tm_delete: Option<String>,
}

impl Live<'_> {
    /// Rows strictly older than `before`, as the platform wrote them.
    ///
    /// # Errors
    /// As every request to a home.
    pub async fn read(
        &self,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<SourcePage<Bytes>, GatewayError> {
        let size = limit.min(MAX_PAGE_SIZE);
        let mut query = form_urlencoded::Serializer::new(format!("page_size={size}"));
        if let Some(before) = before {
            // Either family of timestamps is compared as text there (reference 1.4).
            query.append_pair("page_token", &HEAD.page_token(before));
        }
        let exchange = Exchange::new(self.operation, "GET", self.path).with_query(query.finish());
        let target = Target::Account(self.account.clone());
        let answer = self.call.gateway.exchange(&self.call.asked, target, exchange).await?;
        let page: Page<'_> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
        let raw_rows = page.result.unwrap_or_default();
        // A page that is not full is the last one.
        let is_full = raw_rows.len() >= size as usize;
        let hides_deleted = !self.call.profile.lists_deleted;
        let mut next = None;
        let mut rows = Vec::with_capacity(raw_rows.len());
        for raw in raw_rows {
            let place: Place = serde_json::from_str(raw.get()).map_err(unreadable)?;
            let Some(list_at) = parse_timestamp(&place.tm_create) else {
                let reason = "a row of a list has no time".to_owned();
                return Err(GatewayError::Internal(reason));
            };
            next = Some(list_at);
            let is_deleted = place.tm_delete.is_some_and(|at| !at.is_empty() && !is_sentinel(&at));
            if !(is_deleted && hides_deleted) {
                let row = answer.body.slice_ref(raw.get().as_bytes());
                rows.push(Listed { list_at, id: place.id, row });
            }
        }
        Ok(SourcePage { rows, next: next.filter(|_| is_full) })
    }
}
