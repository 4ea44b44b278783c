//! Making a campaign on its home: a draft that is run for the first time, or a campaign that a
//! client of another platform creates. One job makes it write by write, loads the contacts that
//! wait for it, and lets it dial if that is still wanted.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::domain::ids::{CampaignIdentity, CampaignKey, CampaignPart, NativeId, VdnId};
use crate::domain::policy::RetryPolicy;
use crate::gateway::contacts::as_sent;
use crate::gateway::error::GatewayError;
use crate::gateway::jobs::{Run, Stop};
use crate::gateway::settling::Started;
use crate::gateway::written::{Documents, KeptOf};
use crate::gateway::{Home, Shared, WorkerGateway, settling, written};
use crate::ledger::contacts::{ContactRow, ContactState, NewContact, SettledContact};
use crate::ledger::directory::MADE;
use crate::ledger::jobs::JobRow;
use crate::ledger::journal::JournalEntry;
use crate::ledger::objects::{NewObject, ObjectChange, ObjectKind, ObjectRow, ObjectState};
use crate::mapping::table::Kind;
use crate::platforms::documents::DomainDocument;
use crate::platforms::{
    self, Effect, FetchedCampaign, Made, NewCampaign, Operation, PlatformError, PlatformKind,
    Presence,
};
use crate::transport::pacing::Lane;

mod asked;

pub use asked::Creating;

/// Contacts that are loaded between two checkpoints.
const LOADED_AT_ONCE: u32 = 20;

/// Campaigns that are paused while contacts are loaded: they are wanted running, and shown so.
#[derive(Default)]
pub(super) struct Loading {
    campaigns: Mutex<HashSet<Uuid>>,
}

/// What the job is given; the rest is in the object that it is about.
#[derive(Serialize, Deserialize)]
struct Input {
    vdn: Option<i64>,
    run: bool,
}

/// How far the job is.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Progress {
    made: Made,
    /// The public UUID, once the campaign has one.
    campaign: Option<Uuid>,
    /// Place of the last contact that was loaded.
    loaded_to: Option<Timestamp>,
    /// Contacts up to there that their home has, of which the ledger may not have heard.
    #[serde(default)]
    settled: Vec<SettledContact>,
    is_loaded: bool,
}

/// One turn of the job.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let input: Input = run.input()?;
    let subject = run.row.subject.ok_or_else(|| Stop::Failed("a job about nothing".to_owned()))?;
    let object = gateway.shared.ledger.find_object(subject).await?;
    let object = object.ok_or_else(|| Stop::Failed("the draft is gone".to_owned()))?;
    let home = gateway.homes.get(&object.account);
    let home = home.ok_or_else(|| Stop::Failed("the account is not configured".to_owned()))?;
    let mut progress: Progress = run.checkpoint()?;
    if object.state == ObjectState::Bound && progress.made == Made::default() && !run.row.in_doubt {
        return Err(Stop::Failed("the campaign is made already".to_owned()));
    }
    if progress.campaign.is_none() {
        let made = match settling::check_rights(run, &object.account) {
            Ok(()) => match new_campaign(run, &object, home, &input).await {
                Ok(new) => make(run, home, &new, &mut progress).await,
                Err(stop) => Err(stop),
            },
            refused => refused,
        };
        if let Err(stop) = made {
            return Err(give_up(run, home, &object, &progress, stop).await);
        }
    }
    let identity = bind(run, home, &object, (&mut progress, input.run)).await?;
    if input.run {
        // Said before it is looked at: a stop ends it after its wish is recorded.
        gateway.shared.loading.begin(identity.uuid);
        let wish = gateway.shared.ledger.wish(identity.uuid).await?;
        if wish.desired != CampaignStatus::Running {
            gateway.shared.loading.end(identity.uuid);
        }
        // From now on it is shown running, and when this is over it may not be.
        gateway.shared.reads.drop_campaign(&identity.home, &identity.native);
        let _writing = gateway.shared.reads.writing(&identity);
        let loaded = load(run, home, &object, &identity, &mut progress).await;
        let done = match loaded {
            Ok(()) => let_dial(run, &object, &identity).await,
            Err(stop) => Err(stop),
        };
        // A job that goes on later goes on loading.
        if !done.as_ref().is_err_and(Stop::goes_on) {
            gateway.shared.loading.end(identity.uuid);
        }
        done?;
    }
    Ok(Some(format!("{{\"campaign\":\"{}\"}}", identity.uuid)))
}

