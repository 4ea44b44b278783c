//! Accounts, campaigns and their ids. Public ids are assigned here, once, and never derived again.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{
    AccountSlug, CampaignIdentity, CampaignKey, CampaignNumber, CampaignPart, NativeId, PublicPair,
    RefKind, VdnId,
};
use crate::ledger::directory::{self, DirectoryEntry, Snapshot};
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS, objects, receivers};

/// What the ledger knows of itself; a copy of ids made under another pair is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerMeta {
    pub ledger_id: Uuid,
    /// Grows when the ledger is restored from a backup.
    pub epoch: i64,
}

/// Which account a name is for; the slug never changes, the platform neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    pub slug: AccountSlug,
    pub platform: String,
    pub virtual_vdn: Option<VdnId>,
}

/// How the public pair of a campaign seen for the first time comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairSource {
    /// The platform names campaigns by pair: this is it.
    Given(PublicPair),
    /// It does not: take this virtual VDN and the next number of its counter.
    Assigned(VdnId),
}

/// A campaign as a platform showed it: identity to insert or get, snapshot to keep.
#[derive(Debug, Clone)]
pub struct Sighting {
    pub native: NativeId,
    /// The public UUID if this is the first sight.
    pub proposed_uuid: Uuid,
    pub pair: PairSource,
    /// Names are unique on the platform: a campaign that is being made under this name is this one.
    pub is_known_by_name: bool,
    pub snapshot: Snapshot,
}

impl Ledger {
    pub async fn meta(&self) -> Result<LedgerMeta, LedgerError> {
        self.read(ReadMeta).await
    }

    /// Goes the way of a push and changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when a push would not be kept now: the store takes no changes, or does not answer.
    pub async fn check_writable(&self) -> Result<(), LedgerError> {
        self.write(CheckWritable).await
    }

    /// Insert-or-check.
    ///
    /// # Errors
    /// `Conflict` when a slug is known with another platform or virtual VDN, or a virtual VDN belongs
    /// to another account.
    pub async fn register_accounts(
        &self,
        accounts: Vec<AccountRow>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(RegisterAccounts { accounts, now }).await
    }

    /// Insert-or-get every campaign seen, refresh its snapshot, journal a status that changed as
    /// `outside`. Answers in the order given. No id is public before this has returned.
    ///
    /// `seen_at` is when the fetch began; a sighting older than what is known changes nothing but
    /// inserts what is new.
    ///
    /// # Errors
    /// `Missing` for an account that is not registered; `Conflict` when a proposed UUID or given pair
    /// already names another campaign (then none of those is recorded that share a verb with it).
    pub async fn sight_campaigns(
        &self,
        account: AccountSlug,
        sightings: Vec<Sighting>,
        seen_at: Timestamp,
    ) -> Result<Vec<DirectoryEntry>, LedgerError> {
        let mut sightings = sightings.into_iter();
        let mut entries = Vec::with_capacity(sightings.len());
        loop {
            let some: Vec<Sighting> = sightings.by_ref().take(SIGHTED_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(entries);
            }
            let verb = SightCampaigns { account: account.clone(), sightings: some, seen_at };
            entries.extend(self.write(verb).await?);
        }
    }

    pub async fn find_campaign(
        &self,
        key: CampaignKey,
    ) -> Result<Option<CampaignIdentity>, LedgerError> {
        self.read(FindCampaign { key }).await
    }

    /// Which campaign, and which part of it, a derived public id names.
    pub async fn find_part(
        &self,
        uuid: Uuid,
    ) -> Result<Option<(CampaignIdentity, CampaignPart)>, LedgerError> {
        self.read(FindPart { uuid }).await
    }

    /// The campaign that the account's platform calls so at present.
    pub async fn find_by_native(
        &self,
        account: AccountSlug,
        native: NativeId,
    ) -> Result<Option<CampaignIdentity>, LedgerError> {
        self.read(FindByNative { account, native }).await
    }

