//! How far each contact is: kept by what each attempt adds or takes away, so that an attempt costs the
//! same however many its contact has. Made anew from the attempts it is the same, in whatever order they
//! were told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::call::CallResult;
use crate::ledger::LedgerError;
use crate::ledger::attempts::AttemptRow;
use crate::ledger::statements::{Statements, Value};
use crate::ledger::telling::Subject;

/// The first so many attempts of a contact have a number, where their platform gives none. Nobody is
/// dialled that often: what has more is no person, and numbering it would cost more the more it has.
pub const MAX_NUMBERED: i64 = 1000;

/// The contacts that one transaction changes, by campaign and reference.
#[derive(Default)]
pub(super) struct Contacts(BTreeMap<(i64, String), Progress>);

/// What changes about a contact.
#[derive(Default)]
struct Progress {
    dials: i64,
    counted: i64,
    reached: i64,
    successes: i64,
    first_at: Option<Timestamp>,
    /// Of the attempts that were added.
    last: Option<Last>,
    /// Places of attempts that were taken away, and not added again.
    left: BTreeSet<Timestamp>,
    /// How it stood before; read when a number is asked for.
    before: Option<Before>,
    /// Whose attempts have numbers of ours.
    account: Option<i64>,
    /// Numbers that were given are not right any more.
    is_disturbed: bool,
}

#[derive(Clone, Copy)]
struct Before {
    dials: i64,
    last_at: Option<Timestamp>,
}

struct Last {
    at: Timestamp,
    disposition: &'static str,
    number_reusable: bool,
    contact_reusable: bool,
}

/// A new attempt's number among its contact's.
pub(super) struct Number {
    pub number: Option<i64>,
    /// Others were dialled later: they move up.
    pub is_late: bool,
}

impl Contacts {
    /// An attempt belongs to its contact (1), or not any more (-1).
    pub fn count(&mut self, campaign: i64, row: &AttemptRow, sign: i64) {
        let attempt = &row.attempt;
        let Some(reference) = &attempt.contact_reference else { return };
        let contact = self.0.entry((campaign, reference.clone())).or_default();
        contact.dials += sign;
        contact.counted += sign * i64::from(attempt.flags.counts_as_attempt);
        contact.reached += sign * i64::from(attempt.flags.live_person);
        contact.successes += sign * i64::from(attempt.result == CallResult::Success);
        if sign < 0 {
            contact.left.insert(row.list_at);
            return;
        }
        contact.left.remove(&row.list_at);
        let first_at = contact.first_at.unwrap_or(row.list_at);
        contact.first_at = Some(first_at.min(row.list_at));
        if contact.last.as_ref().is_none_or(|last| last.at <= row.list_at) {
            contact.last = Some(Last {
                at: row.list_at,
                disposition: attempt.disposition.as_str(),
                number_reusable: attempt.flags.number_reusable,
                contact_reusable: attempt.flags.contact_reusable,
            });
        }
    }

    /// Numbers of the contact are not what they were.
    pub fn renumber(&mut self, of: Subject, reference: &str) {
        let contact = self.0.entry((of.campaign.id, reference.to_owned())).or_default();
        contact.account = Some(of.account.id);
        contact.is_disturbed = true;
    }

    /// The number of an attempt of the contact that is dialled then, by when its attempts were dialled.
    pub async fn number<S: Statements>(
        &mut self,
        store: &mut S,
        (account, campaign, reference): (i64, i64, &str),
        at: Timestamp,
    ) -> Result<Number, LedgerError> {
        let contact = self.0.entry((campaign, reference.to_owned())).or_default();
        contact.account = Some(account);
        let before = match contact.before {
            Some(before) => before,
            None => *contact.before.insert(read(store, campaign, reference).await?),
        };
        let last_at = before.last_at.max(contact.last.as_ref().map(|last| last.at));
        let is_late = last_at.is_some_and(|last_at| at <= last_at);
        let earlier = if is_late {
            let sql = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM attempt WHERE campaign_id = $1 \
                       AND contact_reference = $2 AND list_at < $3 LIMIT $4) earlier";
            let of = [campaign.into(), reference.into(), at.into(), MAX_NUMBERED.into()];
            store.row(sql, &of).await?.map_or(Ok(0), |mut row| row.int())?
        } else {
            before.dials + contact.dials
        };
        Ok(Number { number: Some(earlier + 1).filter(|number| *number <= MAX_NUMBERED), is_late })
    }

    pub async fn close<S: Statements>(self, store: &mut S) -> Result<(), LedgerError> {
        for ((campaign, reference), contact) in self.0 {
            contact.close(store, campaign, &reference).await?;
        }
        Ok(())
    }
}

