//! The PostgreSQL home: the conformance suite, and what only a server can get
//! wrong. Each test has a server of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod conformance;
mod support;

use iryonet_store::cluster::Cluster;
use iryonet_store::{
    Place, PostgresOptions, PostgresSettings, PostgresStore, Store, StoreError, change, look,
};
use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::{AtomicU32, Ordering};
use support::*;

thread_local! {
    /// One server for all stores of one test.
    static CLUSTER: RefCell<Option<Rc<Cluster>>> = const { RefCell::new(None) };
}

fn cluster() -> Rc<Cluster> {
    CLUSTER.with_borrow_mut(|kept| {
        Rc::clone(kept.get_or_insert_with(|| Rc::new(Cluster::start(&[]).unwrap())))
    })
}

fn open() -> (Arc<dyn Store>, Rc<Cluster>) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cluster = cluster();
    let name = format!("registry_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let store = PostgresStore::open(&cluster.make_schema(&name).unwrap()).unwrap();
    (Arc::new(store), cluster)
}

conformance_suite!(open, random_histories: 40);

#[test]
fn a_database_of_another_program_or_of_a_later_release_is_left_alone() {
    let cluster = cluster();
    let other = cluster.make_database("other").unwrap();
    cluster.run("other", "CREATE TABLE t (x int)").unwrap();
    let error = PostgresStore::open(&other).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    let later = cluster.make_database("later").unwrap();
    drop(PostgresStore::open(&later).unwrap());
    cluster
        .run("later", "UPDATE meta SET value = '99' WHERE key = 'layout'")
        .unwrap();
    for error in [
        PostgresStore::open(&later).unwrap_err(),
        PostgresStore::open_read_only(&later).unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::Newer { found: 99, .. }),
            "{error}"
        );
    }
    let nothing = cluster.make_database("nothing").unwrap();
    let error = PostgresStore::open_read_only(&nothing).unwrap_err();
    assert!(error.to_string().contains("no registry"), "{error}");
    let nowhere = PostgresStore::open(&cluster.settings("nowhere").unwrap()).unwrap_err();
    assert!(
        support::chain(&nowhere).contains("\"nowhere\" does not exist"),
        "{nowhere:?}"
    );
}

#[test]
fn a_server_that_could_lose_what_was_acknowledged_is_refused() {
    let cluster = Cluster::start(&["fsync=off"]).unwrap();
    let settings = cluster.make_database("registry").unwrap();
    let error = PostgresStore::open(&settings).unwrap_err();
    assert!(matches!(error, StoreError::Unfit { .. }), "{error:?}");
    assert!(error.to_string().contains("fsync is off"), "{error}");
}

