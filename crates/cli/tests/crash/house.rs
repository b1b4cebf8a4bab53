//! The real `iryonet center` on ground of its own, as a process to be killed.

use crate::clients::{Answer, Request, ask};
use iryonet_store::{Place, Store};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing here takes this long; what does is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A CA, settings, and where the registry is kept.
pub(crate) struct House {
    folder: tempfile::TempDir,
    data: PathBuf,
    database: Option<String>,
}

fn program(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iryonet"));
    command
        .args(words)
        .current_dir(folder)
        .env("IRYONET_LOG", "warn")
        .stdin(Stdio::null());
    command
}

impl House {
    /// On PostgreSQL where there is a connection string, else on SQLite. Not
    /// set up yet.
    pub(crate) fn new(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for words in [
            &["authority", "init-root", "--out", "root", "--plain-key"][..],
            &[
                "authority",
                "init-issuing",
                "--root",
                "root",
                "--out",
                "issuing",
                "--plain-key",
            ],
        ] {
            let made = program(folder.path(), words).output().unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        let data = folder.path().join("data");
        let mut house = Self {
            folder,
            data: PathBuf::new(),
            database,
        };
        house.move_to(&data);
        house
    }

    /// From now on it keeps its things there.
    pub(crate) fn move_to(&mut self, data: &Path) {
        let database = self.database.as_ref().map_or_else(String::new, |it| {
            format!("[database]\npostgres = \"{it}\"\n")
        });
        let settings = format!(
            r#"
name = "center-1"
network = "2001:db8::/32"
data_dir = "{}"
issuing_dir = "issuing"
root_certificate = "root/root.pem"
operator_socket = "operator.sock"
public_listen = "[::1]:0"
device_listen = "[::1]:0"
daily_recheck = false
{database}"#,
            data.display()
        );
        std::fs::write(self.folder.path().join("center.toml"), settings).unwrap();
        data.clone_into(&mut self.data);
    }

    /// The same with another database.
    pub(crate) fn move_to_database(&mut self, database: String, data: &Path) {
        self.database = Some(database);
        self.move_to(data);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("operator.sock")
    }

    fn log(&self) -> std::fs::File {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("center.log"))
            .unwrap()
    }

    /// What the center's processes wrote.
    pub(crate) fn said(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("center.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<&str> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Begins `iryonet center init`.
    pub(crate) fn begin_init(&self) -> Child {
        program(
            self.folder.path(),
            &["center", "init", "--config", "center.toml"],
        )
        .stdout(self.log())
        .stderr(self.log())
        .spawn()
        .unwrap()
    }

    pub(crate) fn init(&self) {
        let status = self.begin_init().wait().unwrap();
        assert!(status.success(), "{}", self.said());
    }

    /// Begins `iryonet center` and does not wait for it.
    pub(crate) fn begin(&self) -> Center {
        let child = program(self.folder.path(), &["center", "--config", "center.toml"])
            .stdout(self.log())
            .stderr(self.log())
            .spawn()
            .unwrap();
        Center { child }
    }

    /// A center that answers.
    pub(crate) fn start(&self) -> Center {
        let mut center = self.begin();
        let begun = Instant::now();
        let health = Request::get("/v1/health");
        loop {
            if let Ok(Answer { status: 200, .. }) = ask(&self.socket(), &health) {
                return center;
            }
            let ended = center.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.said());
            assert!(begun.elapsed() < DEADLINE, "{}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What is kept, past the center.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        let place = match &self.database {
            Some(text) => Place::named(text, None).unwrap(),
            None => Place::Sqlite(self.data.join("registry.sqlite")),
        };
        place.open_read_only().unwrap()
    }
}

/// A process that serves, until it is killed.
pub(crate) struct Center {
    child: Child,
}

impl Center {
    /// `kill -9`, and its end awaited. Did it run until then?
    pub(crate) fn kill(&mut self) -> bool {
        let ran = self.child.try_wait().unwrap().is_none();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        ran
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
