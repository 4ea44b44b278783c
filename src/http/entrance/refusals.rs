//! Requests and connections that were refused, counted by reason and logged: the first of each reason
//! and sender in a minute, so many senders at most, and how many more there were when the next one is
//! logged. What was sent is never part of it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Side;
use super::peers::network;
use super::tally::Tally;
use crate::clock::Clock;

const WINDOW: Duration = Duration::from_secs(60);
/// Lines for one reason on one listener within [`WINDOW`], from however many addresses.
const MAX_LINES: u32 = 50;

/// Why a request, or a connection, goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It bears no credential.
    NoCredential,
    UnknownAccessKey,
    /// The token of no session, of one that has ended, or of a login that has changed.
    UnknownSession,
    /// What stands in `Authorization` has another form.
    MalformedSignature,
    /// Signed with an access key that no client has.
    UnknownSigner,
    /// Signed at a time that is too far from ours.
    OutsideWindow,
    /// A header is signed that did not come.
    MissingHeader,
    /// Signed with another secret, under another host, or for another request.
    WrongSignature,
    UnknownToken,
    /// The token may not do this.
    MissingScope,
    WrongLogin,
    TooManyLogins,
    /// A push to an account that is not here.
    UnknownAccount,
    /// A push to an address with another token.
    WrongAddress,
    /// A push with neither signature nor token.
    NoProof,
    /// A push whose signature does not hold.
    NotGenuine,
    /// A push that may be genuine, and cannot be proved or kept at present.
    NotNow,
    /// A push from outside the networks that pushes may come from.
    ForeignSource,
    /// The sender was refused too often.
    TooManyRefusals,
    TooManyConnections,
    /// A connection that had proved nothing made room for another.
    MadeRoom,
    BodyTooLong,
    BodyTooSlow,
    /// Other bodies hold the memory there is for them.
    NoRoom,
    BodyBrokenOff,
}

impl Reason {
    pub const ALL: [Self; 25] = [
        Self::NoCredential,
        Self::UnknownAccessKey,
        Self::UnknownSession,
        Self::MalformedSignature,
        Self::UnknownSigner,
        Self::OutsideWindow,
        Self::MissingHeader,
        Self::WrongSignature,
        Self::UnknownToken,
        Self::MissingScope,
        Self::WrongLogin,
        Self::TooManyLogins,
        Self::UnknownAccount,
        Self::WrongAddress,
        Self::NoProof,
        Self::NotGenuine,
        Self::NotNow,
        Self::ForeignSource,
        Self::TooManyRefusals,
        Self::TooManyConnections,
        Self::MadeRoom,
        Self::BodyTooLong,
        Self::BodyTooSlow,
        Self::NoRoom,
        Self::BodyBrokenOff,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCredential => "no-credential",
            Self::UnknownAccessKey => "unknown-access-key",
            Self::UnknownSession => "unknown-session",
            Self::MalformedSignature => "malformed-signature",
            Self::UnknownSigner => "unknown-signer",
            Self::OutsideWindow => "outside-window",
            Self::MissingHeader => "missing-header",
            Self::WrongSignature => "wrong-signature",
            Self::UnknownToken => "unknown-token",
            Self::MissingScope => "missing-scope",
            Self::WrongLogin => "wrong-login",
            Self::TooManyLogins => "too-many-logins",
            Self::UnknownAccount => "unknown-account",
            Self::WrongAddress => "wrong-address",
            Self::NoProof => "no-proof",
            Self::NotGenuine => "not-genuine",
            Self::NotNow => "not-now",
            Self::ForeignSource => "foreign-source",
            Self::TooManyRefusals => "too-many-refusals",
            Self::TooManyConnections => "too-many-connections",
            Self::MadeRoom => "made-room",
            Self::BodyTooLong => "body-too-long",
            Self::BodyTooSlow => "body-too-slow",
            Self::NoRoom => "no-room",
            Self::BodyBrokenOff => "body-broken-off",
        }
    }
}

