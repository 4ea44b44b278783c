//! Finding attempts by what platforms let their clients ask: contact, label, days, final ones of each
//! contact, and the platform's own name for a call.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, NativeId};
use crate::domain::listing::{AttemptFilter, Finals, Window};
use crate::ledger::attempts::{self, AttemptPage, AttemptRow};
use crate::ledger::counters::allowed_tries;
use crate::ledger::identity;
use crate::ledger::statements::{Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError};

impl Ledger {
    /// Attempts of a campaign that are over, oldest first: so many are skipped, then at most so many
    /// given, but never more than [`MAX_FOUND`].
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn search_attempts(
        &self,
        campaign: Uuid,
        filter: AttemptFilter,
        (skip, limit): (u64, u32),
    ) -> Result<AttemptPage, LedgerError> {
        let window = (skip, limit.min(MAX_FOUND));
        self.read(SearchAttempts { campaign, filter, window }).await
    }

    /// The attempt behind which there is this call.
    pub async fn attempt_of_call(
        &self,
        account: AccountSlug,
        call: NativeId,
    ) -> Result<Option<AttemptRow>, LedgerError> {
        self.read(OfCall { account, call }).await
    }

    /// Attempts that were over before then and whose calls nobody has looked at, those first that
    /// were met first, after this one.
    pub async fn unexplained_attempts(
        &self,
        account: AccountSlug,
        over_before: Timestamp,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<AttemptRow>, LedgerError> {
        self.read(Unexplained { account, over_before, after, limit }).await
    }

    /// Of those the ones that are told somebody between `from` and `until`, the soonest first.
    pub async fn awaited_attempts(
        &self,
        account: AccountSlug,
        over_before: Timestamp,
        (from, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<AttemptRow>, LedgerError> {
        self.read(Awaited { account, over_before, from, until, limit }).await
    }

    /// The newest attempt of these accounts whose call has this name.
    pub async fn find_attempt_by_call(
        &self,
        accounts: Vec<AccountSlug>,
        call: NativeId,
    ) -> Result<Option<AttemptRow>, LedgerError> {
        self.read(FindByCall { accounts, call }).await
    }
}

struct SearchAttempts {
    campaign: Uuid,
    filter: AttemptFilter,
    window: (u64, u32),
}

impl Verb for SearchAttempts {
    type Answer = AttemptPage;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<AttemptPage, LedgerError> {
        let campaign = identity::campaign_id(store, self.campaign).await?;
        let (condition, parameters) = self.filter.condition(campaign);
        attempts::oldest(store, &condition, parameters, self.window).await
    }
}

impl AttemptFilter {
    fn condition(&self, campaign: i64) -> (String, Vec<Value>) {
        let mut conditions = vec!["t.campaign_id = $1 AND t.result <> 'in-progress'".to_owned()];
        let mut parameters: Vec<Value> = vec![campaign.into()];
        let mut and = |before: &str, value: Value, after: &str| {
            parameters.push(value);
            let place = parameters.len();
            conditions.push(format!("{before} ${place}{after}"));
        };
        if let Some(reference) = &self.reference {
            and("t.contact_reference =", Value::key(reference), "");
        }
        if let Some(label) = &self.label {
            let label_of = format!("(SELECT k.label FROM contact k WHERE k.id = {CONTACT}) =");
            and(&label_of, label.as_str().into(), "");
        }
        if let Some(from) = self.from {
            and("t.dialed_at >=", from.into(), "");
        }
        if let Some(until) = self.until {
            and("t.dialed_at <", until.into(), "");
        }
        match &self.finals {
            Finals::Every => {}
            Finals::Last => conditions.push(format!(
                "(t.result = 'success' OR NOT EXISTS (SELECT 1 {OF_SAME_CONTACT} \
                 AND n.list_at > t.list_at AND n.result <> 'in-progress'))"
            )),
            Finals::Finished { attempts_by_place } => conditions.push(format!(
                "(t.contact_reference IS NULL OR t.result = 'success' \
                 OR (NOT EXISTS (SELECT 1 {OF_SAME_CONTACT} AND n.list_at > t.list_at) \
                 AND ((t.result = 'fail' AND NOT t.contact_reusable) \
                 OR (SELECT CASE WHEN w.allowed > 0 THEN w.allowed END \
                 FROM (SELECT {} AS allowed) w) \
                 <= (SELECT COUNT(*) {OF_SAME_CONTACT} AND n.counts_as_attempt))))",
                allowed_tries(attempts_by_place, CONTACT)
            )),
        }
        (conditions.join(" AND "), parameters)
    }
}

/// The contact of attempt `t`. A reference names a subscriber, of whom there may be several contacts; it
/// decides only where the home does not say which one it was.
const CONTACT: &str = "COALESCE(t.contact_id, (SELECT MAX(r.id) FROM contact r \
     WHERE r.campaign_id = t.campaign_id AND r.reference = t.contact_reference))";

/// The attempts `n` of the contact of attempt `t`.
const OF_SAME_CONTACT: &str = "FROM attempt n WHERE n.campaign_id = t.campaign_id \
     AND n.contact_reference = t.contact_reference \
     AND COALESCE(n.contact_id, t.contact_id, 0) = COALESCE(t.contact_id, n.contact_id, 0)";

struct OfCall {
    account: AccountSlug,
    call: NativeId,
}

impl Verb for OfCall {
    type Answer = Option<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<AttemptRow>, LedgerError> {
        let sql = "SELECT t.uuid FROM attempt t JOIN account a ON a.id = t.account_id \
                   WHERE a.slug = $1 AND t.call_id = $2 ORDER BY t.id DESC LIMIT 1";
        match store.row(sql, &[(&self.account).into(), (&self.call).into()]).await? {
            Some(mut row) => attempts::find(store, row.uuid()?).await,
            None => Ok(None),
        }
    }
}

/// Attempts `t` of the account $1 that were over before $2 and whose calls nobody has looked at.
const UNEXPLAINED: &str = "t.account_id = (SELECT id FROM account WHERE slug = $1) \
     AND t.call_id IS NOT NULL AND NOT t.is_explained AND t.result <> 'in-progress' \
     AND COALESCE(t.ended_at, t.list_at) < $2";

struct Unexplained {
    account: AccountSlug,
    over_before: Timestamp,
    after: Option<Uuid>,
    limit: u32,
}

impl Verb for Unexplained {
    type Answer = Vec<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<AttemptRow>, LedgerError> {
        let sql = format!(
            "SELECT t.uuid FROM attempt t WHERE {UNEXPLAINED} \
             AND t.id > COALESCE((SELECT id FROM attempt WHERE uuid = $3), 0) ORDER BY t.id LIMIT $4"
        );
        let parameters: [Value; 4] = [
            (&self.account).into(),
            self.over_before.into(),
            self.after.into(),
            i64::from(self.limit).into(),
        ];
        found(store, &sql, &parameters).await
    }
}

struct Awaited {
    account: AccountSlug,
    over_before: Timestamp,
    from: Timestamp,
    until: Timestamp,
    limit: u32,
}

impl Verb for Awaited {
    type Answer = Vec<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<AttemptRow>, LedgerError> {
        // In this order: few are due then, and no index leads from an attempt to what is told of it.
        let sql = format!(
            "SELECT t.uuid FROM destination n CROSS JOIN delivery d CROSS JOIN event e \
             CROSS JOIN attempt t WHERE d.destination_id = n.id AND d.state = 'pending' \
             AND d.is_redrive = $3 AND d.due_at > $4 AND d.due_at <= $5 AND e.id = d.event_id \
             AND t.id = e.attempt_id AND {UNEXPLAINED} GROUP BY t.uuid \
             ORDER BY MIN(d.due_at) LIMIT $6"
        );
        let parameters: [Value; 6] = [
            (&self.account).into(),
            self.over_before.into(),
            false.into(),
            self.from.into(),
            self.until.into(),
            i64::from(self.limit).into(),
        ];
        found(store, &sql, &parameters).await
    }
}

async fn found<S: Statements>(
    store: &mut S,
    sql: &str,
    parameters: &[Value],
) -> Result<Vec<AttemptRow>, LedgerError> {
    let mut found = Vec::new();
    for mut row in store.rows(sql, parameters).await? {
        found.extend(attempts::find(store, row.uuid()?).await?);
    }
    Ok(found)
}

struct FindByCall {
    accounts: Vec<AccountSlug>,
    call: NativeId,
}

impl Verb for FindByCall {
    type Answer = Option<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<AttemptRow>, LedgerError> {
        let mut newest = None;
        // One look into the index for each account: no database merges several by itself.
        for account in &self.accounts {
            let condition =
                "t.account_id = (SELECT id FROM account WHERE slug = $1) AND t.call_id = $2";
            let parameters = vec![account.into(), (&self.call).into()];
            let window = Window::Offset { offset: 0, limit: 1 };
            let found = attempts::window(store, condition, parameters, window).await?.pop();
            newest = newest.into_iter().chain(found).max_by_key(|row: &AttemptRow| row.list_at);
        }
        Ok(newest)
    }
}

/// Attempts in one answer.
pub const MAX_FOUND: u32 = 2000;
