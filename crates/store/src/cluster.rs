//! A PostgreSQL server of one's own, for tests and measurements: in a folder of
//! its own, reached over a Unix socket only, run by a user that is not root. It is stopped and its folder removed when
//! the handle is dropped, and also when the process that holds it is killed.

use crate::postgres::{PostgresSettings, SettingsError};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to come up, also after a crash.
const START_WAIT: Duration = Duration::from_secs(60);
/// How long it may take to go down.
const STOP_WAIT: Duration = Duration::from_secs(60);
/// Free memory with which its files are put there, in bytes.
const ROOM: u64 = 2 << 30;
/// Users that may run it when we are root, the first one that is there.
const USERS: [&str; 2] = ["postgres", "nobody"];
/// Where nothing else is said, the port only names the socket.
const PORT: u16 = 5432;

/// Ends the server and removes its folder once its standard input ends, which
/// it does when the process that holds the other end is gone, however. The
/// server's working folder shows that the number is still its own.
const REAPER: &str = r#"
cat > /dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null)
of_ours() { [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
if of_ours "$1"; then kill -QUIT "$pid"; fi
for _ in $(seq 200); do of_ours "$1" || break; sleep 0.05; done
rm -rf "$1"
"#;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No PostgreSQL here.
    #[error(
        "no PostgreSQL server program was found; install Debian's package postgresql (scripts/setup.sh does it)"
    )]
    NoServer,
    /// Root may not run it, and nobody else is there.
    #[error("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")]
    NoUser,
    /// The system refuses.
    #[error("{doing} failed")]
    System {
        /// What.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server says no.
    #[error("{doing} failed; it said: {said}")]
    Server {
        /// What.
        doing: &'static str,
        /// The end of its log.
        said: String,
    },
    /// The connection string.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> ClusterError {
    move |source| ClusterError::System { doing, source }
}

/// A process of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProcess {
    id: i32,
    /// What it is for, in PostgreSQL's words, as `client backend` or `walwriter`.
    pub kind: String,
}

/// A server of one's own.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    user: Option<&'static str>,
    folder: PathBuf,
    settings: Vec<String>,
    port: u16,
    server: Option<Child>,
    reaper: Option<Child>,
}

impl Cluster {
    /// Makes and starts one whose files are in memory where the system has room
    /// for it: what a test asks of a disk, a killed process cannot tell apart.
    /// `settings` are the server's, as `shared_buffers=64MB`.
    ///
    /// # Errors
    /// When there is no PostgreSQL 15 or later here, or it does not start.
    pub fn start(settings: &[&str]) -> Result<Self, ClusterError> {
        let memory = Path::new("/dev/shm");
        let room = nix::sys::statvfs::statvfs(memory)
            .is_ok_and(|it| it.blocks_available().saturating_mul(it.fragment_size()) >= ROOM);
        if room {
            Self::start_in(memory, settings)
        } else {
            Self::start_in(&std::env::temp_dir(), settings)
        }
    }