/// What was refused since the program began.
pub struct Refusals {
    counts: [[AtomicU64; Reason::ALL.len()]; Side::ALL.len()],
    logged: Tally<(Side, Reason, Option<IpAddr>)>,
    lines: Tally<(Side, Reason)>,
    by_sender: Tally<IpAddr>,
    clock: Clock,
}

/// What the log says beside who was refused and why.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// Refusals like this one in the minute before that were not logged.
    unlogged: u32,
    /// No more addresses are named for this reason in this minute.
    is_last: bool,
}

impl Refusals {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            counts: Default::default(),
            logged: Tally::new(WINDOW),
            lines: Tally::new(WINDOW),
            by_sender: Tally::new(WINDOW),
            clock: clock.clone(),
        }
    }

    /// How often each listener refused for each reason.
    pub fn counts(&self) -> impl Iterator<Item = (Side, Reason, u64)> {
        Side::ALL.into_iter().flat_map(move |side| {
            let count =
                move |reason| self.counts[side as usize][reason as usize].load(Ordering::Relaxed);
            Reason::ALL.into_iter().map(move |reason| (side, reason, count(reason)))
        })
    }

    pub fn note(&self, side: Side, reason: Reason, sender: Option<IpAddr>) {
        self.counts[side as usize][reason as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(line) = self.line(side, reason, sender) {
            let (listener, reason) = (side.as_str(), reason.as_str());
            let sender = sender.map(tracing::field::display);
            let Line { unlogged, is_last } = line;
            tracing::warn!(
                listener,
                reason,
                sender,
                unlogged,
                is_last,
                "a listener refused a request"
            );
        }
    }

    /// The line that a refusal is worth, if any.
    fn line(&self, side: Side, reason: Reason, sender: Option<IpAddr>) -> Option<Line> {
        let now = self.clock.now();
        let (times, before) = self.logged.count((side, reason, sender.map(network)), now);
        if times > 1 {
            return None;
        }
        let (lines, _) = self.lines.count((side, reason), now);
        // The first of the window before was logged itself.
        let unlogged = before.map_or(0, |before| before.saturating_sub(1));
        (lines <= MAX_LINES).then_some(Line { unlogged, is_last: lines == MAX_LINES })
    }

    /// Counts a refused request of a sender; says how long it has to wait when there were too many.
    pub(super) fn count(&self, sender: IpAddr, most: u32) -> Option<Duration> {
        let (sender, now) = (network(sender), self.clock.now());
        let (times, _) = self.by_sender.count(sender, now);
        (times > most).then(|| self.by_sender.waits(&sender, most, now)).flatten()
    }

    pub(super) fn waits(&self, sender: IpAddr, most: u32) -> Option<Duration> {
        self.by_sender.waits(&network(sender), most, self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn many_senders_and_many_refusals_are_few_lines() {
        let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap(), 1);
        let refusals = Refusals::new(&clock);
        let line = |sender: u32| {
            let sender = IpAddr::from(Ipv4Addr::from_bits(sender));
            refusals.line(Side::Facades, Reason::NoCredential, Some(sender))
        };
        let lines: Vec<Line> = (0..3 * 2 * MAX_LINES).filter_map(|n| line(n / 3)).collect();
        assert_eq!(lines.len(), MAX_LINES as usize);
        assert_eq!(lines.iter().filter(|line| line.is_last).count(), 1);
        assert!(refusals.line(Side::Admin, Reason::NoCredential, None).is_some());
        clock.advance(WINDOW).await;
        assert_eq!(line(0), Some(Line { unlogged: 2, is_last: false }));
    }

    #[test]
    fn every_reason_is_counted_by_itself() {
        let refusals = Refusals::new(&Clock::real());
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{}", reason.as_str());
            refusals.note(Side::Admin, reason, None);
        }
        for (side, reason, count) in refusals.counts() {
            assert_eq!(count, u64::from(side == Side::Admin), "{side:?} {reason:?}");
        }
    }
}
