//! Recording what is reported about attempts: once per business key, merged by finality, and told to
//! those who want to know.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::call::{CallAttempt, CallMoments, Disposition, EndedBy, Explained};
use crate::domain::ids::{AccountSlug, MAX_KEY_BYTES, NativeId, key};
use crate::domain::verbatim::Document;
use crate::ledger::LedgerError;
use crate::ledger::attempts::{AttemptRow, Recorded, SeenAttempt, attempt_values, find, update};
use crate::ledger::outcomes::Tally;
use crate::ledger::settling::ROWS_AT_ONCE;
use crate::ledger::statements::{Statements, Value, Verb};
use crate::ledger::telling::{AttemptNews, Named, Subject, Takers};
use crate::ledger::turns;

/// Records attempts from that one on, as many as one verb may.
pub(super) struct RecordAttempts {
    pub account: AccountSlug,
    pub campaign: Uuid,
    pub attempts: Arc<[SeenAttempt]>,
    pub from: usize,
    pub now: Timestamp,
}

impl Verb for RecordAttempts {
    type Answer = Vec<(AttemptRow, Recorded)>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let ready = Ready::read(store).await?;
        let place = (&self.account, self.campaign);
        let left = self.attempts.get(self.from..).unwrap_or_default();
        let some = left.get(..ready.rows_at_once()).unwrap_or(left);
        let about = About { campaigns: vec![self.campaign], attempts: Vec::new() };
        let mut recorder = ready.begin(store, about, self.now).await?;
        let recorded = recorder.record(store, place, some).await?;
        recorder.close(store).await?;
        Ok(recorded)
    }
}

/// Whose results a transaction records: those of campaigns, and of the campaigns of attempts.
#[derive(Default)]
pub(super) struct About {
    pub campaigns: Vec<Uuid>,
    pub attempts: Vec<Uuid>,
}

/// Knows who takes results, and has taken no campaign's turn.
pub(super) struct Ready {
    takers: Takers,
}

impl Ready {
    pub async fn read<S: Statements>(store: &mut S) -> Result<Self, LedgerError> {
        Ok(Self { takers: Takers::read(store).await? })
    }

    /// How many attempts one verb is to record: fewer, the more are told of each.
    pub fn rows_at_once(&self) -> usize {
        (ROWS_AT_ONCE * 2 / (2 + self.takers.of_results())).max(1)
    }

    /// Waits for the turns of all campaigns whose results are recorded (`turns.rs`).
    pub async fn begin<S: Statements>(
        self,
        store: &mut S,
        about: About,
        now: Timestamp,
    ) -> Result<Recorder, LedgerError> {
        let (accounts, campaigns) = (HashMap::new(), HashMap::new());
        let tally = Tally::default();
        let mut recorder = Recorder { takers: self.takers, tally, accounts, campaigns, now };
        let mut turns = BTreeSet::new();
        for campaign in about.campaigns {
            turns.insert(recorder.campaign(store, campaign).await?.id);
        }
        for attempt in about.attempts {
            let sql = "SELECT campaign_id FROM attempt WHERE uuid = $1";
            if let Some(mut row) = store.row(sql, &[attempt.into()]).await? {
                turns.insert(row.int()?);
            }
        }
        turns::take(store, turns).await?;
        Ok(recorder)
    }
}

/// Records attempts in one transaction, of many campaigns if need be: of those whose turns it has. It
/// ends with [`Recorder::close`].
pub(super) struct Recorder {
    takers: Takers,
    tally: Tally,
    accounts: HashMap<AccountSlug, Named>,
    campaigns: HashMap<Uuid, Named>,
    now: Timestamp,
}

impl Recorder {
    /// What is recorded from now on belongs to this trace.
    pub fn trace(&mut self, trace: Option<String>) {
        self.takers.trace = trace;
    }

