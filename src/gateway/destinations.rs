//! What operators do with destinations and deliveries.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::domain::call::Disposition;
use crate::domain::destination::{
    Destination, DestinationFilter, DestinationState, OldSecret, SecretVersions,
};
use crate::domain::ids::AccountSlug;
use crate::forwarding::{Label, NoKey, Parcel, Sent, Shape};
use crate::gateway::WorkerGateway;
use crate::gateway::error::GatewayError;
use crate::gateway::retry;
use crate::ledger::LedgerError;
use crate::ledger::destinations::{DestinationChange, DestinationSettings};
use crate::ledger::journal::JournalEntry;

pub use crate::ledger::deliveries::{DeliveryFilter, DeliveryRow, FailedTry};
pub use crate::ledger::destinations::DestinationRow;
pub use crate::ledger::outbox::DeliveryState;

pub const DEFAULT_CONCURRENCY: u32 = 16;
pub const MAX_CONCURRENCY: u32 = 256;
pub const MAX_RATE_PER_S: u32 = 10_000;
/// Secrets of a destination that still sign beside the newest one.
pub const MAX_OLD_SECRETS: usize = 10;
pub const MAX_NAME_CHARS: usize = 64;
/// Campaigns that a destination names at most.
pub const MAX_NAMED_CAMPAIGNS: usize = 1000;
/// How long an old secret signs beside the new one unless the operator says otherwise.
pub const DEFAULT_OVERLAP: Duration = Duration::from_hours(24);
/// Deliveries that are sent again in one transaction.
const REDRIVEN_AT_ONCE: u32 = 500;
/// Deliveries that one call sends again at most; the next call goes on.
pub const MAX_REDRIVEN: u64 = 100_000;

/// What an operator asks for.
#[derive(Debug, Clone, Default)]
pub struct NewDestination {
    pub name: String,
    pub shape: String,
    pub url: String,
    /// Of the operator's; none named means all of them.
    pub accounts: Vec<AccountSlug>,
    pub campaigns: Vec<Uuid>,
    pub dispositions: Vec<Disposition>,
    pub is_ordered: bool,
    pub rate_per_s: Option<u32>,
    pub concurrency: Option<u32>,
    pub retry_waits_s: Option<Vec<u32>>,
    pub requires_receipt: bool,
}

/// What an operator wants to have otherwise; None stays as it is. An empty list takes all.
#[derive(Debug, Clone, Default)]
pub struct DestinationEdit {
    pub url: Option<String>,
    pub accounts: Option<Vec<AccountSlug>>,
    pub campaigns: Option<Vec<Uuid>>,
    pub dispositions: Option<Vec<Disposition>>,
    /// None inside: as fast as it takes them.
    pub rate_per_s: Option<Option<u32>>,
    pub concurrency: Option<u32>,
    pub retry_waits_s: Option<Vec<u32>>,
    pub requires_receipt: Option<bool>,
}

/// An operator, and the accounts that are theirs.
#[derive(Debug, Clone, Copy)]
pub struct OperatorView<'a> {
    pub name: &'a str,
    pub accounts: &'a [AccountSlug],
}

/// What is done with a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationAction {
    Pause,
    Resume,
    Remove,
    /// A new secret; the one before signs beside it for so long. None: no older one signs any more.
    Rotate {
        overlap: Option<Duration>,
    },
}

