//! Finding a person's number everywhere in the gateway, and erasing it.
//!
//! Rows stay, with a token in place of the number that is the same wherever it stood, so that counts
//! stay true. What remains of the number is a keyed hash. What platforms and receivers have is theirs to
//! erase: the certificate names them, and what else it does not speak for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::decoding;
use crate::domain::ids::AccountSlug;
use crate::domain::phone::{self, NumberPlan, PhoneNumber};
use crate::domain::traces::{Setting, Trace};
use crate::forwarding::NoKey;
use crate::gateway::WorkerGateway;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::GatewayError;
use crate::ledger::inbox::Content;
use crate::ledger::journal::JournalEntry;
use crate::ledger::numbers::{Cell, Mask, Said, Seen, Traced};

/// Characters of the hash that stand in for a number.
const TOKEN_CHARS: usize = 16;
/// A packed body that is longer without its packing is not looked through.
const MAX_UNPACKED_BYTES: usize = 64 * 1024 * 1024;
/// Everything is looked through until nothing is found, at most so often.
const MAX_PASSES: usize = 5;

/// What no certificate speaks for, whatever was found.
const NEVER_COVERED: [&str; 12] = [
    "what platforms and receivers have; answers that are passed on from a platform show it until it is erased there",
    "names of accounts and clients, and names and addresses of destinations",
    "ids of campaigns, contacts, calls and requests, as platforms and clients made them; keys of requests are \
     forgotten after 24 hours",
    "names of campaigns that are being made, until they are met or a day is over",
    "copies of the ledger that were made before",
    "on PostgreSQL what was replaced stays in the files of the tables and in pg_stats until VACUUM (FULL, ANALYZE), and \
     in the WAL, archives, backups and replicas for as long as the server keeps those",
    "a number with a letter, a quotation mark, [ ] { } or more than three characters between two of its digits, or \
     in parts that are several numbers of a JSON list",
    "a number in digits that are no decimal digits: superscript, subscript or circled ones, Roman or Chinese numerals",
    "a number in base64, in parts that stand in several values or rows, or run together with other digits",
    "a number within a word that has other digits beyond its letters, or that is 16 hexadecimal digits or longer",
    "digits that read as a date, a time of day, an amount or the id of something that is no person",
    "what other replicas remember for a moment: 5 seconds, or an account's cache_ttl_ms",
];

/// Where a number stands, or stood.
#[derive(Debug, Clone)]
pub struct NumberReport {
    /// What the number is known by when it is nowhere any more.
    pub hash: String,
    pub at: Timestamp,
    /// When it was erased before.
    pub erased_before: Option<Timestamp>,
    /// Rows by what they are.
    pub rows: BTreeMap<&'static str, u64>,
    /// Campaigns whose platforms have it, as far as is known here.
    pub campaigns: Vec<(Uuid, AccountSlug)>,
    /// Destinations that were told it.
    pub destinations: Vec<String>,
    /// Where it may still stand.
    pub not_covered: Vec<String>,
}

impl WorkerGateway {
    /// # Errors
    /// `Invalid` for what is no number in E.164, `State` without master keys.
    pub async fn find_number(
        &self,
        operator: OperatorView<'_>,
        text: &str,
    ) -> Result<NumberReport, GatewayError> {
        let (hashes, mask) = self.looked_for(text)?;
        let traced = self.shared.ledger.trace(operator.accounts, &mask, None).await?;
        self.report(operator, hashes, traced).await
    }

    /// Erases a number of the operator's accounts. Asked again, it goes on where it was interrupted.
    ///
    /// # Errors
    /// As [`WorkerGateway::find_number`]; `State` when it comes back all the time.
    pub async fn erase_number(
        &self,
        operator: OperatorView<'_>,
        text: &str,
    ) -> Result<NumberReport, GatewayError> {
        let (hashes, mask) = self.looked_for(text)?;
        let ledger = &self.shared.ledger;
        let now = self.shared.clock.now();
        let traced = self.erase_until_clean(operator, (&hashes, &mask), now).await?;
        let report = self.report(operator, hashes.clone(), traced).await?;
        let entry = JournalEntry {
            reason: Some(format!("hash {}", report.hash)),
            ..JournalEntry::new(now, operator.name, "number-erase")
        };
        for hash in hashes {
            ledger.suppress(hash, "erased".to_owned(), entry.clone()).await?;
        }
        // What the store has overwritten is still in its log until then.
        ledger.scrub().await?;
        Ok(report)
    }

    async fn erase_until_clean(
        &self,
        operator: OperatorView<'_>,
        (hashes, mask): (&[String], &Mask),
        now: Timestamp,
    ) -> Result<Traced, GatewayError> {
        let mut traced = Traced::default();
        for _ in 0..MAX_PASSES {
            let pass =
                self.shared.ledger.trace(operator.accounts, mask, Some((hashes, now))).await?;
            let is_clean = pass.rows.is_empty();
            // What is remembered may be shown, or written again: then the next pass finds it.
            self.forget_numbers(operator.accounts);
            traced.extend(pass);
            if is_clean {
                return Ok(traced);
            }
        }
        let reason =
            "the number arrives again while it is erased; stop what sends it, and ask again";
        Err(GatewayError::State(reason.to_owned()))
    }

    /// Drops what this process remembers of texts that may have had a number.
    fn forget_numbers(&self, accounts: &[AccountSlug]) {
        let shared = &self.shared;
        shared.written.forget_all();
        shared.receivers.forget_all();
        shared.shown.forget_all();
        for account in accounts {
            drop(shared.reads.writing_on(account));
        }
        phone::forget_all();
    }