    /// The attempts in their order, and what the report made of each.
    pub async fn record<S: Statements>(
        &mut self,
        store: &mut S,
        (slug, uuid): (&AccountSlug, Uuid),
        attempts: &[SeenAttempt],
    ) -> Result<Vec<(AttemptRow, Recorded)>, LedgerError> {
        let account = self.account(store, slug).await?;
        let campaign = self.campaign(store, uuid).await?;
        // One order, in whichever a platform lists them.
        let mut order: Vec<(usize, &SeenAttempt)> = attempts.iter().enumerate().collect();
        order.sort_by(|(_, a), (_, b)| a.native.cmp(&b.native));
        let mut rows = Vec::with_capacity(order.len());
        for (place, seen) in order {
            let seen = &*keyed(seen);
            let wanted = spread(seen.attempt.dialed_at.unwrap_or(self.now), seen.proposed_uuid);
            let ids = (account.id, campaign.id);
            let (numbered, is_late) = self.numbered(store, ids, seen, wanted).await?;
            if let Some((attempt, list_at)) = insert(store, ids, (seen, &numbered), wanted).await? {
                let row = new_row((slug, uuid), (seen, numbered), list_at);
                let of = Subject { account, campaign, attempt };
                if let Some(reference) = row.attempt.contact_reference.as_deref()
                    && is_late
                {
                    self.tally.contacts.renumber(of, reference);
                }
                self.tally.add(of, &row);
                self.takers.announce(store, news_of(&row, seen), of, self.now).await?;
                rows.push((place, (row, Recorded::New)));
                continue;
            }
            let known = find_for_update(store, account.id, &seen.native).await?;
            let (attempt, known) = known.ok_or_else(|| {
                LedgerError::Conflict(format!("attempt id {} is taken", seen.proposed_uuid))
            })?;
            let recorded = match merge(&known, seen) {
                Some(merged) => {
                    update(store, &merged).await?;
                    let of = Subject { account, campaign, attempt };
                    let is_ours = seen.attempt.try_number.is_none();
                    let news = news_of(&merged, seen);
                    self.changed(store, (of, is_ours), &known, news).await?;
                    (merged, Recorded::Changed)
                }
                None => (known, Recorded::Known),
            };
            rows.push((place, recorded));
        }
        rows.sort_by_key(|(place, _)| *place);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// What a closer look at the call found out, or that there is nothing more to find out. Answers
    /// the attempt as it is now; None when there is none.
    pub async fn explain<S: Statements>(
        &mut self,
        store: &mut S,
        uuid: Uuid,
        explained: Option<&Explained>,
    ) -> Result<Option<AttemptRow>, LedgerError> {
        let sql = format!("SELECT id FROM attempt WHERE uuid = $1{}", S::ROW_LOCK);
        let Some(mut id) = store.row(&sql, &[uuid.into()]).await? else { return Ok(None) };
        let attempt = id.int()?;
        let Some(mut known) = find(store, uuid).await? else { return Ok(None) };
        if let Some(explained) = explained {
            known.moments = explained.moments.or(known.moments);
        }
        let CallMoments { ringing_at, answered_at, ended_by } = known.moments;
        let sql = "UPDATE attempt SET is_explained = TRUE, ringing_at = $2, answered_at = $3, \
                   ended_by = $4 WHERE id = $1";
        let ended_by = Value::optional_text(ended_by.map(EndedBy::as_str));
        let (ringing, answered) =
            (Value::optional_time(ringing_at), Value::optional_time(answered_at));
        store.execute(sql, &[attempt.into(), ringing, answered, ended_by]).await?;
        let Some(explained) = explained.filter(|_| !known.is_erased) else {
            return Ok(Some(known));
        };
        let explained = &*keyed_attempt(&explained.attempt);
        let is_ours = explained.try_number.is_none();
        let explained = completed(explained, &known.attempt);
        if explained == known.attempt {
            return Ok(Some(known));
        }
        let is_news = explained.disposition != known.attempt.disposition;
        let revision = known.revision + i64::from(is_news);
        let row = AttemptRow { attempt: explained, revision, ..known.clone() };
        update(store, &row).await?;
        let account = self.account(store, &row.account).await?;
        let campaign = self.campaign(store, row.campaign).await?;
        let of = Subject { account, campaign, attempt };
        let news = AttemptNews { row: &row, words: &row.raw, may_be_explained: false };
        self.changed(store, (of, is_ours), &known, news).await?;
        Ok(Some(row))
    }

    /// Enters a change of an attempt, whose number may be ours, and tells a new revision.
    async fn changed<S: Statements>(
        &mut self,
        store: &mut S,
        (of, is_ours): (Subject, bool),
        before: &AttemptRow,
        news: AttemptNews<'_>,
    ) -> Result<(), LedgerError> {
        let after = news.row;
        self.tally.remove(of, before);
        self.tally.add(of, after);
        let references = [before, after].map(|row| row.attempt.contact_reference.as_deref());
        if is_ours && references[0] != references[1] {
            for reference in references.into_iter().flatten() {
                self.tally.contacts.renumber(of, reference);
            }
        }
        if after.revision != before.revision {
            self.takers.announce(store, news, of, self.now).await?;
        }
        Ok(())
    }

    pub async fn account<S: Statements>(
        &mut self,
        store: &mut S,
        slug: &AccountSlug,
    ) -> Result<Named, LedgerError> {
        if let Some(known) = self.accounts.get(slug) {
            return Ok(*known);
        }
        let account = Named::account(store, slug).await?;
        self.accounts.insert(slug.clone(), account);
        Ok(account)
    }

    async fn campaign<S: Statements>(
        &mut self,
        store: &mut S,
        uuid: Uuid,
    ) -> Result<Named, LedgerError> {
        if let Some(known) = self.campaigns.get(&uuid) {
            return Ok(*known);
        }
        let campaign = Named::campaign(store, uuid).await?;
        self.campaigns.insert(uuid, campaign);
        Ok(campaign)
    }

    /// The attempt with its number among the contact's, by when they were dialled, where its platform
    /// gives none, and whether it moves others up.
    async fn numbered<S: Statements>(
        &mut self,
        store: &mut S,
        (account, campaign): (i64, i64),
        seen: &SeenAttempt,
        list_at: Timestamp,
    ) -> Result<(CallAttempt, bool), LedgerError> {
        let mut attempt = seen.attempt.clone();
        let (Some(reference), None) = (&attempt.contact_reference, attempt.try_number) else {
            return Ok((attempt, false));
        };
        let contact = (account, campaign, reference.as_str());
        let number = self.tally.contacts.number(store, contact, list_at).await?;
        attempt.try_number = number.number;
        Ok((attempt, number.is_late))
    }

    pub async fn close<S: Statements>(self, store: &mut S) -> Result<(), LedgerError> {
        self.tally.close(store, self.now).await?;
        self.takers.close(store, self.now).await
    }
}

/// What is recorded of a report: its contact's reference has an index.
fn keyed(seen: &SeenAttempt) -> Cow<'_, SeenAttempt> {
    match keyed_attempt(&seen.attempt) {
        Cow::Borrowed(_) => Cow::Borrowed(seen),
        Cow::Owned(attempt) => Cow::Owned(SeenAttempt { attempt, ..seen.clone() }),
    }
}

