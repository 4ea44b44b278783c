//! Starts and stops: what is wanted of a campaign, whose turn it is to ask its home for that, and what
//! came of it.
//!
//! A wish is named by the entry of the journal that tells of it, so a newer one has a greater name. The
//! entry tells the wish before it, and the entry by which a wish came to nothing tells that wish: so what
//! is wanted when one is refused is found, whatever else was refused meanwhile ([`standing`]).
//! One at a time asks the home, over all processes: whoever has the *turn*. While it is somebody's, or
//! ran out without an end, what is seen on the platform may be what we asked for, so it is no change
//! from outside.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity};
use crate::ledger::directory::{OF_CAMPAIGN, Snapshot, refresh};
use crate::ledger::journal::{self, JournalEntry, Wishes};
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};
use crate::ledger::{identity, objects};

mod standing;

use standing::{Told, standing, start_of};

/// The turn to ask a campaign's home, as somebody wants it.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub by: Uuid,
    pub until: Timestamp,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SteeringTurn {
    /// The claimer's.
    Ours,
    /// Somebody else's, until then at the latest.
    Others(Timestamp),
    /// Nobody was given it, because something else is wanted by now.
    NotWanted,
}

/// What is wanted of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub desired: CampaignStatus,
    /// None: nobody has wished yet.
    pub number: Option<i64>,
    /// By which operation, as the journal calls it.
    pub action: Option<String>,
}

/// A wish that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wished {
    pub number: i64,
    /// What was wanted until now.
    pub before: CampaignStatus,
    pub turn: SteeringTurn,
    /// In whose words a client's document is kept of a campaign that is to run; None: there is none.
    /// Whoever keeps a first one after this finds the wish.
    pub kept_in: Option<String>,
}

/// How a campaign stands after something was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub actual: CampaignStatus,
    /// It runs and is wanted stopped, by a wish that is newer than the start. The turn is not ended:
    /// whoever has it stops the campaign.
    pub runs_unwanted: bool,
}

/// A campaign of which nobody knows what came of a start or a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    pub campaign: Uuid,
    pub account: AccountSlug,
}

impl Ledger {
    /// Records what a client wants of a campaign, and journals it, before the platform is asked; with
    /// `claim` the turn is taken if it is free. `before` and `after` of the entry are filled in.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign, `Moved` when its home is not the one that is about to
    /// be asked.
    pub async fn record_desired_status(
        &self,
        campaign: &CampaignIdentity,
        desired: CampaignStatus,
        entry: JournalEntry,
        claim: Option<Claim>,
    ) -> Result<Wished, LedgerError> {
        let (campaign, home_epoch) = (campaign.uuid, campaign.home_epoch);
        self.write(RecordDesired { campaign, home_epoch, desired, entry, claim }).await
    }

    /// Takes a wish back that was refused or not sent, and ends the turn of `by`. If it is still what is
    /// wanted, what was wanted before it is wanted again, without what was refused meanwhile; if not,
    /// nobody will go back to it. The entry is journalled in any case. Answers whether it was.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign or wish.
    pub async fn withdraw_wish(
        &self,
        campaign: Uuid,
        wish: i64,
        entry: JournalEntry,
        by: Option<Uuid>,
    ) -> Result<bool, LedgerError> {
        self.write(WithdrawWish { campaign, wish, entry, by }).await
    }