impl WorkerGateway {
    /// Destinations all of whose accounts are the operator's, by name.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn destinations(
        &self,
        operator: OperatorView<'_>,
    ) -> Result<Vec<DestinationRow>, GatewayError> {
        let mut rows = self.shared.ledger.destinations().await?;
        rows.retain(|row| {
            row.destination
                .filter
                .accounts
                .iter()
                .all(|account| operator.accounts.contains(account))
        });
        Ok(rows)
    }

    /// # Errors
    /// As [`WorkerGateway::destinations`].
    pub async fn destination(
        &self,
        operator: OperatorView<'_>,
        name: &str,
    ) -> Result<Option<DestinationRow>, GatewayError> {
        let rows = self.destinations(operator).await?;
        Ok(rows.into_iter().find(|row| row.destination.name == name))
    }

    /// Makes a destination. Its address is checked as it is at every delivery.
    ///
    /// # Errors
    /// `Invalid` with the field that is wrong, `Duplicate` when the name is taken, `State` without
    /// master keys.
    pub async fn add_destination(
        &self,
        operator: OperatorView<'_>,
        new: NewDestination,
    ) -> Result<Destination, GatewayError> {
        let shape = Shape::from_term(&new.shape).ok_or_else(|| {
            GatewayError::invalid("shape", "standard, raw or a platform's name is expected")
        })?;
        let is_named = (1..=MAX_NAME_CHARS).contains(&new.name.len())
            && new.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !is_named {
            let rule = "1 to 64 letters, digits, -, _ or . are expected";
            return Err(GatewayError::invalid("name", rule));
        }
        let url = self.checked_url(&new.url).await?;
        check_receipt(shape, new.requires_receipt)?;
        let destination = Destination {
            uuid: self.shared.clock.new_uuid(),
            name: new.name.clone(),
            shape: new.shape.clone(),
            url,
            filter: filter_of(&new, shape, operator)?,
            is_receiver: false,
            requires_receipt: new.requires_receipt,
            is_ordered: new.is_ordered,
            rate_per_s: within("rate_per_s", new.rate_per_s, MAX_RATE_PER_S)?,
            concurrency: within("concurrency", new.concurrency, MAX_CONCURRENCY)?
                .unwrap_or(DEFAULT_CONCURRENCY),
            retry_waits_s: retry::delivery_waits(new.retry_waits_s)?,
            secret: SecretVersions { key: self.newest_key()?, version: 1, old: Vec::new() },
            state: DestinationState::Active,
            reason: None,
        };
        let entry = self.operator_entry(operator, "destination-add", &destination);
        match self.shared.ledger.add_destination(destination.clone(), entry).await {
            Ok(()) => {
                self.shared.outbox.tell_change();
                Ok(destination)
            }
            Err(LedgerError::Conflict(why)) => Err(GatewayError::Duplicate(why)),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets a destination otherwise; its id, its secret and what waits for it stay. Answers it as it is
    /// then, None when there is none.
    ///
    /// # Errors
    /// `Invalid` with the field that is wrong, `State` for what belongs to a client.
    pub async fn set_destination(
        &self,
        operator: OperatorView<'_>,
        name: &str,
        edit: DestinationEdit,
    ) -> Result<Option<Destination>, GatewayError> {
        let Some(row) = self.destination(operator, name).await? else { return Ok(None) };
        let Destination { uuid, is_receiver, is_ordered, filter, shape, .. } = row.destination;
        let is_clients = edit.url.is_some()
            || edit.accounts.is_some()
            || edit.campaigns.is_some()
            || edit.dispositions.is_some();
        if is_receiver && is_clients {
            let why = "address and filters are its client's, who sets them by its own API";
            return Err(GatewayError::State(why.to_owned()));
        }
        let shape = Shape::from_term(&shape)
            .ok_or_else(|| GatewayError::Internal("a destination's shape".to_owned()))?;
        let url = match &edit.url {
            Some(url) => Some(self.checked_url(url).await?),
            None => None,
        };
        let new = NewDestination {
            accounts: edit.accounts.clone().unwrap_or(filter.accounts),
            campaigns: edit.campaigns.clone().unwrap_or(filter.campaigns),
            dispositions: edit.dispositions.clone().unwrap_or(filter.dispositions),
            is_ordered,
            ..NewDestination::default()
        };
        let filter = filter_of(&new, shape, operator)?;
        check_receipt(shape, edit.requires_receipt.unwrap_or_default())?;
        let rate = |rate| within("rate_per_s", rate, MAX_RATE_PER_S);
        let settings = DestinationSettings {
            url,
            accounts: edit.accounts.map(|_| filter.accounts),
            campaigns: edit.campaigns.map(|_| filter.campaigns),
            dispositions: edit.dispositions.map(|_| filter.dispositions),
            rate_per_s: edit.rate_per_s.map(rate).transpose()?,
            concurrency: within("concurrency", edit.concurrency, MAX_CONCURRENCY)?,
            retry_waits_s: edit
                .retry_waits_s
                .map(|w| retry::delivery_waits(Some(w)))
                .transpose()?,
            requires_receipt: edit.requires_receipt,
        };
        let entry = JournalEntry {
            after: Some(name.to_owned()),
            ..self.entry(operator, "destination-set")
        };
        let change = DestinationChange::Settings(Box::new(settings));
        self.shared.ledger.change_destination(uuid, change, entry).await?;
        self.shared.outbox.tell_change();
        // As it is by now: others may have set other members meanwhile.
        let row = self.destination(operator, name).await?;
        Ok(row.map(|row| row.destination))
    }

    async fn checked_url(&self, text: &str) -> Result<Url, GatewayError> {
        let url = Url::parse(text)
            .map_err(|_| GatewayError::invalid("url", "an http or https address is expected"))?;
        let check = self.shared.courier.check(&url).await;
        check.map_err(|why| GatewayError::invalid("url", &why.to_string()))?;
        Ok(url)
    }

    /// Does something with a destination; answers it as it is then, None when there is none.
    ///
    /// # Errors
    /// `State` without master keys, `Quota` when too many secrets still sign.
    pub async fn change_destination(
        &self,
        operator: OperatorView<'_>,
        name: &str,
        action: DestinationAction,
    ) -> Result<Option<Destination>, GatewayError> {
        let Some(row) = self.destination(operator, name).await? else { return Ok(None) };
        let mut destination = row.destination;
        let now = self.shared.clock.wall();
        let (verb, change) = match action {
            DestinationAction::Pause => {
                ("destination-pause", state(&mut destination, DestinationState::Paused))
            }
            DestinationAction::Resume => {
                ("destination-resume", state(&mut destination, DestinationState::Active))
            }
            DestinationAction::Remove => {
                ("destination-remove", state(&mut destination, DestinationState::Removed))
            }
            DestinationAction::Rotate { overlap } => {
                let newest = self.newest_key()?;
                destination.secret = rotated(destination.secret, newest, overlap, now)?;
                ("destination-rotate", DestinationChange::Secret(destination.secret.clone()))
            }
        };
        let entry = self.operator_entry(operator, verb, &destination);
        self.shared.ledger.change_destination(destination.uuid, change, entry).await?;
        self.shared.outbox.tell_change();
        Ok(Some(destination))
    }

    /// What a receiver verifies with.
    ///
    /// # Errors
    /// `State` when the master key that it is made from is not configured.
    pub fn destination_secret(
        &self,
        destination: &Destination,
    ) -> Result<SecretString, GatewayError> {
        self.shared.courier.secret(destination).map_err(without_key)
    }

    /// Sends a trial, whatever the destination's state; it is not a delivery.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn try_destination(
        &self,
        operator: OperatorView<'_>,
        name: &str,
    ) -> Result<Option<Sent>, GatewayError> {
        let Some(row) = self.destination(operator, name).await? else { return Ok(None) };
        let id = format!("trial-{}", self.shared.clock.new_uuid().simple());
        let sent = self.shared.courier.send(&row.destination, Label::of(&id), Parcel::Trial).await;
        Ok(Some(sent))
    }

    /// Deliveries of events of the operator's accounts, newest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn deliveries(
        &self,
        filter: DeliveryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, GatewayError> {
        Ok(self.shared.ledger.list_deliveries(filter, before, limit).await?)
    }

    /// The tries of a delivery that failed, oldest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn failed_tries(&self, number: i64) -> Result<Vec<FailedTry>, GatewayError> {
        Ok(self.shared.ledger.failed_tries(number).await?)
    }

    /// How many deliveries a redrive would send again.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn count_redrivable(&self, filter: DeliveryFilter) -> Result<u64, GatewayError> {
        Ok(self.shared.ledger.count_redrivable(filter).await?)
    }

    /// Sends deliveries again that have ended, at most `rate_per_s`, the newest first; at most
    /// [`MAX_REDRIVEN`] of them. Answers how many.
    ///
    /// # Errors
    /// When the ledger does not answer; what was done before stays done.
    pub async fn redrive(
        &self,
        operator: OperatorView<'_>,
        filter: DeliveryFilter,
        rate_per_s: Option<u32>,
    ) -> Result<u64, GatewayError> {
        let rate_per_s = within("rate_per_s", rate_per_s, MAX_RATE_PER_S)?;
        let gap_us = rate_per_s.map_or(0, |rate| 1_000_000 / i64::from(rate));
        let (mut redriven, mut before) = (0, None);
        let mut from = self.shared.clock.now();
        while redriven < MAX_REDRIVEN {
            let ledger = &self.shared.ledger;
            let step =
                ledger.redrive(filter.clone(), before, REDRIVEN_AT_ONCE, (from, gap_us)).await?;
            let (count, Some(last)) = step else { break };
            redriven += count;
            before = Some(last);
            let span_us = gap_us.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
            from += jiff::SignedDuration::from_micros(span_us);
        }
        let mut entry = self.entry(operator, "deliveries-redrive");
        entry.reason = Some(format!("{redriven} deliveries"));
        self.shared.ledger.append_journal(entry).await?;
        self.shared.outbox.tell();
        Ok(redriven)
    }

    fn newest_key(&self) -> Result<u32, GatewayError> {
        self.shared.courier.newest_key().map_err(without_key)
    }

    fn operator_entry(
        &self,
        operator: OperatorView<'_>,
        action: &str,
        destination: &Destination,
    ) -> JournalEntry {
        let after = Some(destination.name.clone());
        JournalEntry { after, ..self.entry(operator, action) }
    }

    fn entry(&self, operator: OperatorView<'_>, action: &str) -> JournalEntry {
        JournalEntry::new(self.shared.clock.now(), operator.name, action)
    }
}

