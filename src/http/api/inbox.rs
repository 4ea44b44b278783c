//! What was pushed: how much waits, what is in quarantine, and taking that through again.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::ApiScope;
use crate::gateway::inbox::{QuarantineFilter, QuarantineRow};
use crate::http::api::bodies::{Inbox, InboxOverview, Page, ProblemDocument, RowTally};
use crate::http::api::error::Problem;
use crate::http::api::{Api, Body, Takes, account, read, unknown_account};

/// Bodies that one order may name.
const MAX_NAMED: usize = 100;

/// A body or a row in quarantine. What it says is not shown: it holds phone numbers.
#[derive(Serialize, ToSchema)]
pub struct Quarantined {
    pub id: i64,
    pub account: String,
    pub received_at: Timestamp,
    pub reason: String,
    pub bytes: u64,
    /// Whether it was proved to be the platform's.
    pub proved: bool,
}

/// What is taken through processing again: these, or all that are proved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReprocessOrder {
    /// At most 100.
    pub ids: Option<Vec<i64>>,
    #[serde(default)]
    pub all: bool,
    /// All behind this one: `next` of the call before.
    pub after: Option<i64>,
    /// Those that are named may be unproved: the operator vouches for them.
    #[serde(default)]
    pub unproved: bool,
    /// Look, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of it, or would. A call takes 100 bodies at most.
#[derive(Serialize, ToSchema)]
pub struct Reprocess {
    pub dry_run: bool,
    /// Bodies that were looked at.
    pub bodies: u64,
    /// Of these, how many leave the quarantine.
    pub left: u64,
    /// Results that were read in them.
    pub rows: u64,
    /// Give it back as `after` to go on; null at the end.
    pub next: Option<i64>,
}

/// What was pushed to the token's accounts and is not processed, or means nothing.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "accounts", responses(
    (status = 200, body = Inbox),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn overview(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let rows = call.gateway.inbox_counts(&call.operator.accounts).await?;
        let items = rows.into_iter().map(|row| InboxOverview {
            account: row.account.to_string(),
            waiting: row.waiting,
            waiting_since: row.oldest_waiting,
            quarantined: row.quarantined,
            unproved: row.unproved,
            rows: RowTally {
                received: row.rows.received,
                stored: row.rows.stored,
                merged: row.rows.merged,
                quarantined: row.rows.quarantined,
            },
        });
        Ok(Inbox { items: items.collect() })
    })
    .await
}

/// What is in quarantine, oldest first.
#[utoipa::path(get, path = "/api/v1/inbox/quarantine", tag = "accounts", params(
    ("account" = Option<String>, Query, description = "An account of the token's."),
    ("limit" = Option<u32>, Query, description = "Rows at most, 1 to 200; 50."),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
), responses(
    (status = 200, body = Page<Quarantined>),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn quarantine(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes = Takes::words(ApiScope::Read, &["account", "limit", "cursor"]);
    api.answer(&request, takes, async |call| {
        let accounts = match call.word("account").map(account).transpose()? {
            None => call.operator.accounts.clone(),
            Some(slug) if call.operator.accounts.contains(&slug) => vec![slug],
            Some(_) => return Err(unknown_account()),
        };
        let after = call.cursor()?.unwrap_or_default();
        let filter = QuarantineFilter { accounts, ids: None, with_unproved: true, after };
        let rows = call.gateway.quarantined(filter, call.limit()?).await?;
        let last = rows.last().map(|row| row.id.to_string());
        Ok(Page { items: rows.into_iter().map(Quarantined::from).collect(), next_cursor: last })
    })
    .await
}

/// Takes what is in quarantine through processing again: what is understood now is merged as if it had
/// just come, and leaves; the rest stays with its new reason.
#[utoipa::path(post, path = "/api/v1/inbox/reprocess", tag = "accounts",
    request_body = ReprocessOrder, responses(
    (status = 200, body = Reprocess),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn reprocess(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let ReprocessOrder { ids, all, after, unproved, dry_run } = read(&body)?;
        if ids.is_some() == all {
            return Err(Problem::invalid("ids", "either ids or all is expected"));
        }
        if all && unproved {
            let rule = "anybody may have sent what is unproved, so each of it must be named in ids";
            return Err(Problem::invalid("unproved", rule));
        }
        let accounts = call.operator.accounts.clone();
        if let Some(ids) = &ids {
            if !(1..=MAX_NAMED).contains(&ids.len()) {
                return Err(Problem::invalid("ids", &format!("1 to {MAX_NAMED} are expected")));
            }
            let named = call.gateway.named_quarantined(&accounts, ids).await?;
            if let Some(missing) = ids.iter().find(|id| named.iter().all(|row| row.id != **id)) {
                return Err(Problem::invalid("ids", &format!("{missing} is not in quarantine")));
            }
            if let Some(row) = named.iter().find(|row| !row.is_proved && !unproved) {
                let rule = format!("{} is unproved; say `unproved` if you vouch for it", row.id);
                return Err(Problem::invalid("ids", &rule));
            }
        }
        let after = after.unwrap_or_default();
        let filter = QuarantineFilter { accounts, ids, with_unproved: unproved, after };
        let done = call.gateway.reprocess(call.view(), filter, dry_run).await?;
        let (bodies, left, rows, next) = (done.bodies, done.left, done.rows, done.next);
        Ok(Reprocess { dry_run, bodies, left, rows, next })
    })
    .await
}

impl From<QuarantineRow> for Quarantined {
    fn from(row: QuarantineRow) -> Self {
        Self {
            id: row.id,
            account: row.account.to_string(),
            received_at: row.received_at,
            reason: row.reason,
            bytes: row.bytes,
            proved: row.is_proved,
        }
    }
}