/// What is to be made, read from the client's document and the documents that it refers to.
async fn new_campaign(
    run: &Run<'_>,
    object: &ObjectRow,
    home: &Home,
    input: &Input,
) -> Result<NewCampaign, Stop> {
    let mut definition = definition(run, object, home).await?;
    // A draft that is run is refused before anything is made of it; else it would be made and stand.
    if input.run && is_draft(object, home) {
        refuse_widening(run.gateway, object, home).await.map_err(stop_for)?;
    }
    if let Some((rule, why)) = definition.unreadable().next() {
        return Err(Stop::Failed(format!("the campaign's {rule} cannot be understood: {why}")));
    }
    if home.adapter.pushes_by_campaign() && definition.result_url.is_none() {
        definition.result_url = home.adapter.callbacks().address(None);
    }
    let vdn = input.vdn.map(VdnId::new).transpose();
    Ok(NewCampaign {
        vdn: vdn.map_err(|error| Stop::Failed(error.to_string()))?,
        definition,
        mark: object.uuid,
        decided_at: run.row.created_at,
    })
}

/// # Errors
/// `Unenforced` when the home loses something of the client's documents by which more may be called, or
/// they say too little for it.
async fn refuse_widening(
    gateway: &WorkerGateway,
    object: &ObjectRow,
    home: &Home,
) -> Result<(), GatewayError> {
    let lost = documents_of(gateway, object, home).await?.widening()?;
    lost.map_or(Ok(()), |lost| {
        let why = format!("its home cannot keep what it states: {lost}");
        Err(GatewayError::Unenforced(why))
    })
}

/// What a client's documents state of a campaign.
///
/// # Errors
/// `Unenforced` when they cannot be read, or say too little for a home of another platform.
pub(super) async fn definition_of(
    gateway: &WorkerGateway,
    object: &ObjectRow,
    home: &Home,
) -> Result<CampaignDefinition, GatewayError> {
    documents_of(gateway, object, home).await?.definition()
}

async fn documents_of<'a>(
    gateway: &WorkerGateway,
    object: &ObjectRow,
    home: &'a Home,
) -> Result<Documents<'a>, GatewayError> {
    let campaign = serde_json::from_str(&object.document).map_err(|_| written::unreadable())?;
    let kept = KeptOf { campaign: object.uuid, shape: &object.shape, uses: object.uses };
    gateway.documents(kept, campaign, home).await
}

async fn definition(
    run: &Run<'_>,
    object: &ObjectRow,
    home: &Home,
) -> Result<CampaignDefinition, Stop> {
    definition_of(run.gateway, object, home).await.map_err(stop_for)
}

/// A rule that is not kept says itself why.
fn stop_for(error: GatewayError) -> Stop {
    match error {
        GatewayError::Unenforced(why) => Stop::Failed(why),
        error => error.into(),
    }
}

async fn make(
    run: &mut Run<'_>,
    home: &Home,
    new: &NewCampaign,
    progress: &mut Progress,
) -> Result<(), Stop> {
    while let Some(step) = home.adapter.next_step(&progress.made) {
        let before = progress.clone();
        *progress = run
            .step(step, async |in_doubt| {
                let made = before.made.clone();
                let made = home.adapter.make_next(Lane::FacadeWrite, new, made, in_doubt).await?;
                Ok(Progress { made, ..before })
            })
            .await?;
    }
    Ok(())
}

/// The job cannot go on: what was made is taken away, and the draft is a draft again.
async fn give_up(
    run: &Run<'_>,
    home: &Home,
    object: &ObjectRow,
    progress: &Progress,
    stop: Stop,
) -> Stop {
    let Stop::Failed(why) = stop else { return stop };
    if let Err(error) = home.adapter.unmake(Lane::FacadeWrite, &progress.made).await {
        tracing::warn!(campaign = %object.uuid, %error,
            "the job could not remove a campaign that was made in part; it tries again");
        return run.stop_for(&error.with_effect(Effect::Unclear));
    }
    let ledger = &run.gateway.shared.ledger;
    let now = run.gateway.shared.clock.now();
    // What its client wants of it stays: it may have asked for a stop meanwhile, and runs it again or not.
    let change = ObjectChange { state: Some(ObjectState::Draft), ..ObjectChange::default() };
    let put_back = if is_draft(object, home) {
        ledger.change_object(object.uuid, change, now).await
    } else {
        ledger.delete_object(object.uuid, now).await
    };
    match put_back {
        Ok(_) => Stop::Failed(why),
        Err(error) => error.into(),
    }
}

