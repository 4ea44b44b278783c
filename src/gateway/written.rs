//! What a client wrote of a campaign whose home cannot say all of it: kept beside the campaign, and
//! shown again as far as nothing has changed since.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::domain::campaign::CampaignDefinition;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignPart};
use crate::gateway::error::GatewayError;
use crate::gateway::rules::Stated;
use crate::gateway::{Asked, Home, Shared, WorkerGateway};
use crate::ledger::objects::{NewObject, ObjectChange, ObjectKind, ObjectRow, ObjectState};
use crate::mapping::engine::account::FieldOutcome;
use crate::mapping::table::Kind;
use crate::platforms::documents::DomainDocument;
use crate::platforms::merge::merge;
use crate::platforms::{self, ConvertContext, DialingRules, FetchedCampaign, PlatformKind};

/// A client's document, and how our rendering looked when it was written.
pub(super) struct Written {
    shape: String,
    /// None when what is kept is no JSON: then it says something that nobody understands.
    source: Option<Value>,
    /// The document of its dialling rules, where they are kept apart.
    uses: Option<Uuid>,
    base: Option<Value>,
}

/// Where a client's document of a campaign belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptOf<'a> {
    pub campaign: Uuid,
    /// The platform in whose words it is.
    pub shape: &'a str,
    /// The dialling rules that it names.
    pub uses: Option<Uuid>,
}

/// All that a client wrote of a campaign, as one document of its platform.
pub(super) struct Documents<'a> {
    shape: PlatformKind,
    whole: Value,
    home: &'a Home,
}

impl WorkerGateway {
    /// The campaign in the asker's words, with what the client wrote where the home's rendering has
    /// not changed since; None when no client of that platform wrote of it.
    pub(super) async fn written(
        &self,
        asked_as: PlatformKind,
        identity: &CampaignIdentity,
        fetched: &FetchedCampaign,
        context: &ConvertContext,
    ) -> Result<Option<Value>, GatewayError> {
        let known = self.known_written(identity.uuid).await?;
        Ok(known.and_then(|written| written.shown(asked_as, fetched, context)))
    }

    /// What a client stated of a campaign in words that its home does not speak; None when nobody
    /// did, and the home keeps all of its own rules.
    ///
    /// # Errors
    /// `Unenforced` when something was stated that cannot be read.
    pub(super) async fn stated(
        &self,
        identity: &CampaignIdentity,
    ) -> Result<Option<Stated>, GatewayError> {
        let home = self.home(identity)?;
        let platform = home.adapter.platform();
        let windows_are_kept = platforms::keeps_windows(platform);
        // Another process may have changed it a moment ago.
        self.shared.written.forget(identity.uuid);
        let Some(written) = self.known_written(identity.uuid).await? else { return Ok(None) };
        if written.shape == platform.as_str() {
            return Ok(None);
        }
        let kept = KeptOf { campaign: identity.uuid, shape: &written.shape, uses: written.uses };
        let source = written.source.clone().ok_or_else(unreadable)?;
        let documents = self.documents(kept, source, home).await?;
        let (definition, widening) = (documents.definition()?, documents.widening()?);
        Ok(Some(Stated { definition, windows_are_kept, widening }))
    }

    /// Whether a home keeps what a client's document of a campaign says, so that it may run there.
    ///
    /// # Errors
    /// `Invalid` with the member that the home would lose.
    pub fn check_campaign(
        &self,
        asked: &Asked,
        account: &AccountSlug,
        document: &Value,
    ) -> Result<(), GatewayError> {
        self.check_kept(asked, account, (Kind::Campaign, document))
    }