    /// The same with its folder there.
    ///
    /// # Errors
    /// As there.
    pub fn start_in(place: &Path, settings: &[&str]) -> Result<Self, ClusterError> {
        let programs = programs().ok_or(ClusterError::NoServer)?;
        let folder = tempfile::Builder::new()
            .prefix("iryonet-pg-")
            .tempdir_in(place)
            .map_err(system("making a folder for the server"))?
            .keep();
        let mut cluster = Self {
            programs,
            user: None,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            port: PORT,
            server: None,
            reaper: None,
            folder,
        };
        cluster.reaper = Some(reaper(&cluster.folder)?);
        if nix::unistd::geteuid().is_root() {
            let found = USERS.into_iter().find_map(|name| {
                let user = nix::unistd::User::from_name(name).ok().flatten()?;
                Some((name, user.uid.as_raw(), user.gid.as_raw()))
            });
            let (name, uid, gid) = found.ok_or(ClusterError::NoUser)?;
            std::os::unix::fs::chown(&cluster.folder, Some(uid), Some(gid))
                .map_err(system("giving the server its folder"))?;
            cluster.user = Some(name);
        }
        cluster.lay_out()?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// The folder that everything is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// From the next start on it also listens there, for tests of connections
    /// over a network.
    pub fn listen(&mut self, address: &str, port: u16) {
        self.settings.push(format!("listen_addresses={address}"));
        self.settings.push("ssl=on".to_owned());
        self.port = port;
    }

    /// Where a file of the server's, as a certificate, is put for it.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The server's process.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Sets it up with a program that is run as the server's user.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", user, "--regid", user, "--clear-groups", "--"])
                    .arg(program);
                command
            }
        };
        command
            .current_dir(&self.folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            // What ends a terminal's programs does not end this one: its end
            // is in order.
            .process_group(0);
        command
    }

    fn lay_out(&self) -> Result<(), ClusterError> {
        let doing = "laying the server out (initdb)";
        let output = self
            .program("initdb")
            .args(["--no-sync", "--no-instructions", "--username=iryonet"])
            .args(["--encoding=UTF8", "--locale=C", "--auth-local=trust"])
            .args(["--auth-host=scram-sha-256", "--pgdata"])
            .arg(self.data())
            .output()
            .map_err(system(doing))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ClusterError::Server {
            doing,
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The end of what the server wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Starts the server again after [`Cluster::stop`] or [`Cluster::kill`],
    /// and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn resume(&mut self) -> Result<(), ClusterError> {
        let settings = self.settings("postgres")?;
        let deadline = Instant::now() + START_WAIT;
        loop {
            // After a crash it may end again at once, while what the one before
            // had started is still ending.
            if !self.runs() {
                self.server = Some(self.spawn()?);
            }
            match settings.connect() {
                Ok(client) => {
                    let _ = client.close();
                    return Ok(());
                }
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => {
                    return Err(ClusterError::Server {
                        doing: "starting the server",
                        said: format!("{error}\n{}", self.last_words()),
                    });
                }
            }
        }
    }

    fn spawn(&self) -> Result<Child, ClusterError> {
        let doing = "starting the server";
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(system(doing))?;
        let mut command = self.program("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command
            .stdout(log.try_clone().map_err(system(doing))?)
            .stderr(log)
            .spawn()
            .map_err(system(doing))
    }

    fn runs(&mut self) -> bool {
        self.server
            .as_mut()
            .is_some_and(|server| matches!(server.try_wait(), Ok(None)))
    }

    /// Stops it in order; connections are cut.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        self.end(nix::sys::signal::Signal::SIGINT)
    }

    /// Kills the server's process at once, as a crash would. What it had
    /// started ends by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<(), ClusterError> {
        self.end(nix::sys::signal::Signal::SIGKILL)
    }

    /// The processes that it runs for this database and for all of them: those
    /// that serve somebody, those that write, those that clean up.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn processes(&self, database: &str) -> Result<Vec<ServerProcess>, ClusterError> {
        let said = |error: postgres::Error| ClusterError::Server {
            doing: "listing the server's processes",
            said: error.to_string(),
        };
        let mut client = self.settings("postgres")?.connect().map_err(said)?;
        let rows = client
            .query(
                "SELECT pid, backend_type FROM pg_stat_activity
                 WHERE (datname = $1 OR datname IS NULL) AND pid <> pg_backend_pid()
                 ORDER BY pid",
                &[&database],
            )
            .map_err(said)?;
        rows.iter()
            .map(|row| {
                Ok(ServerProcess {
                    id: row.try_get(0)?,
                    kind: row.try_get::<_, Option<String>>(1)?.unwrap_or_default(),
                })
            })
            .collect::<Result<_, _>>()
            .map_err(said)
    }

    /// Kills one of them at once, whatever it does at that moment; the server
    /// then ends all sessions and recovers. `false` when it had ended by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill_process(&self, process: &ServerProcess) -> Result<bool, ClusterError> {
        // The working folder shows that the number is still one of ours.
        let folder = std::fs::read_link(format!("/proc/{}/cwd", process.id));
        if !folder.is_ok_and(|folder| folder == self.data()) {
            return Ok(false);
        }
        let id = nix::unistd::Pid::from_raw(process.id);
        match nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL) {
            Ok(()) => Ok(true),
            Err(nix::errno::Errno::ESRCH) => Ok(false),
            Err(error) => Err(system("killing a process of the server")(error.into())),
        }
    }

    fn end(&mut self, signal: nix::sys::signal::Signal) -> Result<(), ClusterError> {
        let doing = "stopping the server";
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        let process = nix::unistd::Pid::from_raw(server.id().cast_signed());
        // It may have ended by itself; it has not been waited for, so the
        // number is still its own.
        let _ = nix::sys::signal::kill(process, signal);
        let deadline = Instant::now() + STOP_WAIT;
        while server.try_wait().map_err(system(doing))?.is_none() {
            if Instant::now() >= deadline {
                let _ = server.kill();
                return Err(ClusterError::Server {
                    doing,
                    said: self.last_words(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// How to reach a database of it.
    ///
    /// # Errors
    /// Never, but for a folder whose name cannot stand in a connection string.
    pub fn settings(&self, database: &str) -> Result<PostgresSettings, ClusterError> {
        Ok(PostgresSettings::parse(
            &self.connection_string(database),
            None,
        )?)
    }

    /// The same as text, for a settings file.
    #[must_use]
    pub fn connection_string(&self, database: &str) -> String {
        format!(
            "host={} port={} user=iryonet dbname={database}",
            self.folder.display(),
            self.port
        )
    }

    /// Makes a new, empty database.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn make_database(&self, name: &str) -> Result<PostgresSettings, ClusterError> {
        self.run("postgres", &format!("CREATE DATABASE {name}"))?;
        self.settings(name)
    }

    /// Makes a new, empty schema in the database `postgres`: a place for a
    /// registry that costs less than a database.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn make_schema(&self, name: &str) -> Result<PostgresSettings, ClusterError> {
        self.run("postgres", &format!("CREATE SCHEMA {name}"))?;
        let text = format!(
            "{} options='-c search_path={name}'",
            self.connection_string("postgres")
        );
        Ok(PostgresSettings::parse(&text, None)?)
    }

    /// Runs statements on a database of it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn run(&self, database: &str, sql: &str) -> Result<(), ClusterError> {
        let said = |error: postgres::Error| ClusterError::Server {
            doing: "running statements",
            said: error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string),
        };
        let mut client = self.settings(database)?.connect().map_err(said)?;
        client.batch_execute(sql).map_err(said)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Immediate: nothing of it is kept.
        let _ = self.end(nix::sys::signal::Signal::SIGQUIT);
        if let Some(mut reaper) = self.reaper.take() {
            drop(reaper.stdin.take());
            let _ = reaper.wait();
        }
    }
}

fn reaper(folder: &Path) -> Result<Child, ClusterError> {
    Command::new("sh")
        .args(["-c", REAPER, "reaper"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(system("starting what cleans up"))
}

/// Where the newest server's programs are: Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            (version >= 15 && programs.join("initdb").exists()).then_some((version, programs))
        })
        .max();
    if let Some((_, programs)) = debian {
        return Some(programs);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
