//! The dialler: what happens by itself while time passes.
//!
//! [`World::run_until`] lets everything that is due happen in order, each thing at its own due time,
//! however late it is called. So a request first brings the world up to date, a virtual clock may
//! jump, and neither the outcome nor a recorded time depends on how threads were scheduled.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::Switches;
use super::callbacks;
use super::outcome::{self, CallKey, Outcome};
use super::retry::{AfterBusiness, Next, Tried};
use super::world::{
    Call, Campaign, Due, Number, Record, RecordState, Row, STARTED, Setup, Vdn, World,
};
use crate::domain::phone::PhoneNumber;
use crate::platforms::isales::wire;
use crate::simulators::journal::Dial;

/// `callStatus` (5.1).
const FAILED: i64 = 5;
const SUCCEEDED: i64 = 6;
/// Where a seeded document does not say how long a call may ring, in seconds.
const MAX_ALERTING_S: i64 = 20;

/// How many calls a campaign may place.
enum Pace {
    /// So many per round, and seconds between rounds.
    Rounds { calls: usize, interval_s: i64 },
    /// As many at once as there are agents.
    Agents(usize),
}

impl World {
    /// Lets everything happen that is due up to `now`.
    pub(super) fn run_until(&mut self, now: Timestamp) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            self.reached = self.reached.max(due);
            self.step();
        }
        self.reached = self.reached.max(now);
    }

    /// When something will happen next by itself.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = |campaign: &Campaign| campaign.next_due(self.reached, &self.setup);
        self.vdns.values().flat_map(|vdn| vdn.campaigns.values()).filter_map(due).min()
    }

    fn step(&mut self) {
        let campaigns: Vec<(i64, i64)> = self
            .vdns
            .iter()
            .flat_map(|(vdn, held)| held.campaigns.keys().map(move |campaign| (*vdn, *campaign)))
            .collect();
        for (vdn, campaign) in campaigns {
            self.end_calls(vdn, campaign);
            while let Some(index) = self.next_record(vdn, campaign) {
                self.begin_call(vdn, campaign, index);
            }
        }
    }

    fn end_calls(&mut self, vdn: i64, id: i64) {
        let now = self.reached;
        while let Ok(campaign) = self.campaign_mut(vdn, id) {
            let ended = campaign.in_flight.first().filter(|(ends, _)| *ends <= now).copied();
            let Some((ends, index)) = ended else { return };
            campaign.in_flight.remove(&(ends, index));
            let state = campaign.records.get(index).map(|record| record.state.clone());
            if let Some(RecordState::Calling(call)) = state {
                self.end_call((vdn, id), index, &call);
            }
        }
    }

    /// The next record that this campaign may call now.
    fn next_record(&self, vdn: i64, id: i64) -> Option<usize> {
        let now = self.reached;
        let campaign = self.campaign(vdn, id).ok()?;
        let (_, index) = campaign.first_callable().filter(|(due, _)| *due <= now)?;
        let open = campaign.open_at(now, &self.setup).filter(|open| *open <= now);
        (open.is_some() && campaign.has_room(now, &self.setup)).then_some(index)
    }

    fn begin_call(&mut self, vdn: i64, id: i64, index: usize) {
        let now = self.reached;
        let Self { setup, rules, journal, vdns, .. } = self;
        let Some(Vdn { campaigns, blacklist, .. }) = vdns.get_mut(&vdn) else { return };
        let Some(campaign) = campaigns.get_mut(&id) else { return };
        let Some(record) = campaign.records.get_mut(index) else { return };
        let RecordState::Waiting { due } = record.state else { return };
        campaign.waiting.remove(&(due, index));
        let today = setup.day(now);
        let Some(number) = record.due_number() else { return campaign.park(index, today) };
        let mut block = blacklist.get_mut(&record.numbers[number].called);
        if block.as_ref().is_some_and(|block| block.holds(now, setup)) {
            // Put on the list after it was added: it is skipped, and no call is placed.
            record.numbers[number].due = Due::Exhausted;
            record.release_next(number, now);
            return campaign.park(index, today);
        }
        if let Some(block) = &mut block {
            block.count(now, setup);
        }
        let entry = &mut record.numbers[number];
        let max_alerting_s = campaign.document.max_alerting_time.unwrap_or(MAX_ALERTING_S);
        let key = CallKey {
            campaign: id,
            record: index,
            number,
            attempt: entry.calls,
            called: &entry.called,
            max_alerting_s: u32::try_from(max_alerting_s).unwrap_or(u32::MAX),
        };
        let outcome = Outcome::of(&key, rules, &setup.dice, setup.answer_rate);
        entry.count_call(today);
        let journalled = journal.dial(Dial {
            at: now,
            campaign: id.to_string(),
            contact: record.data_id.clone(),
            number: PhoneNumber::new(entry.called.as_str()),
            attempt: u64::from(entry.calls),
            outcome: None,
        });
        let length_s = i64::from(outcome.ring_s) + i64::from(outcome.talk_s);
        let ends = now + SignedDuration::from_secs(length_s);
        record.dialled = Some(today);
        record.state = RecordState::Calling(Call { number, began: now, ends, outcome, journalled });
        campaign.in_flight.insert((ends, index));
        campaign.count_round(now, setup);
    }

    fn end_call(&mut self, (vdn, id): (i64, i64), index: usize, call: &Call) {
        let call_id = self.new_call_id(call.began);
        let Self { setup, switches, journal, vdns, outbox, .. } = self;
        let found = vdns.get_mut(&vdn).and_then(|held| held.campaigns.get_mut(&id));
        let Some(campaign) = found else { return };
        journal.dial_ended(call.journalled, &call.outcome.code);
        let is_final = campaign.settle(index, call, setup);
        let row = campaign.row(index, call, call_id, (setup, switches));
        let pushed = is_final || !switches.final_only_pushes;
        if let Some(url) = campaign.document.call_back_url.as_deref().filter(|_| pushed) {
            if switches.allows_callback(url) {
                outbox.add(&row.shown, (id, url), (call.ends, switches.push_batch_size));
            } else {
                journal.event(callbacks::withheld(&row.shown, call.ends));
            }
        }
        campaign.rows.push(Row { is_final, ..row });
    }

    /// Lets a record be called again after a business result (8.3). Returns false when there is
    /// no number to call.
    pub(super) fn after_business(
        campaign: &mut Campaign,
        index: usize,
        (number, action): (usize, AfterBusiness),
        (now, today): (Timestamp, Date),
    ) {
        let (next, after_s) = match action {
            AfterBusiness::Stop => return,
            AfterBusiness::NextNumber { after_s } => (number + 1, after_s),
            AfterBusiness::SameNumber { after_s } => (number, after_s),
        };
        let Some(record) = campaign.records.get_mut(index) else { return };
        let Some(entry) = record.numbers.get_mut(next) else { return };
        entry.due = Due::At(now + SignedDuration::from_secs(after_s));
        for row in campaign.rows.iter_mut().filter(|row| row.record == Some(index)) {
            row.is_final = false;
        }
        campaign.park(index, today);
    }
}