/// Whether a client holds the object's UUID: then it stays a draft when making it fails. Where the
/// platform gives UUIDs itself, nobody has been told of this one.
fn is_draft(object: &ObjectRow, home: &Home) -> bool {
    home.adapter.native_of(CampaignKey::Uuid(object.uuid)).is_none()
}

/// Makes the new campaign public under the ids that it keeps.
async fn bind(
    run: &mut Run<'_>,
    home: &Home,
    object: &ObjectRow,
    (progress, wants_run): (&mut Progress, bool),
) -> Result<CampaignIdentity, Stop> {
    let gateway = run.gateway;
    let ledger = &gateway.shared.ledger;
    if let Some(campaign) = progress.campaign {
        let identity = ledger.find_campaign(CampaignKey::Uuid(campaign)).await?;
        return identity.ok_or_else(|| Stop::Failed("the campaign is gone".to_owned()));
    }
    let native = NativeId::new(progress.made.campaign.clone().unwrap_or_default());
    let asked_at = gateway.shared.clock.now();
    let fetched = home.adapter.campaign(Lane::FacadeRead, &native).await;
    let fetched = fetched.map_err(|error| run.stop_for(&error))?;
    let seen = fetched.clone();
    let sighted = gateway.sight(&object.account, &home.adapter, vec![fetched], asked_at).await;
    let identity = sighted?.pop();
    let identity = identity.ok_or_else(|| Stop::Passing("not in the directory yet".to_owned()))?;
    gateway.give_own_address(&identity).await;
    keep_beside(run, home, object, (&identity, &seen)).await?;
    let made = entry_of(run, Operation::CampaignCreate, identity.uuid, Some(&native));
    ledger.append_journal(made).await?;
    let wish = ledger.wish(identity.uuid).await?;
    // A stop that came before this is newer than the wish that the job was given.
    let wants_run = wants_run
        && !is_stopped_before_it_is_there(run, object).await?
        && wish.action.as_deref().is_none_or(|action| action == MADE);
    if wants_run {
        let desired = entry_of(run, Operation::CampaignStart, identity.uuid, None);
        let running = CampaignStatus::Running;
        // Before anybody can ask for it: it is not shown as it is while it is loaded.
        gateway.shared.loading.begin(identity.uuid);
        if !ledger.replace_wish(identity.uuid, wish.number, running, desired, None).await? {
            gateway.shared.loading.end(identity.uuid);
        }
    }
    let before = progress.clone();
    let uuid = identity.uuid;
    *progress = run.step("bind", async |_| Ok(Progress { campaign: Some(uuid), ..before })).await?;
    Ok((*identity).clone())
}

/// A line of the journal about what the job does for the client that wanted it.
fn entry_of(
    run: &Run<'_>,
    operation: Operation,
    campaign: Uuid,
    native: Option<&NativeId>,
) -> JournalEntry {
    JournalEntry {
        at: run.gateway.shared.clock.now(),
        actor: run.row.actor.clone(),
        action: operation.as_str().to_owned(),
        request_id: run.row.request_id.clone(),
        campaign: Some(campaign),
        before: None,
        after: native.map(ToString::to_string),
        reason: Some(format!("job {}", run.row.uuid)),
    }
}

/// The client's document stays beside the campaign, under the UUID that it has now.
async fn keep_beside(
    run: &Run<'_>,
    home: &Home,
    object: &ObjectRow,
    (identity, seen): (&CampaignIdentity, &FetchedCampaign),
) -> Result<(), Stop> {
    let shared = &run.gateway.shared;
    let now = shared.clock.now();
    let platform = platform_of(&object.shape);
    let base = platform.and_then(|platform| written::rendered(platform, seen, &home.context));
    let base = base.map(|base| base.to_string());
    if identity.uuid == object.uuid {
        let change = ObjectChange {
            state: Some(ObjectState::Bound),
            base: Some(base),
            ..ObjectChange::default()
        };
        shared.ledger.change_object(object.uuid, change, now).await?;
    } else {
        let kept = NewObject {
            uuid: identity.uuid,
            kind: ObjectKind::Campaign,
            account: object.account.clone(),
            shape: object.shape.clone(),
            parent: None,
            uses: object.uses,
            name: object.name.clone(),
            document: object.document.clone(),
            base,
            state: ObjectState::Bound,
        };
        shared.ledger.insert_object(kept, now).await?;
        shared.ledger.delete_object(object.uuid, now).await?;
    }
    shared.written.forget(identity.uuid);
    let document = serde_json::from_str(&object.document);
    if let (Some(platform), Ok(document)) = (platform, document) {
        let followed = run.gateway.follow_results(identity, platform, &document).await;
        followed?;
    }
    Ok(())
}