    /// The number's hashes, newest key first, and what replaces it.
    fn looked_for(&self, text: &str) -> Result<(Vec<String>, Mask), GatewayError> {
        let invalid =
            || GatewayError::invalid("number", "+ and 7 to 15 digits are expected (E.164)");
        let number = PhoneNumber::from_e164(text).map_err(|_| invalid())?;
        let plans: HashMap<AccountSlug, NumberPlan> = self
            .shared
            .accounts
            .iter()
            .map(|(slug, account)| (slug.clone(), account.settings.numbers.clone()))
            .collect();
        let all: Vec<NumberPlan> = plans.values().cloned().collect();
        let trace = Trace::of(&number, &all).ok_or_else(invalid)?;
        let hashes = self.shared.courier.number_hashes(&number);
        let hashes = hashes.map_err(|why: NoKey| GatewayError::State(why.to_string()))?;
        let hash = hashes.first().cloned().unwrap_or_default();
        let token = format!("erased-{}", &hash[..TOKEN_CHARS.min(hash.len())]);
        let finder = Finder { number, trace, token, plans };
        Ok((hashes, Arc::new(move |cell: Cell<'_>| finder.look_at(cell))))
    }

    async fn report(
        &self,
        operator: OperatorView<'_>,
        hashes: Vec<String>,
        traced: Traced,
    ) -> Result<NumberReport, GatewayError> {
        let ledger = &self.shared.ledger;
        let (mut erased_before, mut elsewhere) = (None, traced.elsewhere);
        for hash in &hashes {
            let at = ledger.suppressed_at(hash.clone()).await?;
            erased_before = erased_before.max(at);
            // What was found before it was erased is there still, as far as is known.
            let known = ledger.known_elsewhere(hash.clone()).await?;
            let is_ours = |(_, home): &(Uuid, AccountSlug)| operator.accounts.contains(home);
            elsewhere.campaigns.extend(known.campaigns.into_iter().filter(is_ours));
            elsewhere.destinations.extend(known.destinations);
        }
        let others = ledger.other_accounts(operator.accounts).await?.into_iter();
        let others = others.map(|account| format!("account {account}, which is not among yours"));
        let unreadable = traced.unreadable.iter();
        let unreadable = unreadable
            .map(|(place, count)| format!("bodies in {place} that cannot be read: {count}"));
        let unlisted = ledger.unlisted_texts().await?.into_iter();
        let unlisted =
            unlisted.map(|column| format!("{column}, of which this program does not know"));
        let never = NEVER_COVERED.into_iter().map(str::to_owned);
        Ok(NumberReport {
            hash: hashes.into_iter().next().unwrap_or_default(),
            at: self.shared.clock.now(),
            erased_before,
            not_covered: others.chain(unreadable).chain(unlisted).chain(never).collect(),
            rows: traced.rows,
            campaigns: elsewhere.campaigns.into_iter().collect(),
            destinations: elsewhere.destinations.into_iter().collect(),
        })
    }
}

/// Looks for one number.
struct Finder {
    number: PhoneNumber,
    trace: Trace,
    token: String,
    /// How each account writes numbers.
    plans: HashMap<AccountSlug, NumberPlan>,
}

impl Finder {
    fn look_at(&self, cell: Cell<'_>) -> Seen {
        let plan = cell.account.and_then(|account| self.plans.get(account));
        let masked = match cell.says {
            Said::Text(text) => self.masked(text, plan),
            Said::Number(text) => self.masked_number(text, plan),
            Said::Bytes(bytes, content) => match self.masked_bytes(bytes, content, plan) {
                Ok(masked) => masked,
                Err(seen) => return seen,
            },
        };
        masked.map_or(Seen::Nothing, Seen::Masked)
    }

    fn masked(&self, text: &str, plan: Option<&NumberPlan>) -> Option<String> {
        self.trace.masked(text, &self.token, Setting { plan, is_number: false })
    }

    /// A number is this one or another; what is none may have it within, as an address does.
    fn masked_number(&self, text: &str, plan: Option<&NumberPlan>) -> Option<String> {
        let by_plan = plan.and_then(|plan| plan.parse(text).ok());
        match by_plan.or_else(|| PhoneNumber::from_e164(text).ok()) {
            Some(number) => (number == self.number).then(|| self.token.clone()),
            None => self.trace.masked(text, &self.token, Setting { plan, is_number: true }),
        }
    }

    /// What has the number is text in UTF-8 afterwards, without its packing.
    fn masked_bytes(
        &self,
        bytes: &[u8],
        Content { kind, packing }: &Content,
        plan: Option<&NumberPlan>,
    ) -> Result<Option<String>, Seen> {
        let unpacked = decoding::unpack(bytes, packing.as_deref(), MAX_UNPACKED_BYTES);
        let (plain, is_unpacked) = match &unpacked {
            Ok(plain) => (plain.as_ref(), true),
            Err(_) => (bytes, false),
        };
        // Who sends bytes with zeros among them and declares no charset, sends UTF-16.
        let undeclared = ["text/plain; charset=utf-16le", "text/plain; charset=utf-16be"];
        let undeclared = undeclared.into_iter().filter(|_| plain.contains(&0));
        for kind in std::iter::once(kind.as_deref()).chain(undeclared.map(Some)) {
            let text = decoding::text(plain, kind).text;
            if let Some(masked) = self.masked(&text, plan) {
                return Ok(Some(masked));
            }
        }
        if is_unpacked { Ok(None) } else { Err(Seen::Unreadable) }
    }
}