impl Campaign {
    fn next_due(&self, now: Timestamp, setup: &Setup) -> Option<Timestamp> {
        let ends = self.in_flight.first().map(|(ends, _)| *ends);
        let begins = self.first_callable().and_then(|(due, _)| {
            let from = due.max(now);
            let from = match self.pace(setup) {
                Pace::Rounds { .. } => from.max(self.next_round),
                // Room comes when a call ends.
                Pace::Agents(_) if !self.has_room(now, setup) => return None,
                Pace::Agents(_) => from,
            };
            self.open_at(from, setup)
        });
        ends.into_iter().chain(begins).min()
    }

    fn first_callable(&self) -> Option<(Timestamp, usize)> {
        if self.batches.iter().all(|batch| !batch.paused) {
            return self.waiting.first().copied();
        }
        let callable = |(_, index): &&(Timestamp, usize)| {
            self.records.get(*index).is_some_and(|record| !self.batch_paused(record))
        };
        self.waiting.iter().find(callable).copied()
    }

    /// The first instant from `from` on at which calls are allowed (3.14).
    fn open_at(&self, from: Timestamp, setup: &Setup) -> Option<Timestamp> {
        if self.exhibit.is_some() || self.status(from) != STARTED {
            return None;
        }
        let from = from.max(self.begin);
        let open = self.schedule.next_open(from, &setup.time_zone, &self.special_dates)?;
        (open < self.end).then_some(open)
    }

    fn pace(&self, setup: &Setup) -> Pace {
        if let Some(ivr) = self.document.ivr_param.as_ref().filter(|_| self.is_ivr()) {
            return Pace::rounds(ivr.call_count, ivr.call_interval);
        }
        let skill = self.document.skill_param.as_ref();
        if let Some(preview) = skill.and_then(|skill| skill.preview_param.as_ref()) {
            return Pace::rounds(preview.ob_call_count, preview.fail_interval);
        }
        let id = skill.and_then(|skill| skill.skill_id);
        let queue = setup.skill_queues.iter().find(|queue| Some(queue.id) == id);
        Pace::Agents(queue.map_or(1, |queue| queue.agents))
    }

    fn has_room(&self, now: Timestamp, setup: &Setup) -> bool {
        match self.pace(setup) {
            Pace::Rounds { .. } => now >= self.next_round,
            Pace::Agents(agents) => self.in_flight.len() < agents,
        }
    }

