//! Groups of agents: objects of a home, groups that the operator has bound, and the agents of a
//! campaign whose group nobody names.

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::campaign::Answering;
use crate::domain::ids::{AccountSlug, CampaignPart};
use crate::domain::listing::Window;
use crate::gateway::campaigns::CampaignView;
use crate::gateway::discovery::LookedFor;
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::gateway::merged::{Listed, SourcePage};
use crate::gateway::parts::PartView;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::MAX_WINDOW_ROWS;
use crate::ledger::directory::DirectoryFilter;
use crate::platforms::{Exchange, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// A group of agents as it is shown.
pub enum GroupView {
    /// An object of a home's own.
    Native(Bytes),
    /// Known by the operator's bindings alone.
    Bound(Uuid),
    /// Whoever answers for this campaign.
    OfCampaign(Box<CampaignView>),
}

impl WorkerGateway {
    /// A group by its id.
    ///
    /// # Errors
    /// `NotFound` when nobody has it, `Forbidden` when it is another account's, and whatever keeps
    /// a home from answering.
    pub async fn group(&self, asked: &Asked, id: Uuid) -> Result<GroupView, GatewayError> {
        let part = CampaignPart::AgentGroup;
        match self.part(asked, part, id).await {
            Ok(PartView::Native { document, .. }) => Ok(GroupView::Native(document)),
            // Also where the live document names the group: lists of some homes say less, and the id
            // that they led to can be followed.
            Ok(PartView::Derived { campaign, .. }) if has_agents(&campaign) => {
                Ok(GroupView::OfCampaign(campaign))
            }
            Ok(PartView::Derived { .. } | PartView::Kept(_)) => {
                Err(GatewayError::NotFound(Noun::Part(part)))
            }
            Err(GatewayError::NotFound(_) | GatewayError::Forbidden(Refusal::ForeignAccount))
                if self.bound_groups(asked).contains(&id) =>
            {
                Ok(GroupView::Bound(id))
            }
            Err(error) => Err(error),
        }
    }

    /// The groups that the operator has bound for the client's homes of another platform; their
    /// names are ids of groups on the client's own.
    pub fn bound_groups(&self, asked: &Asked) -> Vec<Uuid> {
        let homes = asked.client.accounts.iter().filter_map(|slug| self.homes.get(slug));
        let mut others = homes.filter(|home| home.adapter.platform() != asked.platform);
        let Some(home) = others.next() else { return Vec::new() };
        home.context.bindings.groups().filter_map(|name| Uuid::try_parse(name).ok()).collect()
    }

    /// Whether a bound group is not also an object on one of the client's homes.
    ///
    /// # Errors
    /// Whatever keeps a home from answering.
    pub async fn is_only_bound(&self, asked: &Asked, id: Uuid) -> Result<bool, GatewayError> {
        Ok(matches!(self.group(asked, id).await?, GroupView::Bound(_)))
    }

    /// Campaigns whose agents are a group of their own, newest first, by what the directory knows.
    ///
    /// # Errors
    /// When the ledger does not answer or has a document that cannot be read.
    pub async fn campaigns_with_unnamed_agents(
        &self,
        asked: &Asked,
        mut before: Option<jiff::Timestamp>,
        limit: u32,
    ) -> Result<SourcePage<CampaignView>, GatewayError> {
        let own = self.accounts_of_own_platform(asked);
        let others = asked.client.accounts.iter().filter(|slug| !own.contains(slug));
        let accounts: Vec<AccountSlug> = others.cloned().collect();
        let mut rows = Vec::new();
        loop {
            let filter = DirectoryFilter { accounts: accounts.clone(), ..Default::default() };
            let window = Window::Before { list_at: before, limit: MAX_WINDOW_ROWS };
            let page = self.shared.ledger.list_directory(filter, window).await?;
            let is_last = page.entries.len() < MAX_WINDOW_ROWS as usize;
            for entry in page.entries {
                before = Some(entry.identity.list_at);
                let view = self.view_of_entry(asked.platform, entry)?;
                if has_unnamed_agents(&view) {
                    let id = CampaignPart::AgentGroup.public_id(view.identity.uuid);
                    rows.push(Listed { list_at: view.identity.list_at, id, row: view });
                }
                if rows.len() == limit as usize {
                    return Ok(SourcePage { rows, next: before });
                }
            }
            if is_last {
                return Ok(SourcePage { rows, next: None });
            }
        }
    }

    /// Looks for something by its id on the client's accounts whose platform speaks the client's
    /// language, one after the other.
    ///
    /// # Errors
    /// `NotFound` when none of them has it, `Forbidden` when one says that it is another account's,
    /// and whatever keeps one from answering.
    pub(super) async fn find_on_own_accounts(
        &self,
        asked: &Asked,
        looked_for: LookedFor,
        noun: Noun,
        exchange: &Exchange,
    ) -> Result<Bytes, GatewayError> {
        self.known_as_unknown(asked, &looked_for)?;
        let mut answer = GatewayError::NotFound(noun);
        for account in self.accounts_of_own_platform(asked) {
            let Some(home) = self.homes.get(&account) else { continue };
            match home.adapter.exchange(Lane::FacadeRead, None, exchange.clone()).await {
                Ok(body) => return Ok(body),
                Err(error) if error.kind == PlatformErrorKind::NotFound => {}
                Err(error) if error.kind == PlatformErrorKind::Forbidden => {
                    answer = GatewayError::Forbidden(Refusal::ForeignAccount);
                }
                Err(error) => {
                    tracing::warn!(%account, %error,
                        "the home did not answer a look-up by id; the client is told to ask again");
                    let job = self.shared.clock.new_uuid();
                    return Err(GatewayError::from_exchange(&error, noun, job));
                }
            }
        }
        Err(self.remember_unknown(asked, looked_for, answer))
    }
}

fn has_agents(campaign: &CampaignView) -> bool {
    matches!(campaign.fetched.definition.answering, Answering::Agents { .. })
}

/// Agents whose group no binding names.
fn has_unnamed_agents(campaign: &CampaignView) -> bool {
    matches!(campaign.fetched.definition.answering, Answering::Agents { group: None })
}
