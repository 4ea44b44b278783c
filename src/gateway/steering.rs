//! Starts and stops (docs/decisions/0009-starts-and-stops.md, 0026-whose-turn-it-is.md). What is wanted
//! is journalled, the home asked, and what the home answers recorded; an answer that is lost is looked
//! up and never guessed.
//!
//! Starts and stops of one campaign are sent one at a time, in whatever process: by whoever has the
//! turn in the ledger. A stop waits for a start that is on its way and is sent after it; a start that a
//! newer stop overtook is followed by a pause.

mod unrecorded;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::campaigns::{CampaignView, failed};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::patience::answered_soon;
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, Shared, WorkerGateway, retry};
use crate::ledger::LedgerError;
use crate::ledger::journal::JournalEntry;
use crate::ledger::steering::{Claim, SteeringTurn, Wish, Wished};
use crate::platforms::{
    Effect, FetchedCampaign, Operation, PlatformError, PlatformErrorKind, Steered,
};
use crate::transport::pacing::Lane;

/// What a client wants a campaign to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desire {
    Run,
    Stop,
}

/// What asking for the state that the campaign has already means to the asker's platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing to do.
    Done,
    /// A mistake.
    Refused,
}

/// A start or stop for which the turn was taken.
struct Steering {
    /// Who asks, in whose words, under which request.
    asked: Asked,
    identity: Arc<CampaignIdentity>,
    desire: Desire,
    repeat: Repeat,
    /// Names the turn.
    by: Uuid,
    /// What an unclear outcome is looked up by.
    job: Uuid,
    /// None: it is not its own wish that it follows, and none is taken back.
    wished: Option<Wished>,
}

/// What a request does with a campaign of which something newer is wanted by now.
enum Turned {
    Ours(Wish),
    /// It did not come in time.
    NotYet,
}

/// A facade answers within 25 s; this is what a start or stop waits for others of its campaign.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often somebody who waits for the turn asks for it, besides being told of its end.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// Beside what a platform's time-outs and the wait for its pace come to.
const TURN_MARGIN: Duration = Duration::from_secs(5);