fn keyed_attempt(attempt: &CallAttempt) -> Cow<'_, CallAttempt> {
    match &attempt.contact_reference {
        Some(reference) if reference.len() > MAX_KEY_BYTES => {
            let contact_reference = Some(key(reference.clone()));
            Cow::Owned(CallAttempt { contact_reference, ..attempt.clone() })
        }
        _ => Cow::Borrowed(attempt),
    }
}

/// An attempt as a report made it. Why a call that has an object of its own failed is told by that.
fn news_of<'a>(row: &'a AttemptRow, seen: &'a SeenAttempt) -> AttemptNews<'a> {
    AttemptNews { row, words: &seen.raw, may_be_explained: tells_more(seen) }
}

/// Whether the call tells more of the attempt, which is to be looked at when it is over.
fn tells_more(seen: &SeenAttempt) -> bool {
    seen.call.as_ref().is_some_and(|call| call.is_object)
}

/// As it was just inserted.
fn new_row(
    (account, campaign): (&AccountSlug, Uuid),
    (seen, attempt): (&SeenAttempt, CallAttempt),
    list_at: Timestamp,
) -> AttemptRow {
    AttemptRow {
        uuid: seen.proposed_uuid,
        account: account.clone(),
        campaign,
        native: seen.native.clone(),
        contact: seen.contact,
        attempt,
        moments: CallMoments::default(),
        raw: seen.raw.clone(),
        list_at,
        revision: 1,
        deleted_at: None,
        is_erased: false,
    }
}

