//! `[[accounts]]`: credentials on a platform and how to behave there.

use std::time::Duration;

use jiff::tz::TimeZone;
use url::Url;

use super::{Loader, Seen, is_loopback};
use crate::config::reader::{At, Section};
use crate::config::{
    AccountConfig, AccountLimits, CallbackSettings, PlatformSettings, WritePolicy,
};
use crate::domain::ids::{AccountSlug, VdnId};
use crate::domain::phone::NumberPlan;

/// VoIPBin allows a customer 16.7 a second, shared by all of the customer's programs (reference 1.6).
const VOIPBIN_REQUESTS_PER_SECOND: u32 = 16;
/// A detail that is older than this is not fresh by anybody's measure; lists are for that.
const MAX_CACHE_TTL_MS: u64 = 60_000;

impl Loader<'_> {
    pub(super) fn accounts(
        &mut self,
        root: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Vec<AccountConfig> {
        let sections = self.reader.sections(root, "accounts", "slug");
        let mut accounts = Vec::new();
        for mut section in sections {
            accounts.extend(self.account(&mut section, seen));
            self.reader.finish(&section);
        }
        accounts
    }

    fn account(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<AccountConfig> {
        let slug = self.slug(section, seen);
        let kind = self.reader.text(section, "platform");
        let base_url = self.base_url(section);
        let writes = self
            .reader
            .choice(
                section,
                "writes",
                &[("deny", WritePolicy::Deny), ("allow", WritePolicy::Allow)],
            )
            .unwrap_or(WritePolicy::Deny);
        let time_zone = self.time_zone(section);
        let ca_file = self.path(section, "ca_file");
        let chain_campaigns = self.reader.boolean(section, "chain_campaigns").unwrap_or(false);
        let cache_ttl = self.reader.integer(section, "cache_ttl_ms", 0..=MAX_CACHE_TTL_MS);
        let mut pace = None;
        let platform = match kind.as_ref().map(|at| at.value.as_str()) {
            Some("voipbin") => {
                pace = Some(VOIPBIN_REQUESTS_PER_SECOND);
                self.voipbin_account(section, seen)
            }
            Some("isales") => self.isales_account(section, seen),
            Some(other) => {
                let message =
                    format!("accounts.platform: expected voipbin or isales, found {other:?}");
                self.reader.mistake(
                    &kind.as_ref().map_or(section.place(), |at| at.place.clone()),
                    message,
                );
                // The rest cannot be judged without knowing the platform.
                section.ignore_the_rest();
                return None;
            }
            None => {
                if section.lacks("platform") {
                    self.reader.missing(section, "platform", "voipbin or isales");
                }
                section.ignore_the_rest();
                return None;
            }
        };
        let callbacks = self.callback_settings(section, kind.as_ref());
        let limits = self.limits(section, pace);
        let numbers = self.number_plan(section, kind.is_some_and(|at| at.value == "isales"));
        Some(AccountConfig {
            slug: slug?,
            base_url: base_url?,
            writes,
            time_zone,
            numbers,
            limits,
            chain_campaigns,
            cache_ttl: Duration::from_millis(cache_ttl.map_or(0, |at| at.value)),
            ca_file,
            callbacks,
            platform: platform?,
        })
    }

    fn callback_settings(
        &mut self,
        section: &mut Section<'_>,
        kind: Option<&At<String>>,
    ) -> CallbackSettings {
        // Elsewhere the account as a whole has the address.
        let has_campaigns = kind.is_some_and(|at| at.value == "isales");
        let choices = [("account", false), ("campaign", true)];
        let per_campaign =
            has_campaigns.then(|| self.reader.choice(section, "callback_address", &choices));
        CallbackSettings {
            public_url: self.callbacks_url.clone(),
            master_keys: self.master_keys.clone(),
            per_campaign: per_campaign.flatten().unwrap_or(false),
        }
    }

    fn slug(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<AccountSlug> {
        let at = self.reader.required_text(section, "slug", "a name such as acme-east")?;
        match AccountSlug::new(&at.value) {
            Ok(slug) if seen.slugs.insert(at.value.clone()) => Some(slug),
            Ok(_) => {
                self.reader
                    .mistake(&at.place, format!("accounts.slug: {:?} is used twice", at.value));
                None
            }
            Err(error) => {
                self.reader.mistake(&at.place, format!("accounts.slug: expected {}", error.rule));
                None
            }
        }
    }

    fn base_url(&mut self, section: &mut Section<'_>) -> Option<Url> {
        let plain_stated = self.reader.boolean(section, "allow_plain_http") == Some(true);
        let at = self.reader.required_text(section, "base_url", "an https:// URL")?;
        let url = match Url::parse(&at.value) {
            Ok(url) if url.host().is_some() => url,
            _ => {
                self.reader.mistake(&at.place, "base_url: expected an absolute https:// URL");
                return None;
            }
        };
        let plain_allowed = is_loopback(&url) || plain_stated;
        let problem = match url.scheme() {
            "https" => None,
            "http" if plain_allowed => None,
            "http" => Some("base_url: expected https://; plain http needs allow_plain_http = true"),
            _ => Some("base_url: expected an https:// URL"),
        };
        let has_more = url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        if let Some(problem) = problem {
            self.reader.mistake(&at.place, problem);
        } else if has_more {
            self.reader.mistake(&at.place, "base_url: expected scheme, host, port and path only");
        }
        Some(url)
    }

    fn time_zone(&mut self, section: &mut Section<'_>) -> TimeZone {
        let Some(at) =
            self.reader.required_text(section, "time_zone", "a zone name such as Asia/Shanghai")
        else {
            return TimeZone::UTC;
        };
        TimeZone::get(&at.value).unwrap_or_else(|_| {
            let message = format!(
                "time_zone: expected an IANA zone name such as Asia/Shanghai, found {:?}",
                at.value
            );
            self.reader.mistake(&at.place, message);
            TimeZone::UTC
        })
    }

    /// A CC-iSales account states all three; a VoIPBin account speaks E.164 and may state them for
    /// numbers that were entered without `+`.
    fn number_plan(&mut self, section: &mut Section<'_>, required: bool) -> NumberPlan {
        let region = self.reader.text(section, "number_region");
        let trunk_prefix = self.reader.text(section, "trunk_prefix");
        let international_prefix = self.reader.text(section, "international_prefix");
        if required {
            let stated = [
                ("number_region", region.is_some(), "an ISO 3166 region such as CN"),
                (
                    "trunk_prefix",
                    trunk_prefix.is_some(),
                    "what national numbers begin with, such as 0, or an empty text",
                ),
                (
                    "international_prefix",
                    international_prefix.is_some(),
                    "what country codes follow, such as 00",
                ),
            ];
            for (key, is_stated, expected) in stated {
                if !is_stated {
                    self.reader.missing(section, key, expected);
                }
            }
        }
        if let Some(at) = &region {
            let known = at.value.len() == 2 && at.value.parse::<phonenumber::country::Id>().is_ok();
            if !known {
                let message = format!(
                    "number_region: expected an ISO 3166 region such as CN, found {:?}",
                    at.value
                );
                self.reader.mistake(&at.place, message);
            }
        }
        for at in [&trunk_prefix, &international_prefix].into_iter().flatten() {
            if at.value.len() > 8 || !at.value.bytes().all(|b| b.is_ascii_digit()) {
                self.reader.mistake(&at.place, "number prefixes: expected at most 8 digits");
            }
        }
        NumberPlan {
            region: region.map(|at| at.value),
            trunk_prefix: trunk_prefix.map_or_else(String::new, |at| at.value),
            international_prefix: international_prefix
                .map_or_else(|| "00".to_owned(), |at| at.value),
        }
    }

    fn limits(
        &mut self,
        section: &mut Section<'_>,
        requests_per_second_default: Option<u32>,
    ) -> AccountLimits {
        let requests_per_second = self
            .reader
            .integer(section, "requests_per_second", 1..=100_000)
            .and_then(|at| u32::try_from(at.value).ok())
            .or(requests_per_second_default);
        let connect_timeout_ms = self
            .reader
            .integer(section, "connect_timeout_ms", 100..=25_000)
            .map_or(5_000, |at| at.value);
        let request_timeout_ms = self
            .reader
            .integer(section, "request_timeout_ms", 100..=25_000)
            .map_or(10_000, |at| at.value);
        let body_limit_bytes = self.size(section, "body_limit_bytes", 8 * 1024 * 1024);
        AccountLimits {
            requests_per_second,
            connect_timeout_ms,
            request_timeout_ms,
            body_limit_bytes,
        }
    }

    fn voipbin_account(
        &mut self,
        section: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Option<PlatformSettings> {
        let access_key = self.required_secret(section, "access_key");
        let webhook_secret = self.secret(section, "webhook_secret").map(|at| at.value);
        let before = self.reader.mistakes.len();
        let virtual_vdn = self.reader.integer(section, "virtual_vdn", 1..=9999);
        if virtual_vdn.is_none() && self.reader.mistakes.len() == before {
            let expected = "the VDN (1 to 9999) under which its campaigns appear";
            self.reader.missing(section, "virtual_vdn", expected);
        }
        let virtual_vdn = virtual_vdn?;
        let virtual_vdn = At { value: virtual_vdn.value.cast_signed(), place: virtual_vdn.place };
        let virtual_vdn = self.vdn(&virtual_vdn, seen)?;
        Some(PlatformSettings::Voipbin { access_key: access_key?, webhook_secret, virtual_vdn })
    }

    fn isales_account(
        &mut self,
        section: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Option<PlatformSettings> {
        let access_key =
            self.reader.required_text(section, "access_key", "the AK from operations staff");
        if let Some(at) = &access_key
            && (at.value.is_empty() || at.value.contains('/'))
        {
            self.reader.mistake(&at.place, "access_key: expected a text without /");
        }
        let secret_key = self.required_secret(section, "secret_key");
        let before = self.reader.mistakes.len();
        let vdns = self.reader.integers(section, "vdns").unwrap_or_default();
        if vdns.is_empty() && self.reader.mistakes.len() == before {
            self.reader.missing(section, "vdns", "the VDNs of the account, such as [11]");
        }
        let vdns = vdns.iter().filter_map(|at| self.vdn(at, seen)).collect();
        let empty_query_line = self.reader.boolean(section, "empty_query_line").unwrap_or(false);
        let signed_headers = self.signed_headers(section);
        let release = self.isales_release(section);
        let creation = self.creation_defaults(section);
        Some(PlatformSettings::Isales {
            access_key: access_key?.value,
            secret_key: secret_key?,
            vdns,
            empty_query_line,
            signed_headers,
            release,
            creation,
        })
    }

    fn signed_headers(&mut self, section: &mut Section<'_>) -> Vec<String> {
        let Some(headers) = self.reader.texts(section, "signed_headers") else {
            return vec!["host".to_owned()];
        };
        let known = ["content-length", "content-type", "host"];
        for at in &headers {
            if !known.contains(&at.value.as_str()) {
                let message = format!(
                    "signed_headers: expected some of {}, found {:?}",
                    known.join(", "),
                    at.value
                );
                self.reader.mistake(&at.place, message);
            }
        }
        if !headers.iter().any(|at| at.value == "host") {
            self.reader.mistake(&section.place(), "signed_headers: must contain host");
        }
        headers.into_iter().map(|at| at.value).collect()
    }

    fn vdn(&mut self, at: &At<i64>, seen: &mut Seen) -> Option<VdnId> {
        let vdn = match VdnId::new(at.value) {
            Ok(vdn) => vdn,
            Err(error) => {
                self.reader.mistake(
                    &at.place,
                    format!("vdn: expected {}, found {}", error.rule, at.value),
                );
                return None;
            }
        };
        if !seen.vdns.insert(vdn.get()) {
            let message =
                format!("vdn {vdn} is used twice; a VDN, real or virtual, belongs to one account");
            self.reader.mistake(&at.place, message);
        }
        Some(vdn)
    }
}
