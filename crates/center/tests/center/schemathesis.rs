//! A foreign judge of the API: schemathesis reads the description and asks a real
//! center all that it can think of, good and bad, in the name of each role.
//! Whatever the center answers must be described, and nothing may break it.

use crate::people::Person;
use crate::steps::{PDF, admission, code, officer};
use crate::support::{TestClock, World};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Much longer than all roles need; what hangs is broken.
const ENDS_WITHIN: Duration = Duration::from_secs(240);
/// Cases per operation and role that are thought of beyond those that the
/// description itself suggests.
const EXAMPLES: &str = "5";

/// Where `scripts/setup.sh` put it.
fn program() -> PathBuf {
    let pins = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../scripts/schemathesis.txt"
    );
    let pins = std::fs::read_to_string(pins).unwrap();
    let version = pins
        .lines()
        .find_map(|line| line.strip_prefix("schemathesis=="))
        .unwrap();
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = match (home("XDG_DATA_HOME"), home("HOME")) {
        (Some(data), _) => PathBuf::from(data),
        (None, Some(home)) => PathBuf::from(home).join(".local/share"),
        (None, None) => panic!("neither XDG_DATA_HOME nor HOME is set"),
    };
    let program = data.join(format!(
        "iryonet-tools/schemathesis-{version}/bin/schemathesis"
    ));
    assert!(
        program.exists(),
        "{} is not there; scripts/setup.sh installs it",
        program.display()
    );
    program
}

/// The description as it is true at the people's listener: there a session says
/// who acts, and a header that says it is refused.
fn of_the_peoples_listener() -> String {
    let mut description: Value = serde_json::from_str(&iryonet_center::openapi_json()).unwrap();
    for operations in description["paths"].as_object_mut().unwrap().values_mut() {
        for operation in operations.as_object_mut().unwrap().values_mut() {
            if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
                parameters.retain(|one| one["name"] != "iryonet-actor");
            }
        }
    }
    description.to_string()
}

/// A network with something of everything to be asked about.
async fn inhabited(world: &World) -> u64 {
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let provider = world.participant("provider", "gw-a", "line1").await;
    let service = world.service(provider).await;
    world.agreement(clinic, service, provider).await;
    world.enrol(json!({"participant": clinic})).await;
    for serial in 1..=3 {
        let wish = json!({"application": admission("若葉診療所", &code(serial)),
            "officer": officer("若葉 太郎")});
        world.act("/v1/cases", wish).await;
    }
    clinic
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_undescribed_and_nothing_that_breaks_the_center() {
    let program = program();
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let clinic = inhabited(&world).await;
    let address = world.running.staff_address().unwrap();
    let root = world.ground.config.root_certificate.clone();
    // Half of what is asked about is there.
    let there = format!(
        "[parameters]\ncase = 1\nnumber = {clinic}\nservice = 1\nagreement = 1\nversion = 1\n"
    );
    std::fs::write(world.ground.dir.path().join("schemathesis.toml"), there).unwrap();
    let description = world.ground.dir.path().join("openapi.json");
    std::fs::write(&description, of_the_peoples_listener()).unwrap();
    for role in [
        "officer",
        "examiner",
        "approver",
        "operator",
        "security-officer",
        "auditor",
    ] {
        let speaks_for = (role == "officer").then_some(clinic);
        let name = format!("judge.{role}");
        let person = Person::new(&world, &clock, &name, &[role], speaks_for).await;
        let document = person.hand_in("a.pdf", "application/pdf", PDF).await;
        let may = !["approver", "auditor"].contains(&role);
        assert_eq!(document.status == StatusCode::OK, may, "{document:?}");
        let mut command = tokio::process::Command::new(&program);
        command
            .arg("run")
            .arg(&description)
            .args(["--url", &format!("https://{address}")])
            .arg("--tls-verify")
            .arg(&root)
            .args(["--header", &format!("Authorization:{}", person.bearer())])
            // The other listeners' paths, and those that end the own session.
            .args(["--exclude-tag", "public", "--exclude-tag", "feed"])
            .args(["--exclude-path-regex", "^/v1/(me/|log)"])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", EXAMPLES, "--seed", "20250801"])
            .args(["--generation-database", "none", "--no-color"])
            // All that it knows, but for one: that everything that fits the
            // description is done. Who may do it, and whether it fits what is
            // there, no description says.
            .args([
                "--checks",
                "all",
                "--exclude-checks",
                "positive_data_acceptance",
            ])
            .current_dir(world.ground.dir.path())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(ENDS_WITHIN, command.output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        println!("{role}: {}", said.lines().last().unwrap_or_default());
        assert!(
            ended.status.success(),
            "{role}:\n{said}\n{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        // It asked in this session to the end, and was not merely turned away.
        let me = person.ask(Method::GET, "/v1/me", Value::Null).await;
        assert_eq!(me.json()["role"], role, "{me:?}");
    }
}
