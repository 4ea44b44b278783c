//! The story: campaigns made on each platform, seen through both APIs, started from the other side,
//! dialled, and their results read back. Each expectation that is not met is told, not hidden.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::caller::{IsalesCaller, VoipbinCaller};
use super::campaigns::{self, Made};
use super::show::{Loss, Shown, Summary, Teller};
use super::stage::{
    CLIENT_ISALES_ACCESS_KEY, CLIENT_VOIPBIN_KEY, ISALES_ACCOUNT, ISALES_VDN, Stage, VIRTUAL_VDN,
    VOIPBIN_ACCOUNT, client_secret,
};
use crate::app;
use crate::config::AccountConfig;
use crate::mapping::table::Kind;
use crate::platforms::ConvertContext;
use crate::platforms::translation::Direction;
use crate::signing::c2;
use crate::simulators::isales::{ACCESS_KEY, SECRET_KEY};

/// Time between two looks, by the demo's fast clock.
const LOOK_AGAIN: Duration = Duration::from_secs(4);
/// After so many looks what is waited for does not come.
const LOOKS_MAX: usize = 30;
/// The two campaigns that are started, each through the other platform's API.
const STARTED_ON_ISALES: &str = "lizhan_test";
const STARTED_ON_VOIPBIN: &str = "test campaign";

/// A client of the facades in both languages, and what it expected in vain.
struct Client<'a> {
    stage: &'a Stage,
    teller: &'a Teller,
    voipbin: VoipbinCaller,
    isales: IsalesCaller,
    failures: Vec<String>,
}

/// A campaign by both of its public ids.
struct Known {
    made: Made,
    home: &'static str,
    uuid: String,
    vdn: u16,
    campaign: u64,
}

/// Plays the whole story.
///
/// # Errors
/// When a request is refused or not answered that the story cannot go on without.
pub async fn tell(stage: &Stage, teller: &Teller) -> anyhow::Result<Summary> {
    let on_isales = made_on_isales(stage).await.context("making campaigns on CC-iSales")?;
    let on_voipbin = made_on_voipbin(stage).await.context("making campaigns on VoIPBin")?;
    teller.say(&format!(
        "\n1. Each platform got campaigns and contacts through its own API:\n   on CC-iSales  {}\n   \
         on VoIPBin    {}",
        names(&on_isales),
        names(&on_voipbin)
    ));
    let mut client = Client::new(stage, teller)?;
    let homes = on_isales.into_iter().map(|made| (made, ISALES_ACCOUNT, ISALES_VDN));
    let others = on_voipbin.into_iter().map(|made| (made, VOIPBIN_ACCOUNT, VIRTUAL_VDN));
    let campaigns = client.find(homes.chain(others).collect()).await?;
    client.start_across(&campaigns).await?;
    client.await_attempts(&campaigns).await?;
    let mut shown = Vec::new();
    let mut attempts = 0;
    for known in &campaigns {
        let row = client.look_back(known).await.with_context(|| known.made.name)?;
        attempts += row.attempts;
        shown.push(row);
    }
    client.expect(attempts > 0, || "no attempt was read back".to_owned());
    Ok(Summary { campaigns: shown, attempts, failures: client.failures })
}

async fn made_on_isales(stage: &Stage) -> anyhow::Result<Vec<Made>> {
    let keys = c2::Credentials::new(ACCESS_KEY, &SECRET_KEY.into())?;
    let caller = IsalesCaller::new(stage.isales.base_url(), keys, stage.clock.clone())?;
    campaigns::on_isales(&caller, stage.clock.now()).await
}

async fn made_on_voipbin(stage: &Stage) -> anyhow::Result<Vec<Made>> {
    let key = secrecy::ExposeSecret::expose_secret(&stage.customer.access_key);
    let caller = VoipbinCaller::new(stage.voipbin.base_url(), key)?;
    campaigns::on_voipbin(&caller, stage).await
}

impl<'a> Client<'a> {
    fn new(stage: &'a Stage, teller: &'a Teller) -> anyhow::Result<Self> {
        let keys = c2::Credentials::new(CLIENT_ISALES_ACCESS_KEY, &client_secret())?;
        Ok(Self {
            stage,
            teller,
            voipbin: VoipbinCaller::new(stage.facades(), CLIENT_VOIPBIN_KEY)?,
            isales: IsalesCaller::new(stage.facades(), keys, stage.clock.clone())?,
            failures: Vec::new(),
        })
    }

    fn expect(&mut self, met: bool, what: impl FnOnce() -> String) {
        if !met {
            self.failures.push(what());
        }
    }

