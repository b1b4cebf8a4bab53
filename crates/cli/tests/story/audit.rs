//! 監査: the ledger taken out of a center by the auditor, in the auditor's own
//! session, and proved where there is no center any more.

use crate::person::Person;
use crate::support::{DEADLINE, World};
use hyper::Method;
use iryonet_ledger::export::parse_line;
use iryonet_ledger::{Entry, KeyName, KeyUse, Outcome, SigningKey};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// 立会人, of another house.
pub(crate) fn witness_key() -> SigningKey {
    let name = KeyName::new("witness.example/w1").unwrap();
    SigningKey::from_seed(name, KeyUse::Witness, [2; 32].into()).unwrap()
}

/// Checkpoints soon, and a witness who is known.
pub(crate) fn is_witnessed(config: &mut iryonet_center::Config) {
    config.checkpoint_every_s = 1;
    config.witnesses = vec![witness_key().verifier().clone()];
}

/// The auditor's desk: a folder, and a session that the commands take.
pub(crate) struct Desk {
    folder: TempDir,
    center: String,
}

async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_iryonet"));
    command
        .arg("ledger")
        .args(arguments)
        .arg("--json")
        .current_dir(folder)
        .env("IRYONET_SESSION", folder.join("session.json"))
        .env_remove("IRYONET_CENTER")
        .env_remove("IRYONET_AS")
        .kill_on_drop(true);
    tokio::time::timeout(DEADLINE, command.output())
        .await
        .unwrap()
        .unwrap()
}