    /// Whether a home keeps what a client's document says, so that nobody is called more often or sooner
    /// than it allows.
    ///
    /// # Errors
    /// `Invalid` with the member that the home would lose.
    pub(super) fn check_kept(
        &self,
        asked: &Asked,
        account: &AccountSlug,
        (kind, document): (Kind, &Value),
    ) -> Result<(), GatewayError> {
        let home = self.homes.get(account);
        let home =
            home.ok_or_else(|| GatewayError::unavailable("the account is not configured"))?;
        let way = (asked.platform, home.adapter.platform());
        let lost = platforms::widening(way, kind, document, &home.context);
        let unreadable = |_| GatewayError::Internal("a document cannot be read".to_owned());
        match lost.map_err(unreadable)? {
            Some(FieldOutcome { field, reason, .. }) => {
                let rule = format!("the campaign's home cannot keep it: {reason}");
                Err(GatewayError::Invalid { field, rule })
            }
            None => Ok(()),
        }
    }

    /// What a client wrote of a campaign for this home, with its dialling rules where they are kept apart.
    /// Whoever asks what a campaign may do reads it here, so that all find the same.
    ///
    /// # Errors
    /// `Unenforced` when it cannot be read, or says too little for a home of another platform.
    pub(super) async fn documents<'a>(
        &self,
        kept: KeptOf<'_>,
        campaign: Value,
        home: &'a Home,
    ) -> Result<Documents<'a>, GatewayError> {
        let mut shapes = PlatformKind::ALL.into_iter();
        let shape = shapes.find(|kind| kind.as_str() == kept.shape).ok_or_else(unreadable)?;
        let rules = self.dialing_rules(kept.campaign, kept.uses).await?;
        if home.adapter.platform() != shape {
            platforms::check_portable(shape, &campaign, &rules).map_err(|why| {
                GatewayError::Unenforced(format!("the campaign cannot be run there: {why}"))
            })?;
        }
        let whole = platforms::campaign_document(shape, campaign, rules.document());
        Ok(Documents { shape, whole, home })
    }

    /// The dialling rules that a campaign's document names.
    async fn dialing_rules(
        &self,
        campaign: Uuid,
        named: Option<Uuid>,
    ) -> Result<DialingRules, GatewayError> {
        let Some(named) = named else { return Ok(DialingRules::Missing) };
        if named == CampaignPart::DialingRules.public_id(campaign) {
            return Ok(DialingRules::OfHome);
        }
        let Some(row) = self.shared.ledger.find_object(named).await? else {
            return Ok(DialingRules::Missing);
        };
        let document = serde_json::from_str(&row.document).map_err(|_| {
            GatewayError::Unenforced(
                "its dialling rules cannot be read; state them anew".to_owned(),
            )
        })?;
        Ok(DialingRules::Document(document))
    }

    /// The parts that a client of this platform named for a campaign.
    pub(super) async fn written_parts(
        &self,
        asked_as: PlatformKind,
        campaign: Uuid,
    ) -> Result<Vec<(CampaignPart, Uuid)>, GatewayError> {
        let known = self.known_written(campaign).await?;
        let known = known.filter(|written| written.shape == asked_as.as_str());
        let source = known.as_ref().and_then(|known| known.source.as_ref());
        Ok(source.map_or_else(Vec::new, |source| platforms::parts_of(asked_as, source)))
    }

    async fn known_written(&self, campaign: Uuid) -> Result<Option<Arc<Written>>, GatewayError> {
        let Shared { written, ledger, clock, .. } = &*self.shared;
        let now = clock.now();
        if let Some(known) = written.recall(campaign, now) {
            return Ok(known);
        }
        let row = ledger.find_object(campaign).await?;
        let known = row.and_then(Written::read).map(Arc::new);
        written.remember(campaign, known.clone(), now);
        Ok(known)
    }

    /// As [`WorkerGateway::written`] for a list: one question for all rows.
    pub(super) async fn written_of(
        &self,
        campaigns: Vec<Uuid>,
    ) -> Result<HashMap<Uuid, Arc<Written>>, GatewayError> {
        let rows = self.shared.ledger.objects_named(campaigns).await?.into_iter();
        Ok(rows.filter_map(|row| Some((row.uuid, Arc::new(Written::read(row)?)))).collect())
    }

    /// Keeps what a client wrote of a campaign as it stands now.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub(super) async fn keep_written(
        &self,
        asked: &Asked,
        (identity, fetched, context): (&CampaignIdentity, &FetchedCampaign, &ConvertContext),
        source: Value,
        uses: Option<Uuid>,
    ) -> Result<(), GatewayError> {
        let now = self.shared.clock.now();
        let base = rendered(asked.platform, fetched, context).map(|base| base.to_string());
        let name = fetched.definition.name.clone();
        let new = NewObject {
            uuid: identity.uuid,
            kind: ObjectKind::Campaign,
            account: identity.home.clone(),
            shape: asked.platform.as_str().to_owned(),
            parent: None,
            uses,
            name: name.clone(),
            document: source.to_string(),
            base: base.clone(),
            state: ObjectState::Bound,
        };
        let known = self.shared.ledger.insert_object(new, now).await?;
        let change = ObjectChange {
            name: Some(name),
            document: Some(source.to_string()),
            base: Some(base),
            uses: Some(uses),
            state: Some(ObjectState::Bound),
            ..ObjectChange::default()
        };
        if known.shape == asked.platform.as_str() {
            self.shared.ledger.change_object(identity.uuid, change, now).await?;
        }
        self.shared.written.forget(identity.uuid);
        self.follow_results(identity, asked.platform, &source).await
    }
}