    /// Waits until both facades list every campaign, and pairs their ids by name.
    async fn find(&mut self, made: Vec<(Made, &'static str, u16)>) -> anyhow::Result<Vec<Known>> {
        let mut rows = Vec::new();
        for _ in 0..LOOKS_MAX {
            rows = list(self.voipbin.get("campaigns").await?, "result");
            if rows.len() >= made.len() {
                break;
            }
            self.stage.clock.sleep(LOOK_AGAIN).await;
        }
        self.expect(rows.len() == made.len(), || {
            format!("the VoIPBin facade lists {} campaigns, {} were made", rows.len(), made.len())
        });
        let mut pairs: Vec<(u16, Value)> = Vec::new();
        for vdn in [ISALES_VDN, VIRTUAL_VDN] {
            let path = format!(
                "v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=1&rowsPerPage=100"
            );
            let listed = list(self.isales.get(&path).await?, "data");
            pairs.extend(listed.into_iter().map(|row| (vdn, row)));
        }
        self.expect(pairs.len() == made.len(), || {
            format!(
                "the CC-iSales facade lists {} campaigns, {} were made",
                pairs.len(),
                made.len()
            )
        });
        self.teller
            .say("\n2. A client of either API sees all of them, with ids of that API's kind:");
        let mut campaigns = Vec::new();
        for (made, home, home_vdn) in made {
            let row = rows.iter().find(|row| row["name"] == made.name);
            let pair = pairs.iter().find(|(_, row)| row["name"] == made.name);
            let (row, (vdn, pair)) = row.zip(pair).with_context(|| made.name)?;
            let uuid = text(row, "id")?;
            let campaign = pair["id"].to_string().trim_matches('"').parse()?;
            self.teller.say(&format!(
                "   {:<18} {uuid}   vdnId {vdn}, campaignId {campaign}   runs on {home}",
                made.name
            ));
            let (vdn, name) = (*vdn, made.name);
            self.expect(vdn == home_vdn, || format!("{name} is listed under the VDN {vdn}"));
            campaigns.push(Known { made, home, uuid, vdn, campaign });
        }
        Ok(campaigns)
    }

    /// Adds a contact to one campaign of each platform, and starts it, through the other's API.
    async fn start_across(&mut self, campaigns: &[Known]) -> anyhow::Result<()> {
        let on_isales = named(campaigns, STARTED_ON_ISALES)?;
        let detail = self.voipbin.get(&format!("campaigns/{}", on_isales.uuid)).await?;
        let outdial = text(&detail, "outdial_id")?;
        let target = json!({
            "name": "one more",
            "detail": "added through VoIPBin's API",
            "data": "{}",
            "destination_0": { "type": "tel", "target": "+8613800138021" },
        });
        self.voipbin.post(&format!("outdials/{outdial}/targets"), &target).await?;
        let status = format!("campaigns/{}/status", on_isales.uuid);
        self.voipbin.put(&status, &json!({ "status": "run" })).await?;

        let on_voipbin = named(campaigns, STARTED_ON_VOIPBIN)?;
        let (vdn, campaign) = (on_voipbin.vdn, on_voipbin.campaign);
        let path = format!("v2/openapi/campaigns/{vdn}/calldata/{campaign}");
        let record = json!({ "callDataList": [{ "called": [{ "calledNo": "13900139021" }] }] });
        self.isales.post(&path, &record).await?;
        self.isales.put(&format!("v1/openapi/campaigns/{vdn}/{campaign}/resume")).await?;
        self.teller.say(&format!(
            "\n3. `{STARTED_ON_ISALES}` runs on CC-iSales and was started with VoIPBin's \
             PUT …/status;\n   `{STARTED_ON_VOIPBIN}` runs on VoIPBin and was started with \
             CC-iSales' PUT …/resume.\n   Each got one more contact the same way. Calls happen …"
        ));
        Ok(())
    }

    /// Waits until every contact of the started campaigns was called, as both facades tell it.
    async fn await_attempts(&mut self, campaigns: &[Known]) -> anyhow::Result<()> {
        for name in [STARTED_ON_ISALES, STARTED_ON_VOIPBIN] {
            let known = named(campaigns, name)?;
            // One contact was added through the other API.
            let wanted = known.made.contacts + 1;
            let seen = self.attempts(known, wanted).await?;
            self.expect(seen.0 >= wanted && seen.1 >= wanted, || {
                format!(
                    "{name} has {wanted} contacts, but {} attempts through VoIPBin's API and {} \
                     through CC-iSales'",
                    seen.0, seen.1
                )
            });
        }
        Ok(())
    }

    /// Attempts that have ended through VoIPBin's API and CC-iSales', asked until there are enough and both tell
    /// as many: one is told what happened until a moment ago, the other what happened until now.
    async fn attempts(&self, known: &Known, wanted: usize) -> anyhow::Result<(usize, usize)> {
        let mut seen = (0, 0);
        for _ in 0..LOOKS_MAX {
            seen = (self.campaigncalls(known).await?, self.result_rows(known).await?);
            if seen.0 >= wanted && seen.0 == seen.1 {
                break;
            }
            self.stage.clock.sleep(LOOK_AGAIN).await;
        }
        Ok(seen)
    }

    /// Attempts that have ended, through VoIPBin's API.
    async fn campaigncalls(&self, known: &Known) -> anyhow::Result<usize> {
        let calls = self.voipbin.get(&format!("campaigns/{}/campaigncalls", known.uuid)).await?;
        Ok(list(calls, "result").iter().filter(|call| call["status"] == "done").count())
    }

    /// The same through CC-iSales' API.
    async fn result_rows(&self, known: &Known) -> anyhow::Result<usize> {
        let path = format!("v1/openapi/campaigns/{}/callresult/{}", known.vdn, known.campaign);
        let answer = self.isales.post(&path, &json!({ "showDetail": 1, "pageSize": 100 })).await?;
        Ok(list(answer, "data").len())
    }

    /// What both facades say of a campaign at the end, and what its translation loses.
    async fn look_back(&mut self, known: &Known) -> anyhow::Result<Shown> {
        let name = known.made.name;
        let as_voipbin = self.voipbin.get(&format!("campaigns/{}", known.uuid)).await?;
        let path = format!("v1/openapi/campaigns/{}/{}", known.vdn, known.campaign);
        let as_isales = self.isales.get(&path).await?["returnObject"].take();
        let status_voipbin = text(&as_voipbin, "status")?;
        let status_isales = as_isales["status"].as_i64().context("a campaign without status")?;
        let is_started = [STARTED_ON_ISALES, STARTED_ON_VOIPBIN].contains(&name);
        let wanted = if is_started { ("run", 2) } else { ("stop", 3) };
        self.expect((status_voipbin.as_str(), status_isales) == wanted, || {
            format!("{name} is {status_voipbin} and {status_isales}, expected {wanted:?}")
        });
        self.expect(as_voipbin["id"] == known.uuid && as_isales["name"] == name, || {
            format!("{name} has other ids in its detail than in the list")
        });
        let (attempts, rows) = self.attempts(known, 0).await?;
        self.expect(attempts == rows, || {
            format!("{name}: {attempts} attempts through VoIPBin's API, {rows} through CC-iSales'")
        });
        Ok(Shown {
            uuid: known.uuid.clone(),
            vdn_id: known.vdn,
            campaign_id: known.campaign,
            home: known.home,
            name,
            status_voipbin,
            status_isales,
            attempts,
            losses: losses(self.stage, known)?,
        })
    }
}

/// What `dialbridge translate` says of the campaign's document, with this configuration.
fn losses(stage: &Stage, known: &Known) -> anyhow::Result<Vec<Loss>> {
    let account = |slug: &str| {
        let found = stage.config.accounts.iter().find(|account| account.slug.as_str() == slug);
        found.with_context(|| format!("no account {slug}"))
    };
    let other = if known.home == ISALES_ACCOUNT { VOIPBIN_ACCOUNT } else { ISALES_ACCOUNT };
    let (from, to) = (account(known.home)?, account(other)?);
    let (from_account, to_account) = (context(stage, from)?, context(stage, to)?);
    let direction = Direction {
        kind: Kind::Campaign,
        from: from.kind(),
        to: to.kind(),
        from_account: &from_account,
        to_account: &to_account,
    };
    let translation = direction.translate(known.made.document.clone())?;
    let loss = |field: &crate::mapping::engine::account::FieldOutcome| Loss {
        field: field.field.clone(),
        outcome: field.outcome.as_str(),
        reason: field.reason.clone(),
    };
    Ok(translation.losses().map(loss).collect())
}

fn context(stage: &Stage, account: &AccountConfig) -> anyhow::Result<ConvertContext> {
    Ok(ConvertContext {
        tables: app::load_tables(&stage.config)?,
        zone: account.time_zone.clone(),
        numbers: account.numbers.clone(),
        bindings: std::sync::Arc::new(stage.config.bindings.clone()),
        clock: crate::clock::Clock::real(),
    })
}

fn named<'a>(campaigns: &'a [Known], name: &str) -> anyhow::Result<&'a Known> {
    campaigns.iter().find(|known| known.made.name == name).with_context(|| name.to_owned())
}

fn names(made: &[Made]) -> String {
    let named: Vec<String> =
        made.iter().map(|made| format!("{} ({})", made.name, made.native)).collect();
    named.join(", ")
}

fn list(mut answer: Value, member: &str) -> Vec<Value> {
    match answer.get_mut(member).map(Value::take) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    }
}

fn text(object: &Value, member: &str) -> anyhow::Result<String> {
    object[member].as_str().map(str::to_owned).with_context(|| format!("no {member}"))
}