#[test]
fn the_ledger_cannot_be_changed_through_the_database_either() {
    let cluster = cluster();
    let settings = cluster.make_database("registry").unwrap();
    let store = PostgresStore::open(&settings).unwrap();
    small_world(&store);
    for sql in [
        "UPDATE entry SET command = '{}' WHERE sequence = 3",
        "DELETE FROM entry WHERE sequence = 3",
        "TRUNCATE entry",
    ] {
        let error = cluster.run("registry", sql).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    let reading = PostgresStore::open_read_only(&settings).unwrap();
    let error = change(&reading, |transaction| {
        transaction.record(&actor(), &admit(clinic(), None), NOW)
    })
    .unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
    assert_eq!(
        look(&reading, replayed).unwrap(),
        look(&store, replayed).unwrap()
    );
}

/// Each step of the layout, as a release made it.
const STEPS: [&str; 5] = [
    include_str!("../src/postgres/layout-1.sql"),
    include_str!("../src/postgres/layout-2.sql"),
    include_str!("../src/postgres/layout-3.sql"),
    include_str!("../src/postgres/layout-4.sql"),
    include_str!("../src/postgres/layout-5.sql"),
];

#[test]
fn a_database_of_an_earlier_layout_is_brought_up_to_date_with_all_that_it_holds() {
    let cluster = cluster();
    for layout in 1..STEPS.len() {
        let new = format!("new_{layout}");
        let store = PostgresStore::open(&cluster.make_schema(&new).unwrap()).unwrap();
        if layout < 3 {
            small_world(&store);
        } else {
            conformance::search::fill(&store);
        }
        let memory = look(&store, replayed).unwrap();
        let answers = look(&store, conformance::search::answers).unwrap();
        // The same tables as that layout made them, in a schema beside it, with
        // all that they have room for: by name, as a later layout may have more
        // columns, in another order.
        let name = format!("old_{layout}");
        let old = cluster.make_schema(&name).unwrap();
        let steps = STEPS[..layout].join(";");
        let sql = format!(
            "SET search_path = {name}; {steps};
             DO $$ DECLARE kept text; names text; BEGIN
               FOR kept IN SELECT relname FROM pg_class
                           WHERE relkind = 'r' AND relnamespace = '{name}'::regnamespace LOOP
                 SELECT string_agg(quote_ident(attname), ',') INTO names FROM pg_attribute
                 WHERE attrelid = ('{name}.' || kept)::regclass AND attnum > 0;
                 EXECUTE format('INSERT INTO {name}.%I (%s) SELECT %s FROM {new}.%I', kept, names, names, kept);
               END LOOP;
             END $$;
             UPDATE {name}.meta SET value = '{layout}' WHERE key = 'layout';"
        );
        cluster.run("postgres", &sql).unwrap();
        for _ in 0..2 {
            let store = PostgresStore::open(&old).unwrap();
            conformance::search::assert_brought_up_to_date(&store, &memory, &answers, layout);
        }
    }
}

#[test]
fn several_that_open_a_new_database_at_once_lay_it_out_once() {
    let cluster = cluster();
    let settings = cluster.make_database("registry").unwrap();
    let threads: Vec<_> = (0..6u16)
        .map(|n| {
            let settings = settings.clone();
            std::thread::spawn(move || {
                let store = PostgresStore::open(&settings).unwrap();
                let _ = iryonet_store::act(
                    &store,
                    &actor(),
                    &iryonet_registry::Command::FoundNetwork { network: network() },
                    NOW.plus_ms(n.into()),
                )
                .unwrap();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let store = PostgresStore::open(&settings).unwrap();
    assert_eq!(store.revision().unwrap(), 6);
    look(&store, replayed).unwrap();
}

/// What becomes of a COMMIT on its way to the server.
const PASS: u8 = 0;
const LOSE_THE_ANSWER: u8 = 1;
const LOSE_THE_QUESTION: u8 = 2;
const LOSE_ALL: u8 = 3;

/// Stands between store and server, on a socket of its own.
fn between(server: &Path, folder: &Path, mode: Arc<AtomicU8>) {
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
    let server = server.join(".s.PGSQL.5432");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            if mode.load(Ordering::SeqCst) == LOSE_ALL + 1 {
                continue;
            }
            let server = UnixStream::connect(&server).unwrap();
            let (from_server, to_client) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            let silent = Arc::new(AtomicU8::new(0));
            let quiet = Arc::clone(&silent);
            std::thread::spawn(move || {
                pump(from_server, to_client, |_| {
                    quiet.load(Ordering::SeqCst) == 0
                });
            });
            let mode = Arc::clone(&mode);
            std::thread::spawn(move || {
                let (near, far) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                pump(client, server, |octets| {
                    if !octets.windows(7).any(|it| it == b"COMMIT\0") {
                        return true;
                    }
                    match mode.load(Ordering::SeqCst) {
                        PASS => true,
                        LOSE_THE_QUESTION => {
                            mode.store(PASS, Ordering::SeqCst);
                            false
                        }
                        which => {
                            // The server gets it, does it, and tells nobody.
                            silent.store(1, Ordering::SeqCst);
                            let next = if which == LOSE_ALL {
                                LOSE_ALL + 1
                            } else {
                                PASS
                            };
                            mode.store(next, Ordering::SeqCst);
                            (&far).write_all(octets).unwrap();
                            near.shutdown(std::net::Shutdown::Both).unwrap();
                            false
                        }
                    }
                });
            });
        }
    });
}

fn pump(mut from: UnixStream, mut to: UnixStream, mut pass: impl FnMut(&[u8]) -> bool) {
    let mut room = [0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut room) {
        if !pass(&room[..read]) || to.write_all(&room[..read]).is_err() {
            break;
        }
    }
    let _ = (
        from.shutdown(std::net::Shutdown::Both),
        to.shutdown(std::net::Shutdown::Both),
    );
}

#[test]
fn an_act_whose_commit_was_lost_on_the_way_is_done_exactly_once() {
    let cluster = cluster();
    cluster.make_database("registry").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mode = Arc::new(AtomicU8::new(PASS));
    between(cluster.folder(), folder.path(), Arc::clone(&mode));
    let settings = PostgresSettings::parse(
        &format!(
            "host={} user=iryonet dbname=registry",
            folder.path().display()
        ),
        None,
    )
    .unwrap();
    let options = PostgresOptions {
        resolve_ms: 500,
        ..PostgresOptions::default()
    };
    let store = PostgresStore::open_with(&settings, &options).unwrap();
    small_world(&store);
    let mut expected = store.revision().unwrap();
    for lost in [LOSE_THE_ANSWER, LOSE_THE_QUESTION, LOSE_THE_ANSWER] {
        mode.store(lost, Ordering::SeqCst);
        must(&store, &admit(clinic(), None), NOW);
        assert_eq!(mode.load(Ordering::SeqCst), PASS, "nothing was lost");
        expected += 1;
        assert_eq!(store.revision().unwrap(), expected);
        // What is no act at all is found out about too.
        mode.store(lost, Ordering::SeqCst);
        let mut tries = 0;
        change(&store, |transaction| {
            tries += 1;
            transaction.side_put(iryonet_store::Space::Session, b"a", &[tries], None)
        })
        .unwrap();
        assert_eq!(tries, if lost == LOSE_THE_ANSWER { 1 } else { 2 });
        let kept = look(&store, |reader| {
            reader.side_get(iryonet_store::Space::Session, b"a")
        })
        .unwrap();
        assert_eq!(kept.unwrap().value, [tries]);
    }
    // Where it cannot be found out, this is said, with the place to look at.
    mode.store(LOSE_ALL, Ordering::SeqCst);
    let error = iryonet_store::act(&store, &actor(), &admit(clinic(), None), NOW).unwrap_err();
    assert!(
        matches!(error, StoreError::OutcomeUnknown { entry: Some(entry), .. } if entry == expected + 1),
        "{error:?}"
    );
    assert!(!error.is_temporary());
    mode.store(PASS, Ordering::SeqCst);
    assert_eq!(store.revision().unwrap(), expected + 1);
    let memory = look(&store, replayed).unwrap();
    assert_same(&store, &memory, NOW);
}

#[test]
fn a_store_may_be_asked_and_dropped_by_an_asynchronous_program() {
    let cluster = cluster();
    let settings = cluster.make_database("registry").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        let store = tokio::task::spawn_blocking(move || PostgresStore::open(&settings))
            .await
            .unwrap()
            .unwrap();
        let store = Arc::new(store);
        let acting = Arc::clone(&store);
        tokio::task::spawn_blocking(move || small_world(acting.as_ref()))
            .await
            .unwrap();
        // The last holder is a thread that must not wait.
        drop(store);
    });
}