    /// Every campaign's ids, for the id cache, in surrogate order after `after` (0 to begin), at most
    /// `limit` (and [`MAX_WINDOW_ROWS`]); the i64 is the surrogate to go on from.
    pub async fn export_identities(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, CampaignIdentity)>, LedgerError> {
        self.read(ExportIdentities { after, limit }).await
    }
}

/// The columns of [`read_identity`]; `c` is the campaign, `a` its home, `r` its current native id.
pub(super) const IDENTITY_COLUMNS: &str =
    "c.uuid, c.vdn, c.number, a.slug, c.home_epoch, r.native, c.list_at";

/// The tables that [`IDENTITY_COLUMNS`] are read from.
pub(super) const IDENTITY_TABLES: &str = "campaign c JOIN account a ON a.id = c.home_id \
     JOIN external_ref r ON r.campaign_id = c.id AND r.kind = 'campaign' AND r.is_current";

pub(super) fn read_identity(row: &mut Row) -> Result<CampaignIdentity, LedgerError> {
    Ok(CampaignIdentity {
        uuid: row.uuid()?,
        pair: row.pair()?,
        home: row.slug()?,
        home_epoch: row.int()?,
        native: row.native()?,
        list_at: row.time()?,
    })
}

pub(super) async fn account_id<S: Statements>(
    store: &mut S,
    slug: &AccountSlug,
) -> Result<i64, LedgerError> {
    let row = store.row("SELECT id FROM account WHERE slug = $1", &[slug.into()]).await?;
    row.ok_or(LedgerError::Missing("account"))?.int()
}

pub(super) async fn campaign_id<S: Statements>(
    store: &mut S,
    uuid: Uuid,
) -> Result<i64, LedgerError> {
    let row = store.row("SELECT id FROM campaign WHERE uuid = $1", &[uuid.into()]).await?;
    row.ok_or(LedgerError::Missing("campaign"))?.int()
}

struct CheckWritable;

impl Verb for CheckWritable {
    type Answer = ();

    const HASTE: Haste = Haste::Urgent;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        // A standby, or a database that may only be read, locks no row. Who checks at the same time is not
        // waited for.
        let sql = format!("SELECT one FROM meta{}", S::ROW_LOCK_OR_SKIP);
        store.rows(&sql, &[]).await.map(drop)
    }
}

struct ReadMeta;

impl Verb for ReadMeta {
    type Answer = LedgerMeta;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<LedgerMeta, LedgerError> {
        let row = store.row("SELECT ledger_id, epoch FROM meta", &[]).await?;
        let mut row = row.ok_or_else(|| LedgerError::Corrupt("meta is empty".to_owned()))?;
        Ok(LedgerMeta { ledger_id: row.uuid()?, epoch: row.int()? })
    }
}

struct RegisterAccounts {
    accounts: Vec<AccountRow>,
    now: Timestamp,
}

impl Verb for RegisterAccounts {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        for account in &self.accounts {
            let vdn = account.virtual_vdn.map_or(Value::Null, Value::from);
            let inserted = store
                .execute(
                    "INSERT INTO account (slug, platform, virtual_vdn, registered_at) \
                     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    &[
                        (&account.slug).into(),
                        account.platform.as_str().into(),
                        vdn,
                        self.now.into(),
                    ],
                )
                .await?;
            if inserted == 0 {
                check_account(store, account).await?;
            }
        }
        Ok(())
    }
}

async fn check_account<S: Statements>(
    store: &mut S,
    account: &AccountRow,
) -> Result<(), LedgerError> {
    let slug = &account.slug;
    let known = store
        .row("SELECT platform, virtual_vdn FROM account WHERE slug = $1", &[slug.into()])
        .await?;
    let Some(mut known) = known else {
        return Err(LedgerError::Conflict(format!(
            "account {slug}: its virtual VDN belongs to another account"
        )));
    };
    if known.text()? == account.platform && known.optional_vdn()? == account.virtual_vdn {
        return Ok(());
    }
    Err(LedgerError::Conflict(format!(
        "account {slug} is known with another platform or virtual VDN; \
         neither may change, choose a new name"
    )))
}