    /// Wishes for another state for good if `wish` is still what is wanted, and ends the turn of `by`; a
    /// start that it stands for came to nothing. The entry is journalled in any case. Answers whether it
    /// was.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn replace_wish(
        &self,
        campaign: Uuid,
        wish: Option<i64>,
        desired: CampaignStatus,
        entry: JournalEntry,
        by: Option<Uuid>,
    ) -> Result<bool, LedgerError> {
        self.write(ReplaceWish { campaign, wish, desired, entry, by }).await
    }

    /// What is wanted of a campaign now.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn wish(&self, campaign: Uuid) -> Result<Wish, LedgerError> {
        self.read(FindWish { campaign }).await
    }

    /// Takes the turn if it is free, ran out or is the claimer's already; with `if_wanted` only while
    /// that is what is wanted.
    ///
    /// # Errors
    /// As [`Ledger::record_desired_status`].
    pub async fn claim_steering(
        &self,
        campaign: &CampaignIdentity,
        claim: Claim,
        if_wanted: Option<CampaignStatus>,
        now: Timestamp,
    ) -> Result<(SteeringTurn, Wish), LedgerError> {
        let (campaign, home_epoch) = (campaign.uuid, campaign.home_epoch);
        self.write(ClaimSteering { campaign, home_epoch, claim, if_wanted, now }).await
    }

    /// Gives the turn of `by` back; with `unsettled` it only runs out then, because nobody knows what
    /// came of it.
    pub async fn end_steering(
        &self,
        campaign: Uuid,
        by: Uuid,
        unsettled: Option<Timestamp>,
    ) -> Result<(), LedgerError> {
        self.write(EndSteering { campaign, by, unsettled }).await
    }

    /// Campaigns of these accounts whose turn has run out and which no job sees to: neither one that had
    /// the turn nor one of that kind is unfinished.
    pub async fn unsettled_campaigns(
        &self,
        accounts: Vec<AccountSlug>,
        kind: &'static str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Unsettled>, LedgerError> {
        self.read(UnsettledCampaigns { accounts, kind, now, limit }).await
    }

    /// Keeps what the platform says the campaign's status is now, and journals it if it changed; ends
    /// the turn of `by`. `before` and `after` of the entry are filled in. The desired status stays, and
    /// sightings from before the entry no longer count; nor does the entry after a later one.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn record_actual_status(
        &self,
        campaign: Uuid,
        actual: CampaignStatus,
        entry: JournalEntry,
        by: Option<Uuid>,
    ) -> Result<Recorded, LedgerError> {
        self.write(RecordActual { campaign, actual, entry, by }).await
    }

    /// Keeps how the campaign was found after it was changed, and ends the turn of `by`. A status that
    /// is another one now is journalled as the entry says, with `before` and `after` filled in. The
    /// desired status stays.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn record_outcome(
        &self,
        campaign: Uuid,
        snapshot: Snapshot,
        entry: JournalEntry,
        by: Option<Uuid>,
    ) -> Result<Recorded, LedgerError> {
        self.write(RecordOutcome { campaign, snapshot, entry, by }).await
    }
}

/// The columns of a campaign's state that wishes and turns are about.
struct State {
    id: i64,
    last_entry: Option<i64>,
    desired: String,
    actual: String,
    wish: Option<i64>,
    by: Option<Uuid>,
    until: Option<Timestamp>,
    fetched_at: Timestamp,
}

impl State {
    async fn lock<S: Statements>(store: &mut S, campaign: Uuid) -> Result<Self, LedgerError> {
        Self::lock_at(store, campaign, None).await
    }

    /// # Errors
    /// `Moved` when the campaign's home has another epoch than this one.
    async fn lock_at<S: Statements>(
        store: &mut S,
        campaign: Uuid,
        home_epoch: Option<i64>,
    ) -> Result<Self, LedgerError> {
        let epoch = match home_epoch {
            Some(_) => "(SELECT home_epoch FROM campaign WHERE id = campaign_id)",
            None => "CAST(NULL AS BIGINT)",
        };
        let sql = format!(
            "SELECT {epoch}, campaign_id, last_entry, desired, actual, wish, steered_by, \
             steered_until, fetched_at {OF_CAMPAIGN}{}",
            S::ROW_LOCK
        );
        let row = store.row(&sql, &[campaign.into()]).await?;
        let mut row = row.ok_or(LedgerError::Missing("campaign"))?;
        if row.optional_int()? != home_epoch {
            return Err(LedgerError::Moved);
        }
        Ok(Self {
            id: row.int()?,
            last_entry: row.optional_int()?,
            desired: row.text()?,
            actual: row.text()?,
            wish: row.optional_int()?,
            by: row.optional_uuid()?,
            until: row.optional_time()?,
            fetched_at: row.time()?,
        })
    }