/// Platforms tell times to the second or millisecond; the digits that they leave empty are filled
/// from the attempt's id, so that attempts of one second seldom want the same place in lists.
fn spread(time: Timestamp, uuid: Uuid) -> Timestamp {
    let micros = time.as_microsecond();
    let empty = match micros {
        m if m % 1_000_000 == 0 => 1_000_000,
        m if m % 1_000 == 0 => 1_000,
        _ => return time,
    };
    // The end of an id is random, its beginning may be a time.
    let fill = i64::try_from(uuid.as_u128() & 0xffff_ffff).unwrap_or_default() % empty;
    Timestamp::from_microsecond(micros + fill).unwrap_or(time)
}

/// Places that are tried before giving up.
const MAX_PLACES_TRIED: u32 = 64;
/// So many microseconds, as a power of two, are between the wanted place and the one that is got at most.
const FURTHEST_PLACE: u32 = 20;

/// The place to try when so many are taken, the wanted one first: each may be four times as far off as the
/// one before it, so that few are tried however many attempts there are of one time.
fn place(wanted: Timestamp, uuid: Uuid, tried: u32) -> Option<Timestamp> {
    let Some(far) = tried.checked_sub(1) else { return Some(wanted) };
    let chance = uuid.as_u128().rotate_right(tried) & 0xffff_ffff;
    let offset = 1 + (chance & ((1 << (2 * far).min(FURTHEST_PLACE)) - 1));
    let offset = SignedDuration::from_micros(i64::try_from(offset).ok()?);
    wanted.checked_add(offset).ok()
}

/// Inserts the attempt at a free place from `wanted` on: its surrogate and place. None: the business key is
/// known, or the proposed id is taken.
async fn insert<S: Statements>(
    store: &mut S,
    (account, campaign): (i64, i64),
    (seen, attempt): (&SeenAttempt, &CallAttempt),
    wanted: Timestamp,
) -> Result<Option<(i64, Timestamp)>, LedgerError> {
    for list_at in (0..MAX_PLACES_TRIED).map_while(|tried| place(wanted, seen.proposed_uuid, tried))
    {
        let mut parameters = vec![
            seen.proposed_uuid.into(),
            account.into(),
            (&seen.native).into(),
            campaign.into(),
            list_at.into(),
            1.into(),
        ];
        parameters.extend(attempt_values(attempt, &seen.raw));
        parameters.push(Value::optional_text(seen.call.as_ref().map(|call| call.native.as_str())));
        parameters.push(seen.contact.into());
        parameters.push((seen.call.is_some() && !tells_more(seen)).into());
        if let Some(id) = store.insert(INSERT, &parameters).await? {
            return Ok(Some((id, list_at)));
        }
        let taken = store
            .row(
                "SELECT 1 FROM attempt WHERE uuid = $1 OR (account_id = $2 AND native = $3)",
                &[seen.proposed_uuid.into(), account.into(), (&seen.native).into()],
            )
            .await?;
        if taken.is_some() {
            return Ok(None);
        }
    }
    Err(LedgerError::Refused("too many attempts at one time".to_owned()))
}

