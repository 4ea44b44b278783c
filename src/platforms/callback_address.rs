//! Where an account's platform pushes to, at this gateway. Where pushes are not signed the address
//! has a token that proves them: who does not know it cannot push.

use subtle::ConstantTimeEq as _;
use url::Url;

use crate::config::AccountConfig;
use crate::domain::ids::NativeId;
use crate::signing::keys::{BadKeys, MasterKeys, TokenFor};

/// The addresses of one account.
#[derive(Debug, Clone)]
pub struct CallbackAddresses {
    /// `/callbacks/{platform}/{account}`.
    path: String,
    account: String,
    keys: Option<MasterKeys>,
    /// The account's own, of every key that stands: they come with every push.
    tokens: Vec<String>,
    /// What platforms reach the listener by; None: nobody said.
    base: Option<Url>,
    per_campaign: bool,
    /// Whether pushes prove themselves, so that an address without a token will do.
    are_signed: bool,
}

/// Whose address somebody pushes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushedTo {
    Account,
    /// Only this campaign's results may come there.
    Campaign(NativeId),
}

impl CallbackAddresses {
    /// # Errors
    /// When the master keys cannot be read.
    pub fn new(platform: &str, are_signed: bool, config: &AccountConfig) -> Result<Self, BadKeys> {
        let callbacks = &config.callbacks;
        let keys = callbacks.master_keys.as_ref().map(MasterKeys::parse).transpose()?;
        let tokens = keys.as_ref().map(|keys| keys.callback_tokens(config.slug.as_str()));
        Ok(Self {
            tokens: tokens.unwrap_or_default(),
            path: format!("/callbacks/{platform}/{}", config.slug),
            account: config.slug.to_string(),
            keys,
            base: callbacks.public_url.clone(),
            per_campaign: callbacks.per_campaign,
            are_signed,
        })
    }

    /// Path of the account's address; None where it needs a token and there is no master key.
    pub fn path(&self) -> Option<String> {
        self.path_for(None)
    }

    /// What is to be written into a campaign, or into the account without one. None where nobody said
    /// what the platform reaches the gateway by.
    pub fn address(&self, campaign: Option<&NativeId>) -> Option<String> {
        let base = self.base.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}{}", self.path_for(campaign.filter(|_| self.per_campaign))?))
    }

    /// Whether each campaign is to have an address of its own, as soon as it has an id.
    pub fn is_per_campaign(&self) -> bool {
        self.per_campaign
    }

    /// Whether results that are pushed to an address come here.
    pub fn is_own(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let Some((before, token)) = url.path().rsplit_once(&self.path) else { return false };
        if let Some(token) = token.strip_prefix('/') {
            return self.verify(token).is_some();
        }
        let base = self.base.as_ref().filter(|_| self.are_signed && token.is_empty());
        base.is_some_and(|base| {
            base.origin() == url.origin() && base.path().trim_end_matches('/') == before
        })
    }

    /// Whose address has this token; None: nobody's.
    pub fn verify(&self, token: &str) -> Option<PushedTo> {
        let is_given = |own: &String| bool::from(own.as_bytes().ct_eq(token.as_bytes()));
        if self.tokens.iter().any(is_given) {
            return Some(PushedTo::Account);
        }
        Some(match self.keys.as_ref()?.verifies_callback(&self.account, token)? {
            TokenFor::Account => PushedTo::Account,
            TokenFor::Campaign(name) => PushedTo::Campaign(NativeId::new(name.replace('.', "/"))),
        })
    }

    fn path_for(&self, campaign: Option<&NativeId>) -> Option<String> {
        match &self.keys {
            Some(keys) => {
                // A native id with a slash would be two segments.
                let campaign = campaign.map(|native| native.as_str().replace('/', "."));
                let token = keys.callback_token(&self.account, campaign.as_deref());
                Some(format!("{}/{token}", self.path))
            }
            None => self.are_signed.then(|| self.path.clone()),
        }
    }
}
