//! `[[clients]]`: the programs that call the facades.

use secrecy::ExposeSecret;

use super::{Loader, Seen};
use crate::config::reader::Section;
use crate::config::{
    ClientConfig, ClientScope, IsalesClient, IsalesRelease, Login, PassRule, VoipbinClient,
    VoipbinProfile,
};
use crate::domain::ids::AccountSlug;

impl Loader<'_> {
    pub(super) fn clients(&mut self, root: &mut Section<'_>, seen: &mut Seen) -> Vec<ClientConfig> {
        let sections = self.reader.sections(root, "clients", "name");
        let mut clients = Vec::new();
        for mut section in sections {
            clients.extend(self.client(&mut section, seen));
            self.reader.finish(&section);
        }
        clients
    }

    fn client(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<ClientConfig> {
        let name = self.reader.required_text(section, "name", "a name for the journal");
        if let Some(at) = &name
            && (at.value.is_empty() || !seen.client_names.insert(at.value.clone()))
        {
            let message = format!("clients.name: {:?} is empty or used twice", at.value);
            self.reader.mistake(&at.place, message);
        }
        let before = self.reader.mistakes.len();
        let named = self.reader.texts(section, "accounts").unwrap_or_default();
        if named.is_empty() && self.reader.mistakes.len() == before {
            self.reader.missing(section, "accounts", "the slugs that the client may use");
        }
        let mut accounts = Vec::new();
        for at in &named {
            match AccountSlug::new(&at.value) {
                Ok(slug) if seen.slugs.contains(&at.value) => accounts.push(slug),
                _ => {
                    let message = format!(
                        "clients.accounts: expected the slug of an account, found {:?}",
                        at.value
                    );
                    self.reader.mistake(&at.place, message);
                }
            }
        }
        let scope = self
            .reader
            .choice(section, "scope", &[("read", ClientScope::Read), ("write", ClientScope::Write)])
            .unwrap_or(ClientScope::Read);
        let create_on = self.create_on(section, &accounts);
        let voipbin = self.voipbin_client(section, seen);
        let isales = self.isales_client(section, seen);
        if section.lacks("voipbin") && section.lacks("isales") {
            self.reader.mistake(
                &section.place(),
                "clients: expected a voipbin or an isales table with credentials",
            );
        }
        Some(ClientConfig { name: name?.value, accounts, scope, create_on, voipbin, isales })
    }

    fn create_on(
        &mut self,
        section: &mut Section<'_>,
        accounts: &[AccountSlug],
    ) -> Option<AccountSlug> {
        let Some(at) = self.reader.text(section, "create_on") else {
            return if let [only] = accounts { Some(only.clone()) } else { None };
        };
        let known = accounts.iter().find(|slug| slug.as_str() == at.value).cloned();
        if known.is_none() {
            let message = format!(
                "clients.create_on: expected one of the client's accounts, found {:?}",
                at.value
            );
            self.reader.mistake(&at.place, message);
        }
        known
    }

    fn voipbin_client(
        &mut self,
        parent: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Option<VoipbinClient> {
        let mut section = self.reader.section(parent, "voipbin");
        if !section.is_present() {
            return None;
        }
        let access_key = self.required_secret(&mut section, "access_key");
        let profile = self
            .reader
            .choice(
                &mut section,
                "profile",
                &[("head", VoipbinProfile::Head), ("seed", VoipbinProfile::Seed)],
            )
            .unwrap_or(VoipbinProfile::Head);
        let login = self.login(&mut section, seen);
        let pass_through = self.pass_through(&mut section);
        self.reader.finish(&section);
        let access_key = access_key?;
        if !seen.voipbin_keys.insert(access_key.expose_secret().to_owned()) {
            self.reader.mistake(
                &section.place(),
                "clients.voipbin.access_key: another client has the same",
            );
        }
        Some(VoipbinClient { access_key, profile, login, pass_through })
    }

    fn login(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<Login> {
        let username = self.reader.text(section, "username");
        let password = self.secret(section, "password");
        match (username, password) {
            (Some(username), Some(password)) => {
                let taken = !seen.usernames.insert(username.value.clone());
                if username.value.is_empty() || taken {
                    let message = format!(
                        "clients.voipbin.username: {:?} is empty or another client's",
                        username.value
                    );
                    self.reader.mistake(&username.place, message);
                }
                Some(Login { username: username.value, password: password.value })
            }
            (None, None) => None,
            _ => {
                let message = "clients.voipbin: username and password go together";
                self.reader.mistake(&section.place(), message);
                None
            }
        }
    }

    fn pass_through(&mut self, section: &mut Section<'_>) -> Vec<PassRule> {
        let mut rules = Vec::new();
        for at in self.reader.texts(section, "pass_through").unwrap_or_default() {
            match at.value.parse() {
                Ok(rule) => rules.push(rule),
                Err(expected) => {
                    let message = format!(
                        "clients.voipbin.pass_through: expected {expected}, found {:?}",
                        at.value
                    );
                    self.reader.mistake(&at.place, message);
                }
            }
        }
        rules
    }

    fn isales_client(&mut self, parent: &mut Section<'_>, seen: &mut Seen) -> Option<IsalesClient> {
        let mut section = self.reader.section(parent, "isales");
        if !section.is_present() {
            return None;
        }
        let access_key =
            self.reader.required_text(&mut section, "access_key", "an access key of your choice");
        let secret_key = self.required_secret(&mut section, "secret_key");
        let release = self.isales_release(&mut section);
        self.reader.finish(&section);
        let access_key = access_key?;
        if access_key.value.is_empty() || access_key.value.contains('/') {
            self.reader
                .mistake(&access_key.place, "clients.isales.access_key: expected a text without /");
        }
        if !seen.isales_keys.insert(access_key.value.clone()) {
            self.reader.mistake(
                &access_key.place,
                "clients.isales.access_key: another client has the same",
            );
        }
        Some(IsalesClient { access_key: access_key.value, secret_key: secret_key?, release })
    }

    /// The newest edition unless stated.
    pub(super) fn isales_release(&mut self, section: &mut Section<'_>) -> IsalesRelease {
        let editions = [("2024", IsalesRelease::R2024), ("2025-11", IsalesRelease::R2025_11)];
        self.reader.choice(section, "release", &editions).unwrap_or(IsalesRelease::R2025_11)
    }
}