const INSERT: &str = "INSERT INTO attempt (uuid, account_id, native, campaign_id, list_at, \
     revision, contact_reference, called, caller, dialed_at, ended_at, result, disposition, \
     live_person, number_reusable, contact_reusable, counts_as_attempt, is_final, native_code, \
     try_number, recording, raw, call_id, contact_id, is_explained) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
     $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
     (SELECT id FROM contact WHERE uuid = $24), $25) ON CONFLICT DO NOTHING";

async fn find_for_update<S: Statements>(
    store: &mut S,
    account: i64,
    native: &NativeId,
) -> Result<Option<(i64, AttemptRow)>, LedgerError> {
    let sql = format!(
        "SELECT id, uuid FROM attempt WHERE account_id = $1 AND native = $2{}",
        S::ROW_LOCK
    );
    let Some(mut row) = store.row(&sql, &[account.into(), native.into()]).await? else {
        return Ok(None);
    };
    let (id, uuid) = (row.int()?, row.uuid()?);
    Ok(find(store, uuid).await?.map(|row| (id, row)))
}

/// What a second report makes of what is known. `None`: nothing changes.
fn merge(known: &AttemptRow, seen: &SeenAttempt) -> Option<AttemptRow> {
    if known.is_erased {
        return None;
    }
    let (old, new) = (&known.attempt, &seen.attempt);
    let newer_wins = match finality(new).cmp(&finality(old)) {
        Ordering::Greater => true,
        // What a closer look found out is not undone by the same report told again.
        Ordering::Equal => seen.raw != known.raw,
        Ordering::Less => false,
    };
    let (winner, other) = if newer_wins { (new, old) } else { (old, new) };
    let attempt = completed(winner, other);
    let raw = if newer_wins {
        completed_raw(&seen.raw, &known.raw)
    } else {
        completed_raw(&known.raw, &seen.raw)
    };
    if attempt == *old && raw == known.raw {
        return None;
    }
    let revision = known.revision + i64::from(attempt.disposition != old.disposition);
    Some(AttemptRow { attempt, raw, revision, ..known.clone() })
}

/// One row as it came, with the members of the other that it lacks: pushed and polled rows of one
/// attempt each say what the other does not.
fn completed_raw(winner: &str, other: &str) -> String {
    let both = (Document::parse(winner.as_bytes()), Document::parse(other.as_bytes()));
    let (Ok(mut all), Ok(other)) = both else { return winner.to_owned() };
    let completed = all.complete_with(other).then(|| serde_json::to_string(&all).ok());
    completed.flatten().unwrap_or_else(|| winner.to_owned())
}

/// What one report says, and the other where it says nothing.
pub(super) fn completed(winner: &CallAttempt, other: &CallAttempt) -> CallAttempt {
    CallAttempt {
        contact_reference: winner
            .contact_reference
            .clone()
            .or_else(|| other.contact_reference.clone()),
        called: winner.called.clone().or_else(|| other.called.clone()),
        caller: winner.caller.clone().or_else(|| other.caller.clone()),
        dialed_at: winner.dialed_at.or(other.dialed_at),
        ended_at: winner.ended_at.or(other.ended_at),
        result: winner.result,
        disposition: winner.disposition,
        flags: winner.flags,
        native_code: winner.native_code.clone(),
        try_number: winner.try_number.or(other.try_number),
        recording: winner.recording.clone().or_else(|| other.recording.clone()),
    }
}

fn finality(attempt: &CallAttempt) -> u8 {
    match attempt.disposition {
        Disposition::InProgress => 0,
        Disposition::Unknown => 1,
        _ if !attempt.flags.is_final => 2,
        Disposition::Failed => 3,
        _ => 4,
    }
}