impl WorkerGateway {
    /// Starts or stops a campaign, and answers how it stands afterwards.
    ///
    /// # Errors
    /// `Forbidden` when the client or the account may not write, `State` when the campaign's state
    /// does not allow it, `Unclear` when the home's answer was lost and looking it up did not help;
    /// a stop is repeated then until the home shows it.
    pub async fn set_desired(
        &self,
        asked: &Asked,
        key: CampaignKey,
        desire: Desire,
        repeat: Repeat,
    ) -> Result<CampaignView, GatewayError> {
        // Boxed is what few of them need, or not for long: every request moves the room for it, and
        // holds it while it waits for the disk.
        let identity = self.resolve(asked, key).await?;
        self.check_may_write(asked, &identity)?;
        let _writing = self.shared.reads.writing(&identity);
        if let Route::Unsupported(reason) =
            route(desire.operation(), self.home(&identity)?.adapter.platform(), asked.platform)
        {
            return Err(GatewayError::Unsupported(reason));
        }
        let _coming = match desire {
            Desire::Run => None,
            Desire::Stop => Some(self.shared.stops.came(identity.uuid, asked.arrival)),
        };
        match desire {
            Desire::Run => {
                // Where the home looks after that itself, asking it costs nothing but the question.
                if repeat == Repeat::Refused || !self.home(&identity)?.adapter.guards_its_states() {
                    let before = Box::pin(self.view(asked.platform, Arc::clone(&identity))).await?;
                    if desire.needs_no_write(&before.fetched, repeat, self.shared.clock.now())?
                        && self.shared.ledger.wish(identity.uuid).await?.desired
                            == CampaignStatus::Running
                    {
                        return Ok(before);
                    }
                }
            }
            // It goes on standing still; it is shown so from now on.
            Desire::Stop => drop(self.shared.loading.end(identity.uuid)),
        }
        // A start and a change of rules go one after the other; a stop waits for nobody.
        let _turn = match desire {
            Desire::Run => Some(self.shared.turns.take(identity.uuid).await),
            Desire::Stop => None,
        };
        let beginning = self.begin_steering(asked, &identity, (desire, repeat));
        let begun = match desire {
            Desire::Run => beginning.await,
            Desire::Stop => answered_soon(beginning).await,
        };
        match begun {
            Ok(steering) => self.steer(steering).await,
            Err(error) if desire == Desire::Stop && error.is_of_the_store() => {
                Err(Box::pin(self.stop_unrecorded(asked, &identity, error)).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the home for what the ledger says is wanted, when it is our turn.
    async fn steer(&self, steering: Steering) -> Result<CampaignView, GatewayError> {
        let Steering { asked, identity, desire, repeat, wished, .. } = &steering;
        if *desire == Desire::Stop {
            self.shared.stops.recorded(identity.uuid, asked.arrival);
            // Whoever loads it looks at what is wanted after it said so.
            self.shared.loading.end(identity.uuid);
        }
        let has_turn = wished.as_ref().is_some_and(|wished| wished.turn == SteeringTurn::Ours);
        let looks = *desire == Desire::Stop && *repeat == Repeat::Refused;
        if !has_turn || looks {
            match Box::pin(self.await_turn(&steering)).await {
                Ok(None) => {}
                Ok(Some(view)) => return Ok(view),
                Err(error) if *desire == Desire::Stop && error.is_of_the_store() => {
                    return Err(Box::pin(self.stop_unrecorded(asked, identity, error)).await);
                }
                Err(error) => return Err(error),
            }
        }
        if *desire == Desire::Run {
            // The wish is in the ledger before the rules are read: of a start here and a change in
            // another process, one sees the other.
            if let Err(error) = Box::pin(self.check_wished(&steering)).await {
                self.take_back(&steering, "refused").await?;
                return Err(error);
            }
            if self.is_overtaken(&steering) {
                // The stop has been sent, or is by whoever sends it.
                self.take_back(&steering, "a stop came since").await?;
                return self.view(asked.platform, Arc::clone(identity)).await;
            }
            self.shared.stops.followed(identity.uuid, asked.arrival);
        }
        self.ask_home(steering).await
    }

    /// Journals what is wanted before anybody is asked for it, and takes the turn if it is free.
    async fn begin_steering(
        &self,
        asked: &Asked,
        identity: &Arc<CampaignIdentity>,
        (desire, repeat): (Desire, Repeat),
    ) -> Result<Steering, GatewayError> {
        let clock = &self.shared.clock;
        let (by, job) = (clock.new_uuid(), clock.new_uuid());
        let mut steering = Steering {
            asked: asked.clone(),
            identity: Arc::clone(identity),
            desire,
            repeat,
            by,
            job,
            wished: None,
        };
        let entry = self.entry_of(&steering, format!("job {job}"));
        let claim = self.claim(identity, by)?;
        let ledger = &self.shared.ledger;
        let recorded =
            ledger.record_desired_status(identity, desire.status(), entry, Some(claim)).await;
        if recorded == Err(LedgerError::Moved) {
            // What was remembered is put right, for whoever asks again.
            self.for_writing(asked, identity.uuid).await?;
        }
        steering.wished = Some(recorded?);
        Ok(steering)
    }

    /// The turn to ask a campaign's home, for as long as a request to it may take.
    pub(super) fn claim(
        &self,
        identity: &CampaignIdentity,
        by: Uuid,
    ) -> Result<Claim, GatewayError> {
        let limits = &self.shared.account(&identity.home)?.limits;
        let request = Duration::from_millis(limits.connect_timeout_ms + limits.request_timeout_ms);
        let wait = Lane::Stop.max_wait().max(Lane::FacadeWrite.max_wait());
        let until = self.shared.clock.now() + wait + request + TURN_MARGIN;
        Ok(Claim { by, until })
    }

    /// Waits for the turn, and looks whether there is something to do. None: the home is to be asked;
    /// else how the campaign stands.
    async fn await_turn(&self, steering: &Steering) -> Result<Option<CampaignView>, GatewayError> {
        let Steering { asked, identity, desire, repeat, by, job, wished } = steering;
        let Some(wished) = wished else { return Ok(None) };
        let waits = wished.turn != SteeringTurn::Ours;
        if waits && *desire == Desire::Stop {
            // A start may be on its way. What runs is stopped now; it is asked again after that.
            let adapter = &self.home(identity)?.adapter;
            if let Err(error) = adapter.stop_campaign(Lane::Stop, &identity.native).await {
                tracing::debug!(campaign = %identity.uuid, %job, %error,
                    "the home did not stop the campaign beside a start; it is stopped again when its turn comes");
            }
        }
        match self.turn(steering, waits).await? {
            // Somebody else wants something else by now, and sees to it.
            Turned::Ours(wish)
                if wish.number != Some(wished.number) && wish.desired != desire.status() =>
            {
                // What was sent beside a start may have come after it; then it was ours, and nobody's
                // from outside.
                if *desire == Desire::Stop
                    && let Ok(found) = self.look(steering).await
                {
                    self.settled(steering, &found.fetched).await?;
                    return Ok(Some(found));
                }
                self.shared.ledger.end_steering(identity.uuid, *by, None).await?;
                self.shared.steered.notify_waiters();
                return self.view(asked.platform, Arc::clone(identity)).await.map(Some);
            }
            Turned::Ours(_) => {}
            Turned::NotYet => return Err(self.gave_up_waiting(steering, wished).await?),
        }
        // What was wanted running is stopped, also before it runs.
        let changes = waits || wished.before == CampaignStatus::Running;
        if *desire == Desire::Run || *repeat == Repeat::Done || changes {
            return Ok(None);
        }
        // Whether there is anything to stop decides what the answer is. If that cannot be told, it is
        // stopped.
        let Ok(before) = self.look(steering).await else {
            return Ok(None);
        };
        match desire.needs_no_write(&before.fetched, *repeat, self.shared.clock.now()) {
            Ok(false) => Ok(None),
            Ok(true) => {
                self.settled(steering, &before.fetched).await?;
                Ok(Some(before))
            }
            Err(error) => {
                self.take_back(steering, "refused").await?;
                Err(error)
            }
        }
    }

    /// Asks for the turn until it comes, or patience ends.
    async fn turn(&self, steering: &Steering, waits: bool) -> Result<Turned, GatewayError> {
        let Steering { identity, by, .. } = steering;
        if !waits {
            let wish = self.shared.ledger.wish(identity.uuid);
            return Ok(Turned::Ours(answered_soon(wish).await?));
        }
        Ok(match self.await_claim(identity, (*by, None), PATIENCE).await? {
            (SteeringTurn::Ours, wish) => Turned::Ours(wish),
            _ => Turned::NotYet,
        })
    }

    /// Asks for the turn until somebody else has it no more, or patience ends: how often it was asked for
    /// by then says nothing, for the starts and stops of all campaigns are news.
    pub(super) async fn await_claim(
        &self,
        identity: &CampaignIdentity,
        (by, only_if): (Uuid, Option<CampaignStatus>),
        patience: Duration,
    ) -> Result<(SteeringTurn, Wish), GatewayError> {
        let Shared { ledger, clock, steered, .. } = &*self.shared;
        let deadline = clock.now() + patience;
        loop {
            let news = steered.notified();
            let (claim, now) = (self.claim(identity, by)?, clock.now());
            let claimed = ledger.claim_steering(identity, claim, only_if.clone(), now);
            let claimed = answered_soon(claimed).await?;
            if !matches!(claimed.0, SteeringTurn::Others(_)) || now >= deadline {
                return Ok(claimed);
            }
            tokio::select! {
                () = news => {}
                () = clock.sleep(ASK_INTERVAL) => {}
            }
        }
    }

    /// A stop whose turn does not come is seen to by a job; a start is not wanted any more.
    async fn gave_up_waiting(
        &self,
        steering: &Steering,
        wished: &Wished,
    ) -> Result<GatewayError, GatewayError> {
        let now = self.shared.clock.now();
        if steering.desire == Desire::Stop {
            return self
                .settle_later(steering.by_whom(), &steering.identity, (steering.job, now))
                .await;
        }
        let entry = self.entry_of(steering, format!("not sent, job {}", steering.job));
        let ledger = &self.shared.ledger;
        ledger.withdraw_wish(steering.identity.uuid, wished.number, entry, None).await?;
        let reason = "another start or stop of the campaign is not answered yet; try again";
        Ok(GatewayError::unavailable(reason))
    }

    /// Asks the home, whose turn it is, and keeps what comes of it.
    async fn ask_home(&self, steering: Steering) -> Result<CampaignView, GatewayError> {
        match Box::pin(self.write_status(&steering)).await {
            // The stop may not have found it running.
            Ok(_) if self.is_overtaken(&steering) => {
                Box::pin(self.ask_home(steering.overtaken())).await
            }
            Ok(steered) => self.keep_steered(steering, steered).await,
            Err(error) => Box::pin(self.look_after_refusal(steering, error)).await,
        }
    }

    /// Keeps and shows how a campaign stands that its home has started or stopped: by the document
    /// that the home answered with, or by the one that the directory has.
    async fn keep_steered(
        &self,
        steering: Steering,
        steered: Steered,
    ) -> Result<CampaignView, GatewayError> {
        let Steering { asked, identity, by, job, .. } = &steering;
        let asked_as = asked.platform;
        let entry = self.entry_of(&steering, format!("job {job}"));
        let (view, recorded) = if let Some(document) = steered.document {
            let adapter = &self.home(identity)?.adapter;
            let fetched = adapter.read_campaign(&identity.native, document);
            let fetched = fetched.map_err(|error| failed(&error, identity))?;
            let recorded = self.record_outcome(identity, &fetched, entry, Some(*by)).await?;
            (self.view_of(asked_as, Arc::clone(identity), fetched)?, recorded)
        } else {
            let ledger = &self.shared.ledger;
            let (campaign, status) = (identity.uuid, steered.status);
            let recorded = ledger.record_actual_status(campaign, status, entry, Some(*by)).await?;
            let identity = Arc::clone(identity);
            let view = self.view_as_listed(asked_as, identity, recorded.actual.clone()).await?;
            (view, recorded)
        };
        self.shared.steered.notify_waiters();
        if recorded.runs_unwanted && steering.desire == Desire::Run {
            return Box::pin(self.ask_home(steering.overtaken())).await;
        }
        self.with_what_clients_said(asked_as, view).await
    }

    /// A start or stop that was refused, or whose answer was lost: only a look at the campaign tells
    /// what came of it. It may stand as it should; else the wish is taken back, unless that is unclear.
    /// A stop that may still succeed is repeated.
    async fn look_after_refusal(
        &self,
        steering: Steering,
        error: PlatformError,
    ) -> Result<CampaignView, GatewayError> {
        let Steering { asked, identity, desire, repeat, by, job, .. } = &steering;
        let home = self.home(identity)?;
        let said = home.refusal(asked.platform, &error, (Noun::Campaign, *job));
        if *desire == Desire::Stop {
            // Loading may have begun since: how the home has it counts, not how it was shown.
            self.shared.loading.end(identity.uuid);
        }
        let after = self.look(&steering).await;
        let now = self.shared.clock.now();
        let is_met = after.as_ref().is_ok_and(|after| desire.is_met_by(&after.fetched, now));
        let after = match after {
            Ok(after)
                if is_met
                    && (said.is_of_state() || matches!(said, GatewayError::Unclear { .. })) =>
            {
                let runs_unwanted = self.settled(&steering, &after.fetched).await?;
                if runs_unwanted && *desire == Desire::Run {
                    return Box::pin(self.ask_home(steering.overtaken())).await;
                }
                return Ok(after);
            }
            after => after,
        };
        match desire {
            Desire::Stop if retry::is_worth_it(&error) && !is_met => {
                self.shared.ledger.end_steering(identity.uuid, *by, Some(now)).await?;
                self.shared.steered.notify_waiters();
                Err(self.settle_later(steering.by_whom(), identity, (*job, now)).await?)
            }
            // It may still come to the home, until the turn runs out.
            Desire::Run if error.effect == Effect::Unclear => {
                let until = self.claim(identity, *by)?.until;
                Err(self.settle_later(steering.by_whom(), identity, (*job, until)).await?)
            }
            _ => {
                if let Ok(after) = &after {
                    let entry = self.entry_of(&steering, format!("job {job}"));
                    self.record_outcome(identity, &after.fetched, entry, None).await?;
                }
                self.take_back(&steering, "refused").await?;
                match after {
                    Ok(after) => desire.needs_no_write(&after.fetched, *repeat, now).and(Err(said)),
                    Err(_) => Err(said),
                }
            }
        }
    }

    /// How the campaign stands at its home, whatever is shown of it. A stop does not wait for that behind
    /// what others load and read.
    async fn look(&self, steering: &Steering) -> Result<CampaignView, GatewayError> {
        let Steering { asked, identity, desire, .. } = steering;
        let lane = match desire {
            Desire::Run => Lane::FacadeRead,
            Desire::Stop => Lane::Stop,
        };
        let view = self.read(lane, asked.platform, Arc::clone(identity)).await?;
        Ok(CampaignView { fetched: view.as_found(), ..view })
    }

    /// Records that the campaign was found as it should be, and ends the turn; true while it runs and
    /// is wanted stopped by now.
    async fn settled(
        &self,
        steering: &Steering,
        found: &FetchedCampaign,
    ) -> Result<bool, GatewayError> {
        let entry = self.entry_of(steering, format!("job {}", steering.job));
        let by = Some(steering.by);
        let recorded = self.record_outcome(&steering.identity, found, entry, by).await?;
        self.shared.steered.notify_waiters();
        Ok(recorded.runs_unwanted)
    }

    /// The wish is not what is wanted any more, unless a newer one is; ends the turn.
    async fn take_back(&self, steering: &Steering, why: &str) -> Result<(), GatewayError> {
        let Steering { identity, by, job, wished, .. } = steering;
        let ledger = &self.shared.ledger;
        if let Some(wished) = wished {
            let entry = self.entry_of(steering, format!("{why}, job {job}"));
            ledger.withdraw_wish(identity.uuid, wished.number, entry, Some(*by)).await?;
        } else {
            ledger.end_steering(identity.uuid, *by, None).await?;
        }
        self.shared.steered.notify_waiters();
        Ok(())
    }

    async fn write_status(&self, steering: &Steering) -> Result<Steered, PlatformError> {
        let Steering { identity, desire, job, .. } = steering;
        let adapter = match self.home(identity) {
            Ok(home) => &home.adapter,
            Err(error) => {
                let kind = PlatformErrorKind::Unavailable;
                return Err(PlatformError::new(desire.operation(), kind, error.to_string()));
            }
        };
        let written = match desire {
            Desire::Run => adapter.start_campaign(Lane::FacadeWrite, &identity.native).await,
            Desire::Stop => adapter.stop_campaign(Lane::Stop, &identity.native).await,
        };
        written.inspect_err(|error| {
            let unclear = error.effect == Effect::Unclear;
            tracing::warn!(campaign = %identity.uuid, %job, unclear, %error,
                "the home did not start or stop the campaign; its client is told");
        })
    }

    fn entry_of(&self, steering: &Steering, reason: String) -> JournalEntry {
        let Steering { asked, identity, desire, .. } = steering;
        JournalEntry {
            request_id: Some(asked.request_id.clone()),
            campaign: Some(identity.uuid),
            reason: Some(reason),
            ..JournalEntry::new(
                self.shared.clock.now(),
                &asked.client.name,
                desire.operation().as_str(),
            )
        }
    }

    /// The rules of a campaign that is wanted running. What is kept in its home's own words, or not at
    /// all, its home enforces.
    async fn check_wished(&self, steering: &Steering) -> Result<(), GatewayError> {
        let Steering { asked, identity, wished, .. } = steering;
        let home = self.home(identity)?.adapter.platform();
        let Some(Wished { kept_in, .. }) = wished else {
            return self.check_rules(steering.by_whom(), identity).await;
        };
        match kept_in.as_deref() {
            Some(shape) if shape != home.as_str() => {
                return self.check_rules(steering.by_whom(), identity).await;
            }
            Some(_) => {}
            None => self.check_not_forgotten(asked, identity).await?,
        }
        self.watch_end(steering.by_whom(), identity, Vec::new()).await
    }
}

impl Steering {
    fn by_whom(&self) -> (&str, Option<&str>) {
        (&self.asked.client.name, Some(&self.asked.request_id))
    }

    /// The stop that follows a start which a newer stop overtook, in the same turn.
    fn overtaken(self) -> Self {
        Self { desire: Desire::Stop, repeat: Repeat::Done, wished: None, ..self }
    }
}

impl Desire {
    fn operation(self) -> Operation {
        match self {
            Desire::Run => Operation::CampaignStart,
            Desire::Stop => Operation::CampaignStop,
        }
    }

    fn status(self) -> CampaignStatus {
        match self {
            Desire::Run => CampaignStatus::Running,
            Desire::Stop => CampaignStatus::Stopped,
        }
    }

    /// Whether the campaign stands as wanted. One that is past its end does not run, whatever its home
    /// shows, and is no reason not to stop it.
    fn is_met_by(self, campaign: &FetchedCampaign, now: Timestamp) -> bool {
        let FetchedCampaign { status, definition, .. } = campaign;
        match self {
            Desire::Run => *status == CampaignStatus::Running && !definition.window.is_over(now),
            Desire::Stop => {
                matches!(
                    status,
                    CampaignStatus::Stopped | CampaignStatus::Stopping | CampaignStatus::Ended
                )
            }
        }
    }

    /// Whether the campaign stands as wanted already, as far as the asker's platform calls that
    /// right; an ended campaign never runs again.
    fn needs_no_write(
        self,
        campaign: &FetchedCampaign,
        repeat: Repeat,
        now: Timestamp,
    ) -> Result<bool, GatewayError> {
        let status = &campaign.status;
        let has_ended = *status == CampaignStatus::Ended || campaign.definition.window.is_over(now);
        if self == Desire::Run && has_ended {
            return Err(GatewayError::State("the campaign has ended".to_owned()));
        }
        if self == Desire::Run && campaign.deleted {
            return Err(GatewayError::State("the campaign is deleted".to_owned()));
        }
        match (self.is_met_by(campaign, now), repeat) {
            (true, Repeat::Refused) => {
                Err(GatewayError::State(format!("the campaign is {} already", status.as_str())))
            }
            (met, _) => Ok(met),
        }
    }
}