impl Progress {
    async fn close<S: Statements>(
        self,
        store: &mut S,
        campaign: i64,
        reference: &str,
    ) -> Result<(), LedgerError> {
        let mut parameters: Vec<Value> = vec![
            campaign.into(),
            reference.into(),
            self.dials.into(),
            self.counted.into(),
            self.reached.into(),
            self.successes.into(),
        ];
        let known = match (&self.last, self.first_at) {
            (Some(last), Some(first_at)) => {
                parameters.extend([
                    Value::from(first_at),
                    last.at.into(),
                    last.disposition.into(),
                    last.number_reusable.into(),
                    last.contact_reusable.into(),
                ]);
                store.row(ADD, &parameters).await?
            }
            // All that is told of it is that attempts are not its own any more, if anything.
            _ if self.dials == 0 => None,
            _ => store.row(CORRECT, &parameters).await?,
        };
        let dials = known.map(|mut row| row.int()).transpose()?;
        if !self.left.is_empty() {
            put_ends(store, campaign, reference).await?;
        }
        // Others may have added attempts since it was read: then their numbers meet here.
        let was_alone = match (self.before, dials) {
            (Some(before), Some(dials)) => dials == before.dials + self.dials,
            _ => true,
        };
        match self.account {
            Some(account) if self.is_disturbed || !was_alone => {
                renumber(store, (account, campaign, reference), self.dials).await
            }
            _ => Ok(()),
        }
    }
}

/// Commutes with what others add at the same time, but for the numbers.
const ADD: &str = "INSERT INTO contact_state (campaign_id, reference, dials, counted, reached, \
     successes, first_at, last_at, disposition, number_reusable, contact_reusable) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
     ON CONFLICT (campaign_id, reference) DO UPDATE SET dials = contact_state.dials + $3, \
     counted = contact_state.counted + $4, reached = contact_state.reached + $5, \
     successes = contact_state.successes + $6, \
     first_at = CASE WHEN contact_state.first_at < $7 THEN contact_state.first_at ELSE $7 END, \
     last_at = CASE WHEN contact_state.last_at > $8 THEN contact_state.last_at ELSE $8 END, \
     disposition = CASE WHEN contact_state.last_at > $8 THEN contact_state.disposition ELSE $9 END, \
     number_reusable = CASE WHEN contact_state.last_at > $8 \
     THEN contact_state.number_reusable ELSE $10 END, \
     contact_reusable = CASE WHEN contact_state.last_at > $8 \
     THEN contact_state.contact_reusable ELSE $11 END RETURNING dials";

const CORRECT: &str = "UPDATE contact_state SET dials = dials + $3, counted = counted + $4, \
     reached = reached + $5, successes = successes + $6 \
     WHERE campaign_id = $1 AND reference = $2 RETURNING dials";

async fn read<S: Statements>(
    store: &mut S,
    campaign: i64,
    reference: &str,
) -> Result<Before, LedgerError> {
    let sql = "SELECT dials, last_at FROM contact_state WHERE campaign_id = $1 AND reference = $2";
    match store.row(sql, &[campaign.into(), reference.into()]).await? {
        Some(mut row) => Ok(Before { dials: row.int()?, last_at: row.optional_time()? }),
        None => Ok(Before { dials: 0, last_at: None }),
    }
}

/// The first and the last attempt that a contact has left; the contact is gone when it has none.
async fn put_ends<S: Statements>(
    store: &mut S,
    campaign: i64,
    reference: &str,
) -> Result<(), LedgerError> {
    let of: [Value; 2] = [campaign.into(), reference.into()];
    let end = |order: &str| {
        format!(
            "SELECT list_at, disposition, number_reusable, contact_reusable FROM attempt \
             WHERE campaign_id = $1 AND contact_reference = $2 ORDER BY list_at {order} LIMIT 1"
        )
    };
    let Some(mut first) = store.row(&end("ASC"), &of).await? else {
        let sql = "DELETE FROM contact_state WHERE campaign_id = $1 AND reference = $2";
        store.execute(sql, &of).await?;
        return Ok(());
    };
    let last = store.row(&end("DESC"), &of).await?;
    let mut last = last.ok_or(LedgerError::Missing("attempt"))?;
    let sql = "UPDATE contact_state SET first_at = $3, last_at = $4, disposition = $5, \
               number_reusable = $6, contact_reusable = $7 \
               WHERE campaign_id = $1 AND reference = $2";
    let parameters: [Value; 7] = [
        campaign.into(),
        reference.into(),
        first.time()?.into(),
        last.time()?.into(),
        last.text()?.as_str().into(),
        last.bool()?.into(),
        last.bool()?.into(),
    ];
    store.execute(sql, &parameters).await?;
    Ok(())
}

/// Gives the contact's attempts of this account their numbers; `moved` is how many may have moved out
/// of those that have one.
async fn renumber<S: Statements>(
    store: &mut S,
    (account, campaign, reference): (i64, i64, &str),
    moved: i64,
) -> Result<(), LedgerError> {
    let sql = "SELECT id, account_id, try_number FROM attempt WHERE campaign_id = $1 \
               AND contact_reference = $2 ORDER BY list_at LIMIT $3";
    let most = MAX_NUMBERED + moved.max(0);
    let rows = store.rows(sql, &[campaign.into(), reference.into(), most.into()]).await?;
    for (place, mut row) in (1..).zip(rows) {
        let (id, of, had) = (row.int()?, row.int()?, row.optional_int()?);
        let number = Some(place).filter(|place| *place <= MAX_NUMBERED);
        if of == account && had != number {
            let sql = "UPDATE attempt SET try_number = $2 WHERE id = $1";
            store.execute(sql, &[id.into(), number.into()]).await?;
        }
    }
    Ok(())
}
