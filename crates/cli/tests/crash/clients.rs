//! Clients that act, and remember what they asked and what they were told.

use iryonet_domain::{InstitutionCode, Prefecture, ScoreTable};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An account that is there from the beginning: to make it once more is refused.
const PRESENT: &str = "present";

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: "GET",
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn post(path: &str, actor: &str, body: &Value) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            headers: vec![
                ("iryonet-actor", actor.to_owned()),
                ("content-type", "application/json".to_owned()),
            ],
            body: body.to_string().into_bytes(),
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// One request on a connection of its own. Half an answer is none.
pub(crate) fn ask(socket: &Path, request: &Request) -> io::Result<Answer> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::UnexpectedEof, why.to_owned());
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(crate::house::DEADLINE))?;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: center\r\nconnection: close\r\ncontent-length: {}\r\n",
        request.method,
        request.path,
        request.body.len()
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut octets = head.into_bytes();
    octets.extend_from_slice(&request.body);
    stream.write_all(&octets)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(|| broken("no whole head"))?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let length: usize = field("content-length")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| broken("no length"))?;
    let body = answer[end + 4..].to_vec();
    if body.len() != length {
        return Err(broken("half a body"));
    }
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| broken("no status"))?,
        retry_after: field("retry-after").map(|text| text.parse().unwrap()),
        body,
    })
}

/// What a client knows of an act that it asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// Nothing: the center was gone, or said itself that it does not know.
    Nothing,
    /// That it is done, by this answer.
    Done(Answer),
    /// That it was refused and recorded as such.
    Refused(Answer),
    /// That it was not done and nothing was recorded: come again later.
    Later(Answer),
}

/// An act that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Stands in the act, and in no other.
    pub(crate) mark: String,
    request: Request,
    /// Handed in before the act that names it.
    document: Option<Request>,
    /// Is this one to be refused?
    pub(crate) bad: bool,
    pub(crate) told: Told,
    /// Was it asked for once without being told anything? Then it may be done
    /// already, and that a repetition did nothing says nothing of it.
    untold: bool,
    /// When it was said last that it was not done, milliseconds since 1970, of
    /// one that cannot have been done before.
    pub(crate) not_done_at: Option<u64>,
}

impl Sent {
    /// Asks for it, under its key, whether that is the first time or not.
    pub(crate) fn ask(&mut self, socket: &Path) {
        self.told = self.once(socket);
        match self.told {
            Told::Nothing => self.untold = true,
            Told::Later(_) if !self.untold => {
                let since = std::time::UNIX_EPOCH.elapsed().unwrap();
                self.not_done_at = Some(u64::try_from(since.as_millis()).unwrap());
            }
            _ => {}
        }
    }

    fn once(&self, socket: &Path) -> Told {
        if let Some(document) = &self.document {
            match ask(socket, document) {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => return self.read(answer),
                Err(_) => return Told::Nothing,
            }
        }
        match ask(socket, &self.request) {
            Ok(answer) => self.read(answer),
            Err(_) => Told::Nothing,
        }
    }

    fn read(&self, answer: Answer) -> Told {
        match answer.status {
            200 if !self.bad => Told::Done(answer),
            409 if self.bad => {
                assert_eq!(answer.code(), "account-exists");
                Told::Refused(answer)
            }
            // Done, as is said; only the whole answer cannot be given now.
            503 if answer.code().starts_with("recorded-not-") => {
                assert!(answer.json()["sequence"].is_u64(), "{answer:?}");
                Told::Nothing
            }
            503 => {
                let wait = answer.retry_after.unwrap_or_default();
                assert!(wait > 0, "no Retry-After: {answer:?}");
                match answer.code().as_str() {
                    "outcome-unknown" => Told::Nothing,
                    _ => Told::Later(answer),
                }
            }
            _ => panic!(
                "{} {}: {} {}",
                self.request.path,
                String::from_utf8_lossy(&self.request.body),
                answer.status,
                String::from_utf8_lossy(&answer.body)
            ),
        }
    }

    /// The ledger entry that its answer names.
    pub(crate) fn sequence(&self) -> Option<u64> {
        match &self.told {
            Told::Done(answer) | Told::Refused(answer) => {
                Some(answer.json()["sequence"].as_u64().unwrap())
            }
            Told::Nothing | Told::Later(_) => None,
        }
    }