/// Loads the contacts that wait in the draft's list, oldest first, each once.
async fn load(
    run: &mut Run<'_>,
    home: &Home,
    object: &ObjectRow,
    identity: &CampaignIdentity,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let Some(list) = list_of(object) else { return Ok(()) };
    // One that was deleted since is nobody's: what waits in it goes on waiting.
    let known = run.gateway.shared.ledger.find_object(list).await?;
    if known.is_none_or(|row| row.deleted_at.is_some()) {
        return Ok(());
    }
    let retry = definition(run, object, home).await?.retry;
    while !progress.is_loaded {
        let Shared { ledger, clock, .. } = &*run.gateway.shared;
        // Also what was loaded before a crash.
        ledger.settle_contacts(std::mem::take(&mut progress.settled), clock.now()).await?;
        let waiting = ledger.objects_after(list, progress.loaded_to, LOADED_AT_ONCE).await?;
        let Some(last) = waiting.last().map(|row| row.list_at) else {
            let before = progress.clone();
            *progress =
                run.step("loaded", async |_| Ok(Progress { is_loaded: true, ..before })).await?;
            break;
        };
        let rows = record(run, home, identity, &waiting).await?;
        let (before, gateway) = (progress.clone(), run.gateway);
        *progress = run
            .step("load", async |in_doubt| {
                let settled = add(gateway, (home, identity), (&rows, &retry), in_doubt).await?;
                Ok(Progress { loaded_to: Some(last), settled, ..before })
            })
            .await?;
    }
    Ok(())
}

/// The list of contacts that the draft names.
fn list_of(object: &ObjectRow) -> Option<Uuid> {
    let document: Value = serde_json::from_str(&object.document).ok()?;
    let parts = platforms::parts_of(platform_of(&object.shape)?, &document);
    parts.into_iter().find(|(part, _)| *part == CampaignPart::ContactList).map(|(_, uuid)| uuid)
}

/// The contacts as rows of the campaign, under the ids that clients hold already.
async fn record(
    run: &Run<'_>,
    home: &Home,
    identity: &CampaignIdentity,
    waiting: &[ObjectRow],
) -> Result<Vec<ContactRow>, Stop> {
    let mut new = Vec::with_capacity(waiting.len());
    for row in waiting {
        let contact = contact_of(row, home)
            .ok_or_else(|| Stop::Failed("a waiting contact cannot be read".to_owned()))?;
        new.push(NewContact { uuid: row.uuid, contact });
    }
    let now = run.gateway.shared.clock.now();
    let rows = run.gateway.shared.ledger.record_contacts(identity.uuid, new, now).await?;
    let open = |row: &ContactRow| matches!(row.state, ContactState::Adding | ContactState::Unclear);
    Ok(rows.into_iter().filter(open).collect())
}

/// The contact that a waiting document means.
pub(super) fn contact_of(row: &ObjectRow, home: &Home) -> Option<Contact> {
    let platform = platform_of(&row.shape)?;
    let document: Value = serde_json::from_str(&row.document).ok()?;
    let read = platforms::document_to_domain(platform, Kind::Contact, &document, &home.context);
    match read.ok()?.value {
        DomainDocument::Contact(contact) => Some(contact),
        _ => None,
    }
}

