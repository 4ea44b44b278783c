//! Finding attempts by what platforms let their clients ask: contact, label, days, last of each
//! contact, and the platform's own name for a call.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, NativeId};
use crate::domain::listing::{AttemptFilter, Window};
use crate::ledger::attempts::{self, AttemptPage, AttemptRow};
use crate::ledger::identity;
use crate::ledger::statements::{Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError};

impl Ledger {
    /// Attempts of a campaign that are over, newest first.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn search_attempts(
        &self,
        campaign: Uuid,
        filter: AttemptFilter,
        window: Window,
    ) -> Result<AttemptPage, LedgerError> {
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
    /// were met first.
    pub async fn unexplained_attempts(
        &self,
        account: AccountSlug,
        over_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<AttemptRow>, LedgerError> {
        self.read(Unexplained { account, over_before, limit }).await
    }

    /// The newest attempt of these accounts with `/call/` in its native name.
    pub async fn find_attempt_by_call(
        &self,
        accounts: Vec<AccountSlug>,
        call: String,
    ) -> Result<Option<AttemptRow>, LedgerError> {
        self.read(FindByCall { accounts, call }).await
    }
}

struct SearchAttempts {
    campaign: Uuid,
    filter: AttemptFilter,
    window: Window,
}

impl Verb for SearchAttempts {
    type Answer = AttemptPage;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<AttemptPage, LedgerError> {
        let campaign = identity::campaign_id(store, self.campaign).await?;
        let (condition, parameters) = self.filter.condition(campaign);
        attempts::page(store, &condition, parameters, self.window).await
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
            and("t.contact_reference =", reference.as_str().into(), "");
        }
        if let Some(label) = &self.label {
            let contact = "EXISTS (SELECT 1 FROM contact k WHERE k.campaign_id = t.campaign_id \
                           AND k.reference = t.contact_reference AND k.label =";
            and(contact, label.as_str().into(), ")");
        }
        if let Some(from) = self.from {
            and("t.dialed_at >=", from.into(), "");
        }
        if let Some(until) = self.until {
            and("t.dialed_at <", until.into(), "");
        }
        if self.last_of_contact {
            conditions.push(
                "NOT EXISTS (SELECT 1 FROM attempt n WHERE n.campaign_id = t.campaign_id \
                 AND n.contact_reference = t.contact_reference AND n.list_at > t.list_at \
                 AND n.result <> 'in-progress')"
                    .to_owned(),
            );
        }
        (conditions.join(" AND "), parameters)
    }
}

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

struct Unexplained {
    account: AccountSlug,
    over_before: Timestamp,
    limit: u32,
}

impl Verb for Unexplained {
    type Answer = Vec<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<AttemptRow>, LedgerError> {
        let sql = "SELECT t.uuid FROM attempt t WHERE t.account_id = (SELECT id FROM account \
                   WHERE slug = $1) AND t.call_id IS NOT NULL AND NOT t.is_explained \
                   AND t.result <> 'in-progress' AND COALESCE(t.ended_at, t.list_at) < $2 \
                   ORDER BY t.id LIMIT $3";
        let parameters: [Value; 3] =
            [(&self.account).into(), self.over_before.into(), i64::from(self.limit).into()];
        let mut found = Vec::new();
        for mut row in store.rows(sql, &parameters).await? {
            found.extend(attempts::find(store, row.uuid()?).await?);
        }
        Ok(found)
    }
}

struct FindByCall {
    accounts: Vec<AccountSlug>,
    call: String,
}

impl Verb for FindByCall {
    type Answer = Option<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<AttemptRow>, LedgerError> {
        if self.accounts.is_empty() || self.call.len() > MAX_CALL_BYTES {
            return Ok(None);
        }
        let mut parameters: Vec<Value> = self.accounts.iter().map(Value::from).collect();
        let accounts = placeholders(1, parameters.len());
        let mut pattern = String::from("%/");
        for c in self.call.chars() {
            if matches!(c, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(c);
        }
        pattern.push_str("/%");
        parameters.push(pattern.as_str().into());
        let condition =
            format!("a.slug IN ({accounts}) AND t.native LIKE ${} ESCAPE '!'", parameters.len());
        let window = Window::Offset { offset: 0, limit: 1 };
        Ok(attempts::page(store, &condition, parameters, window).await?.attempts.pop())
    }
}

/// Longest name of a call that is looked for.
const MAX_CALL_BYTES: usize = 256;