/// Sightings that one verb records at most.
const SIGHTED_AT_ONCE: usize = 100;

struct SightCampaigns {
    account: AccountSlug,
    sightings: Vec<Sighting>,
    seen_at: Timestamp,
}

impl Verb for SightCampaigns {
    type Answer = Vec<DirectoryEntry>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<DirectoryEntry>, LedgerError> {
        let account = account_id(store, &self.account).await?;
        // One order for all, so that two discoveries never wait for each other in a circle.
        let mut order: Vec<&Sighting> = self.sightings.iter().collect();
        order.sort_by(|a, b| a.native.cmp(&b.native));
        if any_new(store, account, &order).await? {
            lock(store).await?;
        }
        let mut ids = HashMap::new();
        for sighting in order {
            let id = match find_ref(store, account, &sighting.native).await? {
                Some((id, true)) => {
                    directory::refresh(store, id, &sighting.snapshot, self.seen_at, None).await?;
                    id
                }
                // The campaign lives elsewhere by now; what is left here tells nothing of it.
                Some((id, false)) => id,
                None => self.insert(store, account, sighting).await?,
            };
            ids.insert(&sighting.native, id);
        }
        let mut entries = Vec::with_capacity(self.sightings.len());
        for sighting in &self.sightings {
            let id = ids.get(&sighting.native).copied().unwrap_or_default();
            entries.push(directory::entry(store, id).await?);
        }
        Ok(entries)
    }
}

impl SightCampaigns {
    /// Gives a campaign its public ids and its place in lists. The caller holds the identity lock.
    async fn insert<S: Statements>(
        &self,
        store: &mut S,
        account: i64,
        sighting: &Sighting,
    ) -> Result<i64, LedgerError> {
        let made = if sighting.is_known_by_name {
            objects::claim(store, account, &sighting.snapshot.name, self.seen_at).await?
        } else {
            None
        };
        let uuid = made.map_or(sighting.proposed_uuid, |(uuid, _)| uuid);
        refuse_taken(store, &self.account, (sighting, uuid)).await?;
        let pair = match sighting.pair {
            PairSource::Given(pair) => pair,
            PairSource::Assigned(vdn) => next_pair(store, vdn).await?,
        };
        let snapshot = &sighting.snapshot;
        let list_at = match made {
            Some((_, list_at)) => list_at,
            None => free_list_at(store, snapshot.created_at.unwrap_or(self.seen_at)).await?,
        };
        let id = store
            .insert(
                "INSERT INTO campaign (uuid, vdn, number, list_at, home_id, home_epoch, name, \
                 name_folded, document, created_at, deleted, last_contact_at) \
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, 0)",
                &[
                    uuid.into(),
                    pair.vdn.into(),
                    pair.number.into(),
                    list_at.into(),
                    account.into(),
                    snapshot.name.as_str().into(),
                    directory::fold(&snapshot.name).as_str().into(),
                    snapshot.document.as_str().into(),
                    Value::optional_time(snapshot.created_at),
                    snapshot.deleted.into(),
                ],
            )
            .await?;
        let id = id.ok_or_else(|| LedgerError::Corrupt("no row was inserted".to_owned()))?;
        let maker = match made {
            Some((uuid, _)) => Some(objects::maker(store, uuid).await?),
            None => None,
        };
        directory::insert_state(store, id, (&snapshot.status, maker), self.seen_at).await?;
        store
            .execute(
                "INSERT INTO external_ref (account_id, kind, native, campaign_id, is_current) \
                 VALUES ($1, $2, $3, $4, TRUE)",
                &[
                    account.into(),
                    RefKind::Campaign.as_str().into(),
                    (&sighting.native).into(),
                    id.into(),
                ],
            )
            .await?;
        insert_parts(store, id, uuid).await?;
        receivers::bind_intended(store, account, (id, &snapshot.name)).await?;
        Ok(id)
    }
}

