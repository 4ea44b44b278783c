//! Every endpoint of a facade is asked for on either home, and what happens is what the routing data
//! says: native and translated requests reach the home and nobody else, emulated ones change nothing
//! anywhere, unsupported ones cost no request at all.

use dialbridge::config::{Config, PlatformSettings};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::domain::policy::DayPeriod;
use dialbridge::gateway::route::{Route, route};
use dialbridge::http::endpoints::Endpoint;
use dialbridge::platforms::{Binding, Bindings, PlatformKind};
use dialbridge::simulators::voipbin::Account;
use jiff::civil::time;

use crate::support::{Reply, TestApp};

mod isales;
mod voipbin;

/// A queue that VoIPBin does not have and that is bound to skill 5 on CC-iSales.
const QUEUE: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";

/// What a walk wants to ask.
struct Ask {
    path: String,
    body: Option<serde_json::Value>,
    /// Whether it changes something on the home, if the route goes there.
    writes: bool,
}

/// What the simulators have met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Met {
    writes: usize,
    requests: u64,
}

fn met(app: &TestApp, platform: PlatformKind) -> Met {
    let journal = match platform {
        PlatformKind::Voipbin => &app.voipbin.journal,
        PlatformKind::Isales => &app.isales.journal,
    };
    Met { writes: journal.writes().len(), requests: journal.pace().requests }
}

fn other_than(platform: PlatformKind) -> PlatformKind {
    match platform {
        PlatformKind::Voipbin => PlatformKind::Isales,
        PlatformKind::Isales => PlatformKind::Voipbin,
    }
}

/// The client has one account, on this home, and creates there.
fn only_on(home: PlatformKind) -> impl FnOnce(&mut Config) {
    let slug = match home {
        PlatformKind::Voipbin => "vb",
        PlatformKind::Isales => "cc",
    };
    move |config| {
        let slug = AccountSlug::new(slug).unwrap();
        config.clients[0].accounts = vec![slug.clone()];
        config.clients[0].create_on = Some(slug);
        if let Some(client) = &mut config.clients[0].voipbin {
            client.pass_through = vec!["GET /numbers/**".parse().unwrap()];
        }
        let queue = match home {
            PlatformKind::Voipbin => Account::numbered(1).queue_id.to_string(),
            PlatformKind::Isales => QUEUE.to_owned(),
        };
        let skill = Binding { voipbin: queue, isales: "5".to_owned() };
        config.bindings = Bindings { agent_groups: vec![skill], scripts: Vec::new() };
        for account in &mut config.accounts {
            if let PlatformSettings::Isales { creation, .. } = &mut account.platform {
                creation.span_days = Some(30);
                creation.workday =
                    vec![DayPeriod { begin: time(0, 0, 0, 0), end: time(23, 59, 0, 0) }];
            }
        }
    }
}

/// What was asked and what came back.
struct Step<'a> {
    app: &'a TestApp,
    facade: PlatformKind,
    home: PlatformKind,
    endpoint: &'a Endpoint,
    before: [Met; 2],
}

impl<'a> Step<'a> {
    fn begin(
        app: &'a TestApp,
        (facade, home): (PlatformKind, PlatformKind),
        endpoint: &'a Endpoint,
    ) -> Self {
        let before = [met(app, home), met(app, other_than(home))];
        Self { app, facade, home, endpoint, before }
    }

    /// Compares what happened with the routing data. `done`: the facade's own word for success.
    fn check(&self, ask: &Ask, done: bool, reply: &Reply) {
        let now = [met(self.app, self.home), met(self.app, other_than(self.home))];
        let [home, other] = [0, 1].map(|at| now[at].writes - self.before[at].writes);
        let requests = now[0].requests - self.before[0].requests;
        let operation = self.endpoint.operation;
        let route = route(operation, self.home, self.facade);
        let what = format!(
            "{} {} on {}, {}: {} {}",
            self.endpoint.method,
            ask.path,
            self.home.as_str(),
            route.as_str(),
            reply.status,
            reply.text
        );
        assert_eq!(other, 0, "writes to the other platform: {what}");
        match route {
            Route::Unsupported(_) => {
                assert!(!done, "{what}");
                assert_eq!(requests, 0, "requests: {what}");
            }
            Route::Emulated => {
                assert!(done, "{what}");
                assert_eq!(home, 0, "writes: {what}");
            }
            Route::Native | Route::Translated => {
                assert!(done, "{what}");
                assert_eq!(home > 0, ask.writes, "{home} writes: {what}");
            }
        }
    }
}