    /// Whose turn it is when this claim is made; ours from now on if it is free.
    fn take(&mut self, claim: Claim, now: Timestamp) -> SteeringTurn {
        match (self.by, self.until) {
            (Some(by), Some(until)) if by != claim.by && until > now => SteeringTurn::Others(until),
            _ => {
                (self.by, self.until) = (Some(claim.by), Some(claim.until));
                SteeringTurn::Ours
            }
        }
    }

    /// Ends the turn of `by`, unless the campaign would be left running against what is wanted.
    fn end(&mut self, by: Option<Uuid>) -> bool {
        let running = CampaignStatus::Running.as_str();
        let stopped = CampaignStatus::Stopped.as_str();
        let runs_unwanted = self.actual == running && self.desired == stopped;
        if by.is_some() && self.by == by && !runs_unwanted {
            (self.by, self.until) = (None, None);
        }
        by.is_some() && runs_unwanted
    }

    async fn keep_turn<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let sql = "UPDATE campaign_state SET steered_by = $2, steered_until = $3 \
                   WHERE campaign_id = $1";
        let until = Value::optional_time(self.until);
        store.execute(sql, &[self.id.into(), self.by.into(), until]).await.map(drop)
    }

    fn wish(&self) -> Wish {
        let desired = CampaignStatus::from_term(&self.desired);
        Wish { desired, number: self.wish, action: None }
    }
}

struct RecordDesired {
    campaign: Uuid,
    home_epoch: i64,
    desired: CampaignStatus,
    entry: JournalEntry,
    claim: Option<Claim>,
}

impl Verb for RecordDesired {
    type Answer = Wished;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Wished, LedgerError> {
        let mut state = State::lock_at(store, self.campaign, Some(self.home_epoch)).await?;
        let turn = match self.claim {
            Some(claim) => state.take(claim, self.entry.at),
            None => SteeringTurn::NotWanted,
        };
        let before = std::mem::replace(&mut state.desired, self.desired.as_str().to_owned());
        // Journalled even when it is the old one: somebody acted.
        let wishes = Wishes { replaced: state.wish, ended: None };
        let number = wish(store, &state, (&before, &self.entry), wishes).await?;
        let kept_in = match self.desired {
            CampaignStatus::Running => objects::shape_of_campaign(store, self.campaign).await?,
            _ => None,
        };
        Ok(Wished { number, before: CampaignStatus::from_term(&before), turn, kept_in })
    }
}

/// Until the transaction ends, nobody records a wish of this campaign: what is kept of it now is found by
/// the wishes after it, and those before it are found by whoever keeps it.
pub(super) async fn hold<S: Statements>(store: &mut S, campaign: Uuid) -> Result<(), LedgerError> {
    let sql = format!("SELECT 1 {OF_CAMPAIGN}{}", S::ROW_LOCK);
    store.row(&sql, &[campaign.into()]).await.map(drop)
}

/// Journals that the state is wanted in the place of the one before, and keeps it; answers the name of
/// the wish.
async fn wish<S: Statements>(
    store: &mut S,
    state: &State,
    (before, entry): (&str, &JournalEntry),
    wishes: Wishes,
) -> Result<i64, LedgerError> {
    let desired = state.desired.as_str();
    let entry = entry.of_change(before, desired);
    let previous = Some((state.id, state.last_entry));
    let number = journal::insert(store, previous, &entry, wishes).await?;
    let sql = "UPDATE campaign_state SET last_entry = $2, wish = $2, desired = $3, \
               wanted_at = CASE WHEN wanted_at < $4 THEN $4 ELSE wanted_at END, \
               steered_by = $5, steered_until = $6 WHERE campaign_id = $1";
    let (by, until) = (state.by.into(), Value::optional_time(state.until));
    let parameters = [state.id.into(), number.into(), desired.into(), entry.at.into(), by, until];
    store.execute(sql, &parameters).await?;
    Ok(number)
}