    /// A round lasts until its number of calls is placed; the next one begins an interval later.
    fn count_round(&mut self, now: Timestamp, setup: &Setup) {
        let Pace::Rounds { calls, interval_s } = self.pace(setup) else { return };
        self.placed_in_round += 1;
        if self.placed_in_round >= calls {
            self.placed_in_round = 0;
            self.next_round = now + SignedDuration::from_secs(interval_s);
        }
    }

    /// Books the end of a call on its record. Returns whether the record is finished.
    fn settle(&mut self, index: usize, call: &Call, setup: &Setup) -> bool {
        let outcome = &call.outcome;
        let today = setup.day(call.ends);
        let Some(record) = self.records.get_mut(index) else { return true };
        if outcome::is_success(&outcome.code) {
            record.succeeded = Some(today);
            for entry in &mut record.numbers {
                entry.due = Due::Exhausted;
            }
        } else {
            let result = outcome::result_type(&outcome.code);
            let Some(entry) = record.numbers.get_mut(call.number) else { return true };
            let with_result = entry.by_result.entry(result).or_default();
            *with_result += 1;
            let tried = Tried {
                number_type: entry.kind.as_deref(),
                result,
                external_code: outcome::external_code(&outcome.code),
                with_result: *with_result,
                today: entry.today.map_or(1, |(_, calls)| calls),
                days: entry.days,
            };
            entry.due = match self.retry.decide(&tried) {
                Next::Stop => Due::Exhausted,
                Next::AfterSeconds(s) => Due::At(call.ends + SignedDuration::from_secs(s)),
                Next::Tomorrow => Due::At(setup.tomorrow(call.ends)),
            };
            record.release_next(call.number, call.ends);
        }
        self.park(index, today);
        self.records.get(index).is_some_and(|record| record.state == RecordState::Finished)
    }

    fn row(
        &self,
        index: usize,
        call: &Call,
        call_id: String,
        (setup, switches): (&Setup, &Switches),
    ) -> Row {
        let (record, outcome) = (&self.records[index], &call.outcome);
        let answered = outcome::is_success(&outcome.code);
        let answered_at = call.began + SignedDuration::from_secs(i64::from(outcome.ring_s));
        let recording = if answered && switches.recordings {
            let day = setup.day(call.began).strftime("%Y%m%d");
            format!("Y:/1/{}/{day}/{}/{}.V3", self.vdn, self.id, call_id.replace('-', ""))
        } else {
            String::new()
        };
        Row {
            shown: wire::ResultRow {
                campaign_id: Some(self.id.to_string()),
                session_id: Some(record.session_id().to_owned()),
                called: Some(record.numbers[call.number].called.clone()),
                call_time_str: Some(setup.local_text(call.began)),
                call_status: Some(if answered { SUCCEEDED } else { FAILED }),
                fail_code: Some(outcome::shown(&outcome.code, switches)),
                result_code: Some(outcome::external_code(&outcome.code).to_owned()),
                vdn_id: Some(self.vdn),
                call_id: Some(call_id),
                custom_field: record.data.custom_field.clone(),
                record_path: Some(recording),
                extra: serde_json::Map::default(),
            },
            record: Some(index),
            number: call.number,
            day: Some(setup.day(call.began)),
            is_final: false,
            ack_begin: setup.local_text(call.began),
            call_begin: if answered { setup.local_text(answered_at) } else { String::new() },
            call_end: setup.local_text(call.ends),
        }
    }
}

impl Record {
    /// The number that is due first; earlier ones in the record win.
    fn due_number(&self) -> Option<usize> {
        let due = |(index, number): (usize, &Number)| match number.due {
            Due::At(due) => Some((due, index)),
            Due::NotYet | Due::Exhausted => None,
        };
        self.numbers.iter().enumerate().filter_map(due).min().map(|(_, index)| index)
    }

    /// The number after `tried` may be called now that `tried` has been, after its own delay.
    fn release_next(&mut self, tried: usize, at: Timestamp) {
        if let Some(next) = self.numbers.get_mut(tried + 1).filter(|next| next.due == Due::NotYet) {
            next.due = Due::At(at + SignedDuration::from_secs(next.delay_s));
        }
    }
}

impl Number {
    fn count_call(&mut self, today: Date) {
        self.calls += 1;
        self.today = match self.today {
            Some((day, calls)) if day == today => Some((day, calls + 1)),
            _ => {
                self.days += 1;
                Some((today, 1))
            }
        };
    }
}

impl Pace {
    fn rounds(calls: Option<i64>, interval_s: Option<i64>) -> Self {
        let calls = calls.and_then(|calls| usize::try_from(calls).ok()).unwrap_or(1).max(1);
        Pace::Rounds { calls, interval_s: interval_s.unwrap_or(1).max(1) }
    }
}