/// The secrets after a rotation: those whose overlap has not ended go on signing.
fn rotated(
    secret: SecretVersions,
    newest_key: u32,
    overlap: Option<Duration>,
    now: Timestamp,
) -> Result<SecretVersions, GatewayError> {
    let SecretVersions { key, version, old } = secret;
    let Some(overlap) = overlap else {
        return Ok(SecretVersions { key: newest_key, version: version + 1, old: Vec::new() });
    };
    let replaced = OldSecret { key, version, until: now + overlap };
    let old: Vec<OldSecret> =
        std::iter::once(replaced).chain(old).filter(|old| old.until > now).collect();
    if old.len() > MAX_OLD_SECRETS {
        let reason =
            format!("{MAX_OLD_SECRETS} older secrets still sign; wait until one has ended");
        return Err(GatewayError::Quota { reason, retry_after: None });
    }
    Ok(SecretVersions { key: newest_key, version: version + 1, old })
}

/// Only a platform whose receivers answer in words of its own has a receipt.
fn check_receipt(shape: Shape, requires: bool) -> Result<(), GatewayError> {
    if requires && !shape.has_receipt() {
        let rule = "receivers of this shape answer with a status alone";
        return Err(GatewayError::invalid("require_ret_code", rule));
    }
    Ok(())
}