/// How a campaign reads in a platform's words.
pub(super) fn rendered(
    platform: PlatformKind,
    fetched: &FetchedCampaign,
    context: &ConvertContext,
) -> Option<Value> {
    let definition = Box::new(fetched.definition.clone());
    let document = DomainDocument::Campaign(definition, fetched.status.clone());
    platforms::document_from_domain(platform, &document, context).ok().map(|made| made.value)
}

impl Documents<'_> {
    /// What they state.
    ///
    /// # Errors
    /// `Unenforced` when they cannot be read.
    pub fn definition(&self) -> Result<CampaignDefinition, GatewayError> {
        let context = &self.home.context;
        let read = platforms::document_to_domain(self.shape, Kind::Campaign, &self.whole, context);
        match read.map_err(|_| unreadable())?.value {
            DomainDocument::Campaign(definition, _) => Ok(*definition),
            _ => Err(unreadable()),
        }
    }

    /// What of it the home loses, so that more may be called.
    ///
    /// # Errors
    /// `Unenforced` when they cannot be read.
    pub fn widening(&self) -> Result<Option<FieldOutcome>, GatewayError> {
        let way = (self.shape, self.home.adapter.platform());
        let lost = platforms::widening(way, Kind::Campaign, &self.whole, &self.home.context);
        lost.map_err(|_| unreadable())
    }
}

pub(super) fn unreadable() -> GatewayError {
    let reason = "what was stated of it cannot be read; modify it to state its rules anew";
    GatewayError::Unenforced(reason.to_owned())
}

impl Written {
    /// None when the object says nothing beside a campaign.
    fn read(row: ObjectRow) -> Option<Self> {
        if row.kind != ObjectKind::Campaign || row.deleted_at.is_some() {
            return None;
        }
        let base = row.base.as_deref().and_then(|base| serde_json::from_str(base).ok());
        let source = serde_json::from_str(&row.document).ok();
        Some(Self { source, shape: row.shape, uses: row.uses, base })
    }

    /// The document as it is to be shown now.
    pub(super) fn shown(
        &self,
        asked_as: PlatformKind,
        fetched: &FetchedCampaign,
        context: &ConvertContext,
    ) -> Option<Value> {
        if self.shape != asked_as.as_str() {
            return None;
        }
        let campaign = |document| platforms::campaign_of_document(asked_as, document);
        let now = campaign(rendered(asked_as, fetched, context)?);
        let base = self.base.clone().map_or_else(|| now.clone(), campaign);
        merge(self.source.as_ref()?, &base, &now).ok()
    }
}
