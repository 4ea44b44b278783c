//! A PostgreSQL cluster for this run of the tests, or of the measurements: made from Debian's binaries
//! in a temporary directory, on a Unix socket, one database per test.
//!
//! A shell looks after it: it waits for the end of its standard input, which comes when this process
//! ends in whatever way, then stops the server and removes the directory.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dialbridge::config::LedgerConfig;
use secrecy::SecretString;

/// How often, and with what pause between, the new server is asked whether it is up.
const START_TRIES: u32 = 600;
const START_INTERVAL: Duration = Duration::from_millis(50);

const KEEPER: &str = r#"
trap '' INT TERM HUP
"$@" >"$DIRECTORY/server.log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server"
wait "$server"
rm -rf "$DIRECTORY"
"#;

/// A database of its own on the shared cluster.
pub struct Database {
    cluster: &'static Cluster,
    name: String,
}

/// A session that has begun something and not ended it.
pub struct Session(Child);

struct Cluster {
    binaries: PathBuf,
    directory: PathBuf,
    /// Its standard input is held open by this.
    _keeper: Child,
}

impl Database {
    pub fn create() -> Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = CLUSTER.get_or_init(Cluster::start);
        let name = format!("story_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.psql("postgres", &format!("CREATE DATABASE {name}"));
        Self { cluster, name }
    }

    pub fn url(&self) -> String {
        let directory = self.cluster.directory.display();
        format!("postgresql:///{}?host={directory}&user=postgres", self.name)
    }

    /// A gateway's ledger here, with as many connections as it has by itself.
    pub fn ledger(&self) -> LedgerConfig {
        LedgerConfig::Postgres { url: SecretString::from(self.url()), connections: 8 }
    }

    pub fn run(&self, sql: &str) {
        self.cluster.psql(&self.name, sql);
    }

    /// Whether sessions that begin from now on may only read.
    pub fn set_read_only(&self, is_read_only: bool) {
        let name = &self.name;
        let sql =
            format!("ALTER DATABASE {name} SET default_transaction_read_only = {is_read_only}");
        // From outside: nobody can change it from within.
        self.cluster.psql("postgres", &sql);
    }

    /// Whether nobody is let in, as while the server is away; sessions that there are go on.
    pub fn set_away(&self, is_away: bool) {
        let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {}", self.name, !is_away);
        self.cluster.psql("postgres", &sql);
    }

    pub fn end_sessions(&self) {
        let name = &self.name;
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        self.cluster.psql("postgres", &sql);
    }

    /// A session that goes as far as this, until it is dropped.
    pub fn begin(&self, sql: &str) -> Session {
        let mut psql = self.cluster.psql_command(&self.name);
        psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = psql.spawn().expect("psql starts");
        writeln!(child.stdin.as_ref().unwrap(), "BEGIN; {sql};").unwrap();
        Session(child)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

impl Cluster {
    fn start() -> Self {
        let binaries = find_binaries();
        let directory = tempfile::Builder::new().prefix("pg-").tempdir().unwrap().keep();
        let root = text(Command::new("id").arg("-u")).trim() == "0";
        if root {
            // PostgreSQL refuses to run as root.
            text(Command::new("chown").arg("postgres:postgres").arg(&directory));
        }
        let data = directory.join("data");
        let mut initdb = as_postgres(root, &binaries.join("initdb"));
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        text(initdb.arg("--no-sync").arg("--pgdata").arg(&data));

        let server = as_postgres(root, &binaries.join("postgres"));
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(server.get_program()).args(server.get_args());
        keeper.arg("-D").arg(&data).arg("-k").arg(&directory);
        for setting in [
            "listen_addresses=",
            "max_connections=300",
            "shared_buffers=32MB",
            "dynamic_shared_memory_type=mmap",
        ] {
            keeper.args(["-c", setting]);
        }
        keeper.env("DIRECTORY", &directory).current_dir("/");
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let cluster = Self { binaries, directory, _keeper: keeper.spawn().expect("sh starts") };
        cluster.wait_until_up();
        cluster.psql("postgres", "ALTER SYSTEM SET fsync = off");
        cluster.psql("postgres", "SELECT pg_reload_conf()");
        cluster
    }

    fn wait_until_up(&self) {
        for _ in 0..START_TRIES {
            if self.try_psql("postgres", "SELECT 1").status.success() {
                return;
            }
            std::thread::sleep(START_INTERVAL);
        }
        let log = std::fs::read_to_string(self.directory.join("server.log")).unwrap_or_default();
        panic!("the PostgreSQL server of the tests did not start:\n{log}");
    }

    fn psql(&self, database: &str, sql: &str) {
        check(&self.try_psql(database, sql), "psql");
    }

    fn try_psql(&self, database: &str, sql: &str) -> Output {
        self.psql_command(database).args(["-c", sql]).output().expect("psql starts")
    }

    fn psql_command(&self, database: &str) -> Command {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]);
        psql.arg("-h").arg(&self.directory);
        psql
    }
}

/// The newest installed version's.
fn find_binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().ok());
    newest.expect("these tests need PostgreSQL: apt-get install postgresql").path().join("bin")
}

fn as_postgres(root: bool, program: &Path) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

fn text(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    check(&output, &format!("{command:?}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn check(output: &Output, what: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{error}", output.status);
}
