//! `[accounts.creation]`: what campaigns get that come from a platform that says less.

use super::Loader;
use crate::config::reader::Section;
use crate::domain::moment;
use crate::domain::policy::DayPeriod;
use crate::platforms::CreationDefaults;

/// Periods that a day of a schedule has at most (reference of CC-iSales, 3.5).
const MAX_PERIODS: usize = 3;

impl Loader<'_> {
    pub(super) fn creation_defaults(&mut self, account: &mut Section<'_>) -> CreationDefaults {
        let mut section = self.reader.section(account, "creation");
        if !section.is_present() {
            return CreationDefaults::default();
        }
        let span = self.reader.integer(&mut section, "span_days", 1..=3650);
        let ring = self.reader.integer(&mut section, "ring_timeout_s", 5..=120);
        let workday = self.periods(&mut section, "workday");
        let special_day = self.periods(&mut section, "special_day");
        let caller_number = self.reader.text(&mut section, "caller_number");
        if let Some(at) = &caller_number {
            let ok = (1..=24).contains(&at.value.len())
                && at.value.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
            if !ok {
                let message = "creation.caller_number: expected 1 to 24 of 0-9 * #";
                self.reader.mistake(&at.place, message);
            }
        }
        self.reader.finish(&section);
        CreationDefaults {
            span_days: span.map(|at| at.value.cast_signed()),
            workday,
            special_day,
            caller_number: caller_number.map(|at| at.value),
            ring_timeout_s: ring.map(|at| at.value.cast_signed()),
        }
    }

    fn periods(&mut self, section: &mut Section<'_>, key: &str) -> Vec<DayPeriod> {
        let texts = self.reader.texts(section, key).unwrap_or_default();
        if texts.len() > MAX_PERIODS {
            let message = format!("creation.{key}: at most {MAX_PERIODS} periods are possible");
            self.reader.mistake(&texts[MAX_PERIODS].place, message);
        }
        let mut periods = Vec::new();
        for at in &texts {
            if let Some(period) = period(&at.value) {
                periods.push(period);
            } else {
                let message = format!(
                    "creation.{key}: expected a period such as \"09:00-20:00\", found {:?}",
                    at.value
                );
                self.reader.mistake(&at.place, message);
            }
        }
        periods
    }
}

fn period(text: &str) -> Option<DayPeriod> {
    let (begin, end) = text.split_once('-')?;
    let (begin, end) = (moment::clock(begin)?, moment::clock(end)?);
    (begin < end).then_some(DayPeriod { begin, end })
}