async fn done(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, arguments).await;
    assert!(
        output.status.success(),
        "{arguments:?}: {} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Insists that it is found bad, and answers why.
async fn bad(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Desk {
    pub(crate) fn of(world: &World, auditor: &Person<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let center = format!("https://{}", world.running.staff_address().unwrap());
        let root = std::fs::read_to_string(&world.ground.config.root_certificate).unwrap();
        let session = json!({"center": center, "root": root, "token": auditor.token});
        let file = folder.path().join("session.json");
        std::fs::write(file, session.to_string()).unwrap();
        let secret = witness_key().to_secret_text();
        iryonet_authority::files::write_new(
            &folder.path().join("witness.key"),
            secret.as_bytes(),
            0o600,
        )
        .unwrap();
        Self { folder, center }
    }

    /// As at the center, over the people's listener.
    async fn there(&self, arguments: &[&str]) -> Value {
        let center = ["--center", self.center.as_str()];
        done(self.folder.path(), &[arguments, &center[..]].concat()).await
    }

    /// Waits until all that was recorded is signed, has it cosigned, and takes it
    /// out: everything, and the proof of one act.
    pub(crate) async fn take_out(&self, world: &World, auditor: &Person<'_>, key: &str) {
        let recorded = world.get("/v1/health").await["recorded"].as_u64().unwrap();
        let began = Instant::now();
        loop {
            let health = auditor.ask(Method::GET, "/v1/health", Value::Null).await;
            let state = health.json()["checkpoint"].clone();
            if state["size"].as_u64().is_some_and(|size| size >= recorded) {
                break;
            }
            assert!(began.elapsed() < DEADLINE, "not signed: {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.there(&["witness", "request", "--out", "request"])
            .await;
        // 立会人, who needs neither center nor network.
        let cosign = [
            "witness",
            "cosign",
            "request",
            "--key",
            "witness.key",
            "--log",
            key,
            "--state",
            "memory",
            "--out",
            "cosigned",
            "--first",
        ];
        done(self.folder.path(), &cosign).await;
        self.there(&["witness", "add", "cosigned"]).await;
        let export = ["export", "--cosigned", "--out", "ledger.jsonl"];
        let exported = self.there(&export).await;
        assert!(exported["last"].as_u64().unwrap() >= recorded);
        // 承認 of the clinic: the one act that is shown to somebody without the rest.
        let entry = self.entries().iter().find_map(|entry| {
            let Outcome::Accepted { events } = &entry.outcome else {
                return None;
            };
            let is_it =
                entry.actor.to_string() == "approver:mori" && events.contains("participant-closed");
            is_it.then(|| entry.sequence.to_string())
        });
        let entry = entry.unwrap();
        let prove = [
            "prove",
            "--cosigned",
            "--entry",
            &*entry,
            "--out",
            "one.tlog-proof",
        ];
        self.there(&prove).await;
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        std::fs::read(self.folder.path().join("ledger.jsonl"))
            .unwrap()
            .split_inclusive(|octet| *octet == b'\n')
            .map(|line| parse_line(line).unwrap())
            .collect()
    }

    /// Carries the files, and nothing else, to where nothing is known but two
    /// public keys.
    pub(crate) fn elsewhere(self) -> Elsewhere {
        let folder = tempfile::tempdir().unwrap();
        for file in ["ledger.jsonl", "ledger.jsonl.checkpoint", "one.tlog-proof"] {
            std::fs::copy(self.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        Elsewhere { folder }
    }
}

pub(crate) struct Elsewhere {
    folder: TempDir,
}

impl Elsewhere {
    async fn verify(&self, file: &str, key: &str) -> Result<Value, Value> {
        let witness = witness_key().verifier().to_string();
        let arguments = [
            "verify",
            file,
            "--key",
            key,
            "--witness",
            &*witness,
            "--checkpoint",
            "ledger.jsonl.checkpoint",
        ];
        let output = run(self.folder.path(), &arguments).await;
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert_eq!(said["ok"] == true, output.status.success(), "{said}");
        if said["ok"] == true {
            Ok(said)
        } else {
            Err(said)
        }
    }

    /// Whole, unaltered, witnessed: what `verify` says.
    pub(crate) async fn proved(&self, key: &str) -> Value {
        let said = self.verify("ledger.jsonl", key).await.unwrap();
        assert_eq!(said["cosigned"][0]["witness"], "witness.example/w1");
        // Another ledger's key has signed nothing of it.
        let name = KeyName::new(said["origin"].as_str().unwrap()).unwrap();
        let stranger = SigningKey::from_seed(name, KeyUse::Log, [9; 32].into()).unwrap();
        let stranger = stranger.verifier().to_string();
        assert!(self.verify("ledger.jsonl", &stranger).await.is_err());
        said
    }

    /// The one act, without the rest.
    pub(crate) async fn one_act_proved(&self, key: &str) -> Value {
        let witness = witness_key().verifier().to_string();
        let arguments = [
            "verify-proof",
            "one.tlog-proof",
            "--key",
            key,
            "--witness",
            &*witness,
        ];
        let said = done(self.folder.path(), &arguments).await;
        let text = std::fs::read_to_string(self.folder.path().join("one.tlog-proof")).unwrap();
        let bent = text.replacen("index ", "index 1", 1);
        std::fs::write(self.folder.path().join("bent"), bent).unwrap();
        let bent = ["verify-proof", "bent", "--key", key];
        assert_eq!(bad(self.folder.path(), &bent).await["ok"], false);
        said
    }

    /// Whatever is done to it shows, and where.
    pub(crate) async fn no_forgery_passes(&self, entries: &[Entry], key: &str) {
        let written = |name: &str, entries: &[Entry]| {
            let mut file = Vec::new();
            for entry in entries {
                iryonet_ledger::export::write_line(&mut file, entry).unwrap();
            }
            std::fs::write(self.folder.path().join(name), file).unwrap();
        };
        // One letter of one act is another: the chain says which entry it is.
        let mut altered = entries.to_vec();
        let place = altered.len() / 2;
        let sequence = altered[place].sequence;
        altered[place].command += " ";
        written("altered", &altered);
        let said = self.verify("altered", key).await.unwrap_err();
        assert_eq!(said["first_bad_entry"], sequence, "{said}");
        // The same with the chain made anew behind it, as only the owner of the
        // database could: it is not what was signed.
        for at in place..altered.len() {
            altered[at].previous = altered[at - 1].hash;
            altered[at].hash = altered[at].computed_hash();
        }
        written("rechained", &altered);
        let said = self.verify("rechained", key).await.unwrap_err();
        let fault = said["fault"].as_str().unwrap();
        assert!(fault.contains("not those that the checkpoint"), "{said}");
        // So is a ledger whose end was cut off.
        written("cut", &entries[..entries.len() - 1]);
        let said = self.verify("cut", key).await.unwrap_err();
        assert_eq!(said["first_bad_entry"], entries.len(), "{said}");
    }
}