/// Journals what became of a wish that is not what is wanted any more, and keeps the turn.
async fn note<S: Statements>(
    store: &mut S,
    state: &State,
    entry: &JournalEntry,
    wishes: Wishes,
) -> Result<(), LedgerError> {
    let entry = entry.of_change(&state.desired, &state.desired);
    let previous = Some((state.id, state.last_entry));
    let number = journal::insert(store, previous, &entry, wishes).await?;
    let sql = "UPDATE campaign_state SET last_entry = $2 WHERE campaign_id = $1";
    store.execute(sql, &[state.id.into(), number.into()]).await?;
    state.keep_turn(store).await
}

struct WithdrawWish {
    campaign: Uuid,
    wish: i64,
    entry: JournalEntry,
    by: Option<Uuid>,
}

impl Verb for WithdrawWish {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let mut state = State::lock(store, self.campaign).await?;
        let before = state.desired.clone();
        let (wanted, _) = standing(store, (state.wish, before.clone())).await?;
        let is_wanted = wanted == Some(self.wish);
        let mut wishes = Wishes { replaced: None, ended: Some(self.wish) };
        if is_wanted {
            let told = Told::find(store, self.wish).await?;
            let replaced = (told.replaced, told.before.unwrap_or_else(|| before.clone()));
            (wishes.replaced, state.desired) = standing(store, replaced).await?;
        }
        state.end(self.by);
        if is_wanted {
            wish(store, &state, (&before, &self.entry), wishes).await?;
        } else {
            note(store, &state, &self.entry, wishes).await?;
        }
        Ok(is_wanted)
    }
}

struct ReplaceWish {
    campaign: Uuid,
    wish: Option<i64>,
    desired: CampaignStatus,
    entry: JournalEntry,
    by: Option<Uuid>,
}

impl Verb for ReplaceWish {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let mut state = State::lock(store, self.campaign).await?;
        let before = state.desired.clone();
        let is_wanted = state.wish == self.wish;
        if is_wanted {
            self.desired.as_str().clone_into(&mut state.desired);
        }
        state.end(self.by);
        let wishes = Wishes { replaced: None, ended: start_of(store, self.wish).await? };
        if is_wanted {
            wish(store, &state, (&before, &self.entry), wishes).await?;
        } else {
            note(store, &state, &self.entry, wishes).await?;
        }
        Ok(is_wanted)
    }
}

struct FindWish {
    campaign: Uuid,
}

impl Verb for FindWish {
    type Answer = Wish;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Wish, LedgerError> {
        let sql = "SELECT s.desired, s.wish, j.action FROM campaign_state s \
                   LEFT JOIN journal j ON j.id = s.wish \
                   WHERE s.campaign_id = (SELECT id FROM campaign WHERE uuid = $1)";
        let row = store.row(sql, &[self.campaign.into()]).await?;
        let mut row = row.ok_or(LedgerError::Missing("campaign"))?;
        Ok(Wish {
            desired: CampaignStatus::from_term(&row.text()?),
            number: row.optional_int()?,
            action: row.optional_text()?,
        })
    }
}

struct ClaimSteering {
    campaign: Uuid,
    home_epoch: i64,
    claim: Claim,
    if_wanted: Option<CampaignStatus>,
    now: Timestamp,
}

impl Verb for ClaimSteering {
    type Answer = (SteeringTurn, Wish);

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let mut state = State::lock_at(store, self.campaign, Some(self.home_epoch)).await?;
        let wish = state.wish();
        if self.if_wanted.as_ref().is_some_and(|wanted| *wanted != wish.desired) {
            return Ok((SteeringTurn::NotWanted, wish));
        }
        let turn = state.take(self.claim, self.now);
        if turn == SteeringTurn::Ours {
            state.keep_turn(store).await?;
        }
        Ok((turn, wish))
    }
}

struct EndSteering {
    campaign: Uuid,
    by: Uuid,
    unsettled: Option<Timestamp>,
}

