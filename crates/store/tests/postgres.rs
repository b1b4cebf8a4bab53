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
use iryonet_store::{PostgresStore, Store};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