/// Adds those that the home does not have. With a lost answer in between, what it has is found out
/// first. A contact of which nobody may be called stays with the gateway.
async fn add(
    gateway: &WorkerGateway,
    (home, identity): (&Home, &CampaignIdentity),
    (rows, retry): (&[ContactRow], &RetryPolicy),
    in_doubt: bool,
) -> Result<Vec<SettledContact>, PlatformError> {
    let (lane, native) = (Lane::FacadeWrite, &identity.native);
    let sent = rows.iter().map(|row| as_sent(row.uuid, &row.contact, retry));
    let sent: Vec<Contact> = sent.collect();
    let callable: Vec<Contact> = sent.iter().filter(|sent| sent.has_numbers()).cloned().collect();
    let there = if in_doubt && !callable.is_empty() {
        home.adapter.settle_contacts(lane, native, &callable).await?
    } else {
        vec![Presence::Absent; callable.len()]
    };
    let open = callable.into_iter().zip(&there).filter(|(_, there)| **there == Presence::Absent);
    let open: Vec<Contact> = open.map(|(contact, _)| contact).collect();
    let outcome = if open.is_empty() {
        Vec::new()
    } else {
        gateway.open_places(identity, home, &open).await?;
        let outcome = home.adapter.add_contacts(lane, native, &open).await?;
        match outcome.error {
            // What came before it is found again by its reference.
            Some(error) => return Err(error.with_effect(Effect::Unclear)),
            None => outcome.added,
        }
    };
    let (mut there, mut added) = (there.into_iter(), outcome.into_iter());
    let settled = rows.iter().zip(&sent).map(|(row, sent)| SettledContact {
        uuid: row.uuid,
        state: ContactState::Added,
        native: match sent.has_numbers().then(|| there.next()).flatten() {
            Some(Presence::There(native)) => native,
            Some(Presence::Absent) => added.next().flatten(),
            None => None,
        },
    });
    Ok(settled.collect())
}

/// Lets the campaign dial, unless somebody asked for a stop while it was being made.
async fn let_dial(
    run: &mut Run<'_>,
    object: &ObjectRow,
    identity: &CampaignIdentity,
) -> Result<(), Stop> {
    let (gateway, by) = (run.gateway, (&*run.row.actor, run.row.request_id.as_deref()));
    if is_stopped_before_it_is_there(run, object).await? {
        return stays_stopped(run, identity).await;
    }
    match settling::check_rights(run, &identity.home) {
        Err(failed @ Stop::Failed(_)) => {
            stays_stopped(run, identity).await?;
            return Err(failed);
        }
        allowed => allowed?,
    }
    let _turn = gateway.shared.turns.take(identity.uuid).await;
    match gateway.check_rules(by, identity).await {
        Ok(()) => {}
        // Starting it says why.
        Err(GatewayError::Unenforced(_) | GatewayError::State(_)) => {
            return stays_stopped(run, identity).await;
        }
        Err(error) => return Err(error.into()),
    }
    let progress: Progress = run.checkpoint()?;
    let entry = entry_of(run, Operation::CampaignStart, identity.uuid, None);
    match settling::start(run, identity, entry, progress).await? {
        Started::Running | Started::NotWanted => Ok(()),
        Started::Refused(error) => Err(Stop::Failed(error.to_string())),
    }
}

/// The campaign is not started, and not wanted running by what the job was told.
async fn stays_stopped(run: &Run<'_>, identity: &CampaignIdentity) -> Result<(), Stop> {
    let ledger = &run.gateway.shared.ledger;
    let wish = ledger.wish(identity.uuid).await?;
    if wish.desired == CampaignStatus::Running {
        let stopped = entry_of(run, Operation::CampaignStop, identity.uuid, None);
        let status = CampaignStatus::Stopped;
        ledger.replace_wish(identity.uuid, wish.number, status, stopped, None).await?;
    }
    Ok(())
}

/// Whether the client stopped the draft while it was being made.
async fn is_stopped_before_it_is_there(run: &Run<'_>, object: &ObjectRow) -> Result<bool, Stop> {
    let object = run.gateway.shared.ledger.find_object(object.uuid).await?;
    Ok(object.is_some_and(|object| object.is_wanted_running == Some(false)))
}

fn progress(row: &JobRow) -> Progress {
    row.checkpoint.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn platform_of(shape: &str) -> Option<PlatformKind> {
    PlatformKind::ALL.into_iter().find(|platform| platform.as_str() == shape)
}

impl Loading {
    pub fn begin(&self, campaign: Uuid) {
        self.campaigns.lock().unwrap_or_else(PoisonError::into_inner).insert(campaign);
    }

    /// True when it was loading.
    pub fn end(&self, campaign: Uuid) -> bool {
        self.campaigns.lock().unwrap_or_else(PoisonError::into_inner).remove(&campaign)
    }

    /// True while contacts are loaded and nobody asked for a stop.
    pub fn is_loading(&self, campaign: Uuid) -> bool {
        self.campaigns.lock().unwrap_or_else(PoisonError::into_inner).contains(&campaign)
    }
}