impl Verb for EndSteering {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let mut state = State::lock(store, self.campaign).await?;
        if state.by != Some(self.by) {
            return Ok(());
        }
        state.until = self.unsettled;
        if state.until.is_none() {
            state.by = None;
        }
        state.keep_turn(store).await
    }
}

struct UnsettledCampaigns {
    accounts: Vec<AccountSlug>,
    kind: &'static str,
    now: Timestamp,
    limit: u32,
}

impl Verb for UnsettledCampaigns {
    type Answer = Vec<Unsettled>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<Unsettled>, LedgerError> {
        if self.accounts.is_empty() {
            return Ok(Vec::new());
        }
        let limit = i64::from(self.limit.min(MAX_WINDOW_ROWS));
        let mut parameters: Vec<Value> = vec![self.now.into(), limit.into(), self.kind.into()];
        let named = placeholders(parameters.len() + 1, self.accounts.len());
        parameters.extend(self.accounts.iter().map(Value::from));
        let job = "SELECT 1 FROM job j WHERE j.state IN ('waiting', 'running')";
        let sql = format!(
            "SELECT c.uuid, a.slug FROM campaign_state s \
             JOIN campaign c ON c.id = s.campaign_id JOIN account a ON a.id = c.home_id \
             WHERE s.steered_until IS NOT NULL AND s.steered_until <= $1 AND a.slug IN ({named}) \
             AND NOT EXISTS ({job} AND j.uuid = s.steered_by) \
             AND NOT EXISTS ({job} AND j.kind = $3 AND j.subject = c.uuid) \
             ORDER BY s.steered_until LIMIT $2"
        );
        let rows = store.rows(&sql, &parameters).await?;
        let read = |mut row: Row| Ok(Unsettled { campaign: row.uuid()?, account: row.slug()? });
        rows.into_iter().map(read).collect()
    }
}

struct RecordActual {
    campaign: Uuid,
    actual: CampaignStatus,
    entry: JournalEntry,
    by: Option<Uuid>,
}

impl Verb for RecordActual {
    type Answer = Recorded;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Recorded, LedgerError> {
        let mut state = State::lock(store, self.campaign).await?;
        let mut last_entry = state.last_entry;
        if state.fetched_at <= self.entry.at {
            if state.actual != self.actual.as_str() {
                let entry = self.entry.of_change(&state.actual, self.actual.as_str());
                let previous = Some((state.id, state.last_entry));
                last_entry =
                    Some(journal::insert(store, previous, &entry, Wishes::default()).await?);
                self.actual.as_str().clone_into(&mut state.actual);
            }
            state.fetched_at = self.entry.at;
        }
        let runs_unwanted = state.end(self.by);
        let sql = "UPDATE campaign_state SET last_entry = $2, actual = $3, fetched_at = $4, \
                   steered_by = $5, steered_until = $6 WHERE campaign_id = $1";
        let parameters = [
            state.id.into(),
            last_entry.into(),
            state.actual.as_str().into(),
            state.fetched_at.into(),
            state.by.into(),
            Value::optional_time(state.until),
        ];
        store.execute(sql, &parameters).await?;
        Ok(Recorded { actual: CampaignStatus::from_term(&state.actual), runs_unwanted })
    }
}

struct RecordOutcome {
    campaign: Uuid,
    snapshot: Snapshot,
    entry: JournalEntry,
    by: Option<Uuid>,
}

impl Verb for RecordOutcome {
    type Answer = Recorded;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Recorded, LedgerError> {
        let id = identity::campaign_id(store, self.campaign).await?;
        refresh(store, id, &self.snapshot, self.entry.at, Some(&self.entry)).await?;
        let mut state = State::lock(store, self.campaign).await?;
        let runs_unwanted = state.end(self.by);
        if self.by.is_some() {
            state.keep_turn(store).await?;
        }
        Ok(Recorded { actual: CampaignStatus::from_term(&state.actual), runs_unwanted })
    }
}