    /// Where its document is now, and what it was.
    pub(crate) fn document(&self) -> Option<(Request, &[u8])> {
        let handed_in = self.document.as_ref()?;
        let Told::Done(answer) = &self.told else {
            return None;
        };
        let digest = hex::encode(Sha256::digest(&handed_in.body));
        let path = format!(
            "/v1/cases/{}/documents/{digest}",
            answer.json()["case"].as_u64().unwrap()
        );
        Some((Request::get(&path), &handed_in.body))
    }
}

/// Makes acts of every kind that touches other tables, each once in the world.
pub(crate) struct Acts {
    round: AtomicU32,
    next: AtomicU32,
    /// Octets of each document.
    document_bytes: usize,
}

impl Acts {
    pub(crate) fn new(document_bytes: usize) -> Self {
        Self {
            round: AtomicU32::new(0),
            next: AtomicU32::new(0),
            document_bytes,
        }
    }

    /// From now on they are another round's.
    pub(crate) fn next_round(&self) -> u32 {
        self.round.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn round(&self) -> u32 {
        self.round.load(Ordering::SeqCst)
    }

    /// What there must be for the acts.
    pub(crate) fn prepare(&self, socket: &Path) {
        let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
        let account = json!({"account": PRESENT, "person": "以前からいる", "roles": ["examiner"]});
        for (path, actor, body) in [
            ("/v1/gateways", "operator:suzuki", gateway),
            ("/v1/accounts", "security-officer:console", account),
        ] {
            let answer = ask(socket, &Request::post(path, actor, &body)).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// The act of this number of one client. `participant` is one that the client
    /// had admitted.
    fn make(&self, client: u32, draw: u64, participant: Option<u64>) -> Sent {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mark = format!("〔{}の{client}の{n}〕", self.round());
        let operator = format!("operator:r{}c{client}", self.round());
        let (mut document, mut bad) = (None, false);
        let mut request = match (draw % 6, participant) {
            (0, Some(number)) => Request::post(
                &format!("/v1/participants/{number}/sites"),
                &operator,
                &json!({"name": format!("分院{mark}")}),
            ),
            (1, _) => {
                let roles = ["examiner", "approver", "operator", "auditor"];
                let role = roles[n as usize % roles.len()];
                Request::post(
                    "/v1/accounts",
                    "security-officer:console",
                    &json!({"account": format!("p{n}"), "person": format!("担当{mark}"), "roles": [role]}),
                )
            }
            (2, _) => {
                bad = true;
                Request::post(
                    "/v1/accounts",
                    "security-officer:console",
                    &json!({"account": PRESENT, "person": format!("担当{mark}"), "roles": ["examiner"]}),
                )
            }
            (3, _) => {
                let mut octets = format!("%PDF-1.4\n% {mark}\n").into_bytes();
                let filler = n.to_be_bytes();
                // Nothing that a database could make smaller.
                let mut state = u64::from(u32::from_be_bytes(filler)) | 1;
                while octets.len() < self.document_bytes {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    octets.extend_from_slice(&state.to_be_bytes()[..6]);
                }
                let digest = hex::encode(Sha256::digest(&octets));
                document = Some(Request {
                    method: "POST",
                    path: "/v1/documents?name=notice.pdf".to_owned(),
                    headers: vec![
                        ("iryonet-actor", operator.clone()),
                        ("content-type", "application/pdf".to_owned()),
                    ],
                    body: octets,
                });
                let code = InstitutionCode::generate(
                    Prefecture::new(13).unwrap(),
                    ScoreTable::Medical,
                    u8::try_from(n / 9_000 % 100).unwrap(),
                    u16::try_from(n % 9_000).unwrap(),
                );
                Request::post(
                    "/v1/cases",
                    &operator,
                    &json!({
                        "application": {
                            "kind": "admission", "participant_kind": "clinic",
                            "name": format!("若葉診療所{mark}"), "code": code.to_string(),
                            "sites": [{"name": "本院", "lines": ["ethernet"]}],
                        },
                        "officer": {"name": "若葉 太郎", "telephone": "03-1234-5678"},
                        "documents": [digest],
                    }),
                )
            }
            _ => Request::post(
                "/v1/participants",
                "system:suite",
                &json!({"kind": "clinic", "name": format!("診療所{mark}"), "block": 1}),
            ),
        };
        request.headers.push((
            "idempotency-key",
            format!("k-{}-{client}-{n}", self.round()),
        ));
        Sent {
            mark,
            request,
            document,
            bad,
            told: Told::Nothing,
            untold: false,
            not_done_at: None,
        }
    }

    /// One client's acts, one after the other, for as long as `on` says; what
    /// it was told each time goes to `on` first. Each that was told is counted.
    pub(crate) fn client(
        &self,
        socket: &Path,
        client: u32,
        told: &AtomicU32,
        mut on: impl FnMut(&mut Sent) -> bool,
    ) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut participant = None;
        let mut draw = u64::from(client) * 7 + u64::from(self.round()) * 3;
        loop {
            draw = draw
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut act = self.make(client, draw >> 33, participant);
            act.ask(socket);
            let go_on = on(&mut act);
            if let Told::Done(answer) = &act.told
                && let Some(number) = answer.json()["number"].as_u64()
            {
                participant = Some(number);
            }
            if act.sequence().is_some() {
                told.fetch_add(1, Ordering::SeqCst);
            }
            sent.push(act);
            if !go_on {
                return sent;
            }
        }
    }
}

/// Several clients at once, each in a thread of its own.
pub(crate) struct Crowd {
    threads: Vec<std::thread::JoinHandle<Vec<Sent>>>,
    /// How many acts were answered.
    pub(crate) told: Arc<AtomicU32>,
    /// Says that it is enough.
    pub(crate) enough: Arc<AtomicBool>,
    /// Longest that an act went without its answer.
    pub(crate) patience: Arc<Mutex<Duration>>,
}

impl Crowd {
    /// Each ends with the center that it speaks to.
    pub(crate) fn until_it_is_gone(acts: &Arc<Acts>, clients: u32, socket: &Path) -> Self {
        Self::of(acts, clients, socket, |_, _, act| act.told != Told::Nothing)
    }

    /// Each asks again, under the same key, until it is told; and ends when it is
    /// enough.
    pub(crate) fn that_insist(acts: &Arc<Acts>, clients: u32, socket: &Path) -> Self {
        Self::of(acts, clients, socket, |socket, crowd, act| {
            let begun = std::time::Instant::now();
            while act.sequence().is_none() {
                assert!(begun.elapsed() < crate::house::DEADLINE, "{act:?}");
                std::thread::sleep(Duration::from_millis(5));
                act.ask(socket);
            }
            let mut patience = crowd.1.lock().unwrap();
            *patience = begun.elapsed().max(*patience);
            !crowd.0.load(Ordering::SeqCst)
        })
    }

    fn of(
        acts: &Arc<Acts>,
        clients: u32,
        socket: &Path,
        on: fn(&Path, (&AtomicBool, &Mutex<Duration>), &mut Sent) -> bool,
    ) -> Self {
        let told = Arc::new(AtomicU32::new(0));
        let enough = Arc::new(AtomicBool::new(false));
        let patience = Arc::new(Mutex::new(Duration::ZERO));
        let threads = (0..clients)
            .map(|client| {
                let (acts, told) = (Arc::clone(acts), Arc::clone(&told));
                let (enough, patience) = (Arc::clone(&enough), Arc::clone(&patience));
                let socket: PathBuf = socket.to_owned();
                std::thread::spawn(move || {
                    acts.client(&socket, client, &told, |act| {
                        on(&socket, (&enough, &patience), act)
                    })
                })
            })
            .collect();
        Self {
            threads,
            told,
            enough,
            patience,
        }
    }

    /// Waits until so many more acts were answered.
    pub(crate) fn hear(&self, more: u32) {
        let wanted = self.told.load(Ordering::SeqCst) + more;
        let begun = std::time::Instant::now();
        while self.told.load(Ordering::SeqCst) < wanted {
            assert!(
                begun.elapsed() < crate::house::DEADLINE,
                "no act is answered any more"
            );
            assert!(
                !self
                    .threads
                    .iter()
                    .any(std::thread::JoinHandle::is_finished),
                "a client has ended"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// All that they asked for.
    pub(crate) fn end(self) -> Vec<Sent> {
        self.enough.store(true, Ordering::SeqCst);
        let mut sent = Vec::new();
        for thread in self.threads {
            sent.extend(thread.join().unwrap());
        }
        sent
    }
}
