//! Requests that go to the client's own account as they are: the gateway decides on which account and
//! whether, and keeps the journal; bodies are never kept.

use futures_util::StreamExt;

use crate::domain::ids::AccountSlug;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::Route;
use crate::gateway::{Asked, WorkerGateway};
use crate::platforms::{Effect, Operation, PassThrough, PassedBack, PlatformErrorKind};

impl WorkerGateway {
    /// The account that a client of several means when its request names none: the one on which it
    /// creates, if that speaks its language, else the only one that does.
    ///
    /// # Errors
    /// `Unsupported` when there is none, `State` when it could be one of several.
    pub fn own_account(&self, asked: &Asked) -> Result<AccountSlug, GatewayError> {
        let own = self.accounts_of_own_platform(asked);
        let chosen = asked.client.create_on.as_ref().filter(|slug| own.contains(slug));
        match (chosen, own.as_slice()) {
            (Some(slug), _) | (None, [slug]) => Ok(slug.clone()),
            (None, []) => Err(GatewayError::Unsupported(
                "the client has no account of the platform whose language it speaks",
            )),
            (None, _) => Err(GatewayError::State(
                "the client has several accounts that could be meant: one of them has to be its \
                 create_on"
                    .to_owned(),
            )),
        }
    }

    /// Sends a request to the client's own account and answers whatever comes back. `rule` is the
    /// setting that allows it, for the journal: the path itself may hold a phone number.
    ///
    /// # Errors
    /// As [`WorkerGateway::own_account`]; `Forbidden` when client or account may not write;
    /// `Invalid` when the body broke off; `Unclear` when the answer to a write was lost.
    pub async fn pass_through(
        &self,
        asked: &Asked,
        rule: &str,
        request: PassThrough,
    ) -> Result<PassedBack, GatewayError> {
        let operation = Operation::PassThrough;
        let account = self.own_account(asked)?;
        if let Route::Unsupported(reason) = self.route_on(asked, &account, operation)? {
            return Err(GatewayError::Unsupported(reason));
        }
        let home = self
            .homes
            .get(&account)
            .ok_or_else(|| GatewayError::unavailable("the client's account is not configured"))?;
        let job = self.shared.clock.new_uuid();
        let _writing = request.is_write().then(|| self.shared.reads.writing_on(&account));
        if request.is_write() {
            self.may_write(asked, &account)?;
            let mut entry = self.operation_entry(asked, operation, None, job);
            entry.reason = Some(format!("{rule} on {account}, job {job}"));
            self.shared.ledger.append_journal(entry).await?;
        }
        let mut back = home.adapter.pass_through(request).await.map_err(|error| {
            let unclear = error.effect == Effect::Unclear;
            tracing::warn!(%account, %job, unclear, %error,
                "the home did not take a request that passes through; the client is told");
            match error.kind {
                PlatformErrorKind::Invalid => GatewayError::invalid(
                    "body",
                    "it ended before it was whole, or came too slowly",
                ),
                _ => GatewayError::from_platform(&error, Noun::Campaign, job),
            }
        })?;
        let note = move |chunk: &Result<_, _>| {
            if let Err(failure) = chunk {
                tracing::warn!(%account, %job, %failure,
                    "the home cut off an answer that passes through; the client sees it cut off, too");
            }
        };
        back.body = back.body.inspect(note).boxed_local();
        Ok(back)
    }
}
