//! 書類: how many there may be, and how long they stay.

use crate::acts::raw;
use crate::steps::{admission, all_met, code, officer};
use crate::support::{DEADLINE, Ground, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

async fn send(world: &World, method: &str, path: &str, actor: &str, body: Vec<u8>) -> Reply {
    let headers = [
        ("iryonet-actor", actor),
        ("content-type", "application/pdf"),
    ];
    let (status, headers, body) = raw(world, method, path, &headers, body).await;
    let retry_after = headers.get("retry-after");
    Reply {
        status,
        retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
        body: body.to_vec(),
    }
}

/// A document of its own content, of at least so many octets.
fn pdf(content: &str, octets: usize) -> Vec<u8> {
    let mut pdf = format!("%PDF-1.4\n% {content}\n").into_bytes();
    pdf.resize(octets.max(pdf.len()), b'.');
    pdf
}

async fn hand_in(world: &World, content: &[u8]) -> Reply {
    let path = "/v1/documents?name=notice.pdf";
    send(world, "POST", path, "operator:suzuki", content.to_vec()).await
}

/// Its digest, once it was taken.
async fn handed_in(world: &World, content: &[u8]) -> String {
    let reply = hand_in(world, content).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["sha256"].as_str().unwrap().to_owned()
}

/// An admission with these documents; its number.
async fn received(world: &World, serial: u16, documents: &[&str]) -> u64 {
    let wish = json!({"application": admission("若葉診療所", &code(serial)),
        "officer": officer("若葉 太郎"), "documents": documents});
    world.act("/v1/cases", wish).await["case"].as_u64().unwrap()
}

async fn document(world: &World, case: u64, sha256: &str) -> Reply {
    let path = format!("/v1/cases/{case}/documents/{sha256}");
    send(world, "GET", &path, "examiner:kato", Vec::new()).await
}

/// Waits until it is let go.
async fn until_let_go(world: &World, case: u64, sha256: &str) {
    let begun = Instant::now();
    loop {
        let reply = document(world, case, sha256).await;
        match reply.status {
            410 => {
                assert_eq!(reply.code(), "document-not-kept");
                return;
            }
            200 => assert!(begun.elapsed() < DEADLINE, "it is kept"),
            other => panic!("{other}: {}", reply.json()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The same registry under a center that has just started.
async fn again(world: World) -> World {
    let (ground, _) = world.stop().await;
    World::on(ground).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_documents_together_have_a_limit_which_a_restart_does_not_forget() {
    let world = World::with(|config| config.documents_max_mib = 1).await;
    let first = pdf("0", 300_000);
    let sha256 = handed_in(&world, &first).await;
    let case = received(&world, 1, &[&sha256]).await;
    for n in 1..3 {
        handed_in(&world, &pdf(&n.to_string(), 300_000)).await;
    }
    // What is here already takes no room.
    handed_in(&world, &pdf("2", 300_000)).await;
    let world = {
        let reply = hand_in(&world, &pdf("3", 300_000)).await;
        assert_eq!((reply.status, &*reply.code()), (503, "documents-full"));
        assert_eq!(reply.retry_after.as_deref(), Some("3600"));
        again(world).await
    };
    // Counted anew; acts that need no room go on, and what is kept is shown.
    let begun = Instant::now();
    loop {
        let reply = hand_in(&world, &pdf("4", 300_000)).await;
        if reply.status == 503 {
            assert_eq!(reply.code(), "documents-full");
            break;
        }
        // Only before the first count, and no more than one.
        assert!(begun.elapsed() < DEADLINE);
    }
    assert_eq!(document(&world, case, &sha256).await.body, first);
    received(&world, 2, &[]).await;
    // With more room, as whoever runs the center says, it is taken.
    let (mut ground, _) = world.stop().await;
    ground.config.documents_max_mib = 100;
    let world = World::on(ground).await;
    handed_in(&world, &pdf("3", 300_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_has_twenty_documents_and_no_more() {
    let world = World::new().await;
    let mut digests = Vec::new();
    for n in 0..21 {
        digests.push(handed_in(&world, &pdf(&n.to_string(), 100)).await);
    }
    let wish = json!({"application": admission("若葉診療所", &code(1)),
        "officer": officer("若葉 太郎"), "documents": digests});
    let refused = world.refused("/v1/cases", wish).await;
    assert_eq!(refused.code(), Some("too-many-documents"));
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    let case = received(&world, 1, &digests[..20]).await;
    for digest in &digests[..20] {
        assert_eq!(document(&world, case, digest).await.status, 200);
    }
}

/// 休止, asked for with a document and approved.
async fn suspended(world: &World, participant: u64, sha256: &str) -> u64 {
    let wish = json!({"participant": participant, "documents": [sha256],
        "application": {"kind": "suspension", "reason": "改装のため"}});
    let case = world.act("/v1/cases", wish).await["case"].as_u64().unwrap();
    let at = |step: &str| format!("/v1/cases/{case}/{step}");
    for step in ["accept", "begin"] {
        let shown = world.get(&format!("/v1/cases/{case}")).await;
        let body = json!({"version": shown["version"]});
        world.act(&at(step), body).await;
    }
    let shown = world.get(&format!("/v1/cases/{case}")).await;
    let judged = world.act(&at("judge"), all_met(&shown, false)).await;
    let body = json!({"version": judged["version"], "recommendation": "approve"});
    let examined = world.act(&at("conclude"), body).await;
    let body = json!({"version": examined["version"]});
    let approved = world.act(&at("approve"), body).await;
    assert_eq!(approved["state"], "done", "{approved}");
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_let_go_when_its_case_and_the_membership_are_over_and_never_before() {
    let mut ground = Ground::new();
    // Kept for no longer than the case itself: settings begin at a day.
    ground.config.documents_keep_days = 0;
    iryonet_center::init(&ground.config).unwrap();
    let world = World::on(ground).await;
    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    world.act("/v1/gateways", gateway).await;
    let member = world.participant("clinic", "gw-a", "line0").await;
    let plan = handed_in(&world, &pdf("平面図", 100)).await;
    let of_member = suspended(&world, member, &plan).await;
    // Under way, and one document that two cases have.
    let notice = handed_in(&world, &pdf("開設届", 100)).await;
    let open = received(&world, 1, &[&notice]).await;
    handed_in(&world, &pdf("開設届", 100)).await;
    let lease = handed_in(&world, &pdf("賃貸借契約", 100)).await;
    let withdrawn = received(&world, 2, &[&notice, &lease]).await;
    let path = format!("/v1/cases/{withdrawn}/withdraw");
    world.act(&path, json!({"version": 1})).await;

    let world = again(world).await;
    // The last that the round looks at is gone: the others were looked at.
    until_let_go(&world, withdrawn, &lease).await;
    for (case, sha256) in [(open, &notice), (of_member, &plan)] {
        assert_eq!(document(&world, case, sha256).await.status, 200);
    }
    // The case itself stays as it was, names and digests too.
    let shown = world.get(&format!("/v1/cases/{withdrawn}")).await;
    assert_eq!(shown["documents"].as_array().unwrap().len(), 2);
    // Who hands the same in once more has it in an application again.
    assert_eq!(
        handed_in(&world, &pdf("賃貸借契約", 100)).await,
        lease,
        "the digest is the content's"
    );
    let anew = received(&world, 3, &[&lease]).await;
    assert_eq!(document(&world, anew, &lease).await.status, 200);

    let close = format!("/v1/participants/{member}/close");
    world.act(&close, json!({"reason": "閉院"})).await;
    let path = format!("/v1/cases/{open}/withdraw");
    world.act(&path, json!({"version": 1})).await;
    let world = again(world).await;
    until_let_go(&world, of_member, &plan).await;
    until_let_go(&world, open, &notice).await;
    assert_eq!(document(&world, anew, &lease).await.status, 200);
}