fn without_key(why: NoKey) -> GatewayError {
    GatewayError::State(why.to_string())
}

fn state(destination: &mut Destination, state: DestinationState) -> DestinationChange {
    destination.state = state;
    destination.reason = None;
    DestinationChange::State { state, reason: None }
}

fn filter_of(
    new: &NewDestination,
    shape: Shape,
    operator: OperatorView<'_>,
) -> Result<DestinationFilter, GatewayError> {
    if let Some(foreign) = new.accounts.iter().find(|slug| !operator.accounts.contains(slug)) {
        let rule = format!("{foreign} is not one of the token's accounts");
        return Err(GatewayError::invalid("accounts", &rule));
    }
    if new.campaigns.len() > MAX_NAMED_CAMPAIGNS {
        return Err(GatewayError::invalid("campaigns", "at most 1000 are expected"));
    }
    if shape == Shape::Raw && !(new.campaigns.is_empty() && new.dispositions.is_empty()) {
        let rule = "a raw destination gets pushes unread; it can be told apart by account only";
        return Err(GatewayError::invalid("shape", rule));
    }
    if shape == Shape::Raw && new.is_ordered {
        return Err(GatewayError::invalid("ordered", "a raw destination has no order"));
    }
    let all = || operator.accounts.to_vec();
    let accounts = if new.accounts.is_empty() { all() } else { new.accounts.clone() };
    let dispositions = told(shape, &new.dispositions);
    if dispositions.is_empty() && !new.dispositions.is_empty() {
        let rule = "this shape cannot say that a call is under way";
        return Err(GatewayError::invalid("dispositions", rule));
    }
    Ok(DestinationFilter { accounts, campaigns: new.campaigns.clone(), dispositions })
}

/// The dispositions that a destination of a shape takes, of those that are asked for (none: all).
pub(super) fn told(shape: Shape, asked: &[Disposition]) -> Vec<Disposition> {
    if shape.tells_unfinished() {
        return asked.to_vec();
    }
    let all = if asked.is_empty() { &Disposition::ALL[..] } else { asked };
    all.iter().copied().filter(|disposition| *disposition != Disposition::InProgress).collect()
}

fn within(field: &str, value: Option<u32>, most: u32) -> Result<Option<u32>, GatewayError> {
    match value {
        Some(value) if !(1..=most).contains(&value) => {
            Err(GatewayError::invalid(field, &format!("1 to {most} is expected")))
        }
        value => Ok(value),
    }
}
