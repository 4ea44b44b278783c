//! Which wish counts when others came to nothing.

use crate::domain::campaign::CampaignStatus;
use crate::ledger::LedgerError;
use crate::ledger::statements::Statements;

/// What the journal says of a wish.
pub(super) struct Told {
    pub before: Option<String>,
    after: Option<String>,
    pub replaced: Option<i64>,
    /// It takes another one back, and so stands for the one before that.
    goes_back: bool,
    /// It came to nothing.
    is_ended: bool,
}

impl Told {
    pub async fn find<S: Statements>(store: &mut S, wish: i64) -> Result<Self, LedgerError> {
        let sql = "SELECT j.before_value, j.after_value, j.replaced, j.ended, \
                   (SELECT COUNT(*) FROM journal e WHERE e.ended = j.id) \
                   FROM journal j WHERE j.id = $1";
        let row = store.row(sql, &[wish.into()]).await?;
        let mut row = row.ok_or(LedgerError::Missing("wish"))?;
        let (before, after) = (row.optional_text()?, row.optional_text()?);
        let replaced = row.optional_int()?;
        let goes_back = row.optional_int()?.is_some() && replaced.is_some();
        Ok(Self { before, after, replaced, goes_back, is_ended: row.int()? > 0 })
    }
}

/// The newest wish, from this one back, that did not come to nothing, and what is wanted by it. `desired`
/// is what this one stands for as far as is known.
pub(super) async fn standing<S: Statements>(
    store: &mut S,
    (mut wish, mut desired): (Option<i64>, String),
) -> Result<(Option<i64>, String), LedgerError> {
    while let Some(number) = wish {
        let told = Told::find(store, number).await?;
        if told.is_ended {
            desired = told.before.unwrap_or(desired);
        } else if !told.goes_back {
            break;
        }
        wish = told.replaced;
    }
    Ok((wish, desired))
}

/// The start that a wish stands for, if it does. Only who asked for a stop takes that back.
pub(super) async fn start_of<S: Statements>(
    store: &mut S,
    wish: Option<i64>,
) -> Result<Option<i64>, LedgerError> {
    let (Some(start), _) = standing(store, (wish, String::new())).await? else { return Ok(None) };
    let after = Told::find(store, start).await?.after;
    Ok((after.as_deref() == Some(CampaignStatus::Running.as_str())).then_some(start))
}