/// A certificate of its own root for a name, and the key, PEM.
fn certificate_for(name: &str) -> (String, String, String) {
    let root_key = rcgen::KeyPair::generate().unwrap();
    let mut root = rcgen::CertificateParams::default();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_pem = leaf.signed_by(&key, &issuer).unwrap().pem();
    (root_pem, leaf_pem, key.serialize_pem())
}

#[test]
fn a_server_elsewhere_is_reached_by_tls_and_only_when_its_certificate_is_right() {
    // A port that nobody has: asked for, given back, and taken by the server.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (roots, certificate, key) = certificate_for("db.example.jp");
    let mut cluster = Cluster::start(&[]).unwrap();
    cluster.make_database("registry").unwrap();
    cluster
        .run("registry", "ALTER ROLE iryonet PASSWORD 'geheim'")
        .unwrap();
    cluster.stop().unwrap();
    for (name, text) in [("server.crt", &certificate), ("server.key", &key)] {
        let path = cluster.data().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = std::fs::metadata(cluster.data()).unwrap();
        use std::os::unix::fs::MetadataExt as _;
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    std::fs::write(
        cluster.data().join("pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
    )
    .unwrap();
    cluster.listen("127.0.0.1", port);
    cluster.resume().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (right, wrong) = (
        file("roots.pem", &roots),
        file("others.pem", &certificate_for("db.example.jp").0),
    );
    let password = file("password", "geheim\n");
    let open = |host: &str, trust: &Path| {
        let text = format!(
            "host={host} hostaddr=127.0.0.1 port={port} user=iryonet dbname=registry sslmode=require"
        );
        match Place::postgres(&text, Some(trust), Some(&password)).unwrap() {
            Place::Postgres(settings) => PostgresStore::open(&settings),
            Place::Sqlite(_) => panic!("a database was named"),
        }
    };
    let store = open("db.example.jp", &right).unwrap();
    small_world(&store);
    cluster
        .run(
            "registry",
            "DO $$ BEGIN IF (SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
               WHERE a.application_name = 'iryonet' AND a.client_addr IS NOT NULL
                 AND s.ssl AND s.version = 'TLSv1.2') = 0
             THEN RAISE EXCEPTION 'nobody came by TLS'; END IF; END $$",
        )
        .unwrap();
    for (host, trust) in [("db.example.jp", &wrong), ("other.example.jp", &right)] {
        let error = open(host, trust).unwrap_err();
        let story = support::chain(&error);
        assert!(story.contains("TLS handshake failed"), "{host}: {story}");
    }
}