/// The ids that its parts have where they are no objects of their own.
async fn insert_parts<S: Statements>(
    store: &mut S,
    campaign_id: i64,
    campaign: Uuid,
) -> Result<(), LedgerError> {
    for part in CampaignPart::ALL {
        let uuid = part.public_id(campaign);
        store
            .execute(
                "INSERT INTO campaign_part (uuid, campaign_id, part) VALUES ($1, $2, $3)",
                &[uuid.into(), campaign_id.into(), part.as_str().into()],
            )
            .await?;
    }
    Ok(())
}

async fn any_new<S: Statements>(
    store: &mut S,
    account: i64,
    sightings: &[&Sighting],
) -> Result<bool, LedgerError> {
    for sighting in sightings {
        if find_ref(store, account, &sighting.native).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The campaign and whether this is its current native id.
async fn find_ref<S: Statements>(
    store: &mut S,
    account: i64,
    native: &NativeId,
) -> Result<Option<(i64, bool)>, LedgerError> {
    let row = store
        .row(
            "SELECT campaign_id, is_current FROM external_ref \
             WHERE account_id = $1 AND kind = 'campaign' AND native = $2",
            &[account.into(), native.into()],
        )
        .await?;
    row.map(|mut row| Ok((row.int()?, row.bool()?))).transpose()
}

/// Two accounts that show the same campaign are a mistake in the configuration; the first one keeps
/// it.
async fn refuse_taken<S: Statements>(
    store: &mut S,
    account: &AccountSlug,
    (sighting, uuid): (&Sighting, Uuid),
) -> Result<(), LedgerError> {
    let (vdn, number) = match sighting.pair {
        PairSource::Given(pair) => (Value::from(pair.vdn), Value::from(pair.number)),
        PairSource::Assigned(_) => (Value::Null, Value::Null),
    };
    let row = store
        .row(
            "SELECT a.slug FROM campaign c JOIN account a ON a.id = c.home_id \
             WHERE c.uuid = $1 OR (c.vdn = $2 AND c.number = $3)",
            &[uuid.into(), vdn, number],
        )
        .await?;
    match row {
        None => Ok(()),
        Some(mut row) => Err(LedgerError::Conflict(format!(
            "campaign {} of account {account} has the public id of a campaign of account {}",
            sighting.native,
            row.slug()?
        ))),
    }
}

async fn next_pair<S: Statements>(store: &mut S, vdn: VdnId) -> Result<PublicPair, LedgerError> {
    let row = store
        .row(
            // The row `vdn` says from where a virtual VDN counts that this ledger meets for the first time: the
            // ledger that a copy replaced may have met it before (src/ledger/sqlite/restoring.rs).
            "INSERT INTO counter (name, next) \
             VALUES ($1, 1 + COALESCE((SELECT next FROM counter WHERE name = 'vdn'), 1)) \
             ON CONFLICT (name) DO UPDATE SET next = counter.next + 1 RETURNING next - 1",
            &[format!("vdn/{vdn}").as_str().into()],
        )
        .await?;
    let number = row.map_or(Ok(0), |mut row| row.int())?;
    let number = CampaignNumber::new(number)
        .map_err(|_| LedgerError::Conflict(format!("virtual VDN {vdn} has no number left")))?;
    Ok(PublicPair { vdn, number })
}

/// Takes the lock behind which ids and places in lists are given out.
pub(super) async fn lock<S: Statements>(store: &mut S) -> Result<(), LedgerError> {
    let sql = format!("SELECT next FROM counter WHERE name = 'identity'{}", S::ROW_LOCK);
    store.row(&sql, &[]).await.map(drop)
}

/// The first microsecond from `wanted` on that no campaign and no object has: places in lists are
/// unique even where a platform gives many campaigns one time. The caller holds the lock.
pub(super) async fn free_list_at<S: Statements>(
    store: &mut S,
    wanted: Timestamp,
) -> Result<Timestamp, LedgerError> {
    const TAKEN: &str = "SELECT 1 FROM campaign WHERE list_at = $1 \
         UNION ALL SELECT 1 FROM object WHERE list_at = $1";
    if store.row(TAKEN, &[wanted.into()]).await?.is_none() {
        return Ok(wanted);
    }
    let row = store
        .row(
            "SELECT t.list_at + 1 FROM (SELECT list_at FROM campaign WHERE list_at >= $1 \
             UNION ALL SELECT list_at FROM object WHERE list_at >= $1) t WHERE NOT EXISTS \
             (SELECT 1 FROM campaign d WHERE d.list_at = t.list_at + 1) AND NOT EXISTS \
             (SELECT 1 FROM object o WHERE o.list_at = t.list_at + 1) \
             ORDER BY t.list_at LIMIT 1",
            &[wanted.into()],
        )
        .await?;
    row.map_or(Ok(wanted), |mut row| row.time())
}

struct FindCampaign {
    key: CampaignKey,
}

impl Verb for FindCampaign {
    type Answer = Option<CampaignIdentity>;

    async fn run<S: Statements>(
        &self,
        store: &mut S,
    ) -> Result<Option<CampaignIdentity>, LedgerError> {
        let (condition, parameters) = match self.key {
            CampaignKey::Uuid(uuid) => ("c.uuid = $1", vec![uuid.into()]),
            CampaignKey::Pair(PublicPair { vdn, number }) => {
                ("c.vdn = $1 AND c.number = $2", vec![vdn.into(), number.into()])
            }
        };
        let sql = format!("SELECT {IDENTITY_COLUMNS} FROM {IDENTITY_TABLES} WHERE {condition}");
        let row = store.row(&sql, &parameters).await?;
        row.map(|mut row| read_identity(&mut row)).transpose()
    }
}

struct FindPart {
    uuid: Uuid,
}

impl Verb for FindPart {
    type Answer = Option<(CampaignIdentity, CampaignPart)>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let sql = format!(
            "SELECT {IDENTITY_COLUMNS}, p.part FROM {IDENTITY_TABLES} \
             JOIN campaign_part p ON p.campaign_id = c.id WHERE p.uuid = $1"
        );
        let Some(mut row) = store.row(&sql, &[self.uuid.into()]).await? else { return Ok(None) };
        let identity = read_identity(&mut row)?;
        let part = CampaignPart::from_term(&row.text()?);
        Ok(Some((identity, part.ok_or_else(|| row.corrupt("a part"))?)))
    }
}

struct FindByNative {
    account: AccountSlug,
    native: NativeId,
}

impl Verb for FindByNative {
    type Answer = Option<CampaignIdentity>;

    async fn run<S: Statements>(
        &self,
        store: &mut S,
    ) -> Result<Option<CampaignIdentity>, LedgerError> {
        let sql = format!(
            "SELECT {IDENTITY_COLUMNS} FROM {IDENTITY_TABLES} WHERE a.slug = $1 AND r.native = $2"
        );
        let row = store.row(&sql, &[(&self.account).into(), (&self.native).into()]).await?;
        row.map(|mut row| read_identity(&mut row)).transpose()
    }
}

struct ExportIdentities {
    after: i64,
    limit: u32,
}

impl Verb for ExportIdentities {
    type Answer = Vec<(i64, CampaignIdentity)>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let sql = format!(
            "SELECT c.id, {IDENTITY_COLUMNS} FROM {IDENTITY_TABLES} \
             WHERE c.id > $1 ORDER BY c.id LIMIT $2"
        );
        let limit = i64::from(self.limit.min(MAX_WINDOW_ROWS));
        let rows = store.rows(&sql, &[self.after.into(), limit.into()]).await?;
        rows.into_iter().map(|mut row| Ok((row.int()?, read_identity(&mut row)?))).collect()
    }
}

/// What the platform's status means for what is wanted: a state found on a platform becomes the
/// desired one, except that a campaign on its way to a stop is wanted stopped, and that a status
/// that no table knows says nothing.
pub(super) fn desired_after(found: &CampaignStatus) -> Option<CampaignStatus> {
    match found {
        CampaignStatus::Stopping => Some(CampaignStatus::Stopped),
        CampaignStatus::Unknown(_) => None,
        known => Some(known.clone()),
    }
}
