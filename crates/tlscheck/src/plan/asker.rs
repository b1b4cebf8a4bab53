//! Asks one question after the other, and notes what every answer tells besides.

use super::{Line, Order, Stop};
use crate::crypto::agree::Share;
use crate::group::Group;
use crate::report::KeyExchangeSeen;
use crate::scheme::Scheme;
use crate::suite::Suite;
use crate::talk::Refusal;
use crate::talk::carried::{Carried, Then};
use crate::talk::flight::{Answer, FirstFlight, Flight};
use crate::talk::full12::Full12;
use crate::talk::full13::Full13;
use crate::version::Version;
use crate::wire::client_hello::ClientHello;
use crate::wire::key_exchange::{Parameters, bits};
use crate::wire::record::Message;
use crate::wire::server::CertificateRequest;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// What the first flights told besides what was asked.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) chains: Vec<Vec<Vec<u8>>>,
    pub(super) key_exchange: KeyExchangeSeen,
    /// By version, whether a client certificate was asked for.
    pub(super) requests: Vec<(Version, Option<CertificateRequest>)>,
    pub(super) without_rfc5746: bool,
    pub(super) without_extended_master_secret: bool,
    /// It gives sessions a number that could be resumed.
    pub(super) numbers_sessions: bool,
    /// It says that it will hand out tickets.
    pub(super) promises_tickets: bool,
}

/// Most different chains that are kept; a server has one, or one per kind of key.
const CHAINS_MAX: usize = 8;

pub(super) struct Asker<'a, L> {
    line: &'a mut L,
    pub(super) order: &'a Order<'a>,
    rng: StdRng,
    /// A hello that was answered.
    answered: Option<ClientHello>,
    pub(super) notes: Notes,
    /// Offered in the hellos of TLS 1.2 and older; narrowed to what is taken.
    pub(super) suites: Vec<Suite>,
}

impl<'a, L: Line> Asker<'a, L> {
    pub(super) fn new(line: &'a mut L, order: &'a Order<'a>) -> Self {
        Self {
            line,
            order,
            rng: StdRng::from_seed(order.seed),
            answered: None,
            notes: Notes::default(),
            suites: Vec::new(),
        }
    }

    fn fresh(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        self.rng.fill_bytes(&mut octets);
        octets
    }

    /// An ordinary hello in that version, with the suites known to be taken.
    pub(super) fn hello(&mut self, version: Version) -> ClientHello {
        let mut hello = ClientHello {
            legacy_version: version.min(Version::Tls12).code(),
            random: self.fresh(),
            suites: self.suites.clone(),
            server_name: self.order.server_name.map(str::to_owned),
            schemes: Scheme::all().collect(),
            ..ClientHello::default()
        };
        hello
            .suites
            .retain(|suite| !suite.is_tls13() && suite.oldest_version() <= version);
        match version {
            Version::Tls13 => {
                hello.session_id = self.fresh().to_vec();
                hello.suites = Suite::tls13();
                hello.versions = vec![Version::Tls13];
                hello.groups = Group::all().collect();
                hello.key_shares = Some(Vec::new());
                hello.psk_modes = true;
            }
            // A hello of SSL 3.0 has no extensions.
            Version::Ssl3 => {}
            _ => {
                hello.groups = Group::curves().collect();
                hello.extended_master_secret = true;
                hello.renegotiation = Some(Vec::new());
                hello.ticket = Some(Vec::new());
            }
        }
        hello
    }

    /// Sends a hello; whatever comes is an answer.
    pub(super) async fn ask(&mut self, hello: &ClientHello) -> Result<Answer, Stop> {
        let answer = self.ask_aside(hello).await?;
        if let Answer::Flight(flight) = &answer {
            self.note(flight, hello);
            self.answered = Some(hello.clone());
        }
        Ok(answer)
    }

    /// As [`Self::ask`], and makes sure that a connection that merely fell is
    /// not taken for a refusal.
    pub(super) async fn ask_surely(&mut self, hello: &ClientHello) -> Result<Answer, Stop> {
        let answer = self.ask(hello).await?;
        if let Answer::Refused(refusal) = &answer
            && !refusal.is_certain()
        {
            self.confirm().await?;
        }
        Ok(answer)
    }

    /// As [`Self::ask`], but nothing is noted.
    pub(super) async fn ask_aside(&mut self, hello: &ClientHello) -> Result<Answer, Stop> {
        let mut talk = FirstFlight::new(hello);
        self.line.hold(&mut talk).await?;
        Ok(talk.answer())
    }

    /// Sends a message that is already whole; nothing is noted.
    pub(super) async fn ask_message(&mut self, message: &Message) -> Result<Answer, Stop> {
        let mut talk = FirstFlight::with_message(message, Version::Tls12.code());
        self.line.hold(&mut talk).await?;
        Ok(talk.answer())
    }

    /// Whether the server still answers what it answered before.
    pub(super) async fn confirm(&mut self) -> Result<(), Stop> {
        let Some(mut hello) = self.answered.clone() else {
            return Ok(());
        };
        hello.random = self.fresh();
        match self.ask_aside(&hello).await? {
            Answer::Flight(_) => Ok(()),
            Answer::Refused(refusal) => Err(Stop::WentQuiet(refusal)),
        }
    }

    /// Carries a handshake of TLS 1.2 to its end.
    pub(super) async fn carry12(
        &mut self,
        hello: ClientHello,
        certified: bool,
        then: Then,
    ) -> Result<Carried, Stop> {
        let own = self.order.own.filter(|_| certified).cloned();
        let exponent = self.fresh();
        let mut talk = Full12::new(hello, own, then, exponent);
        self.line.hold(&mut talk).await?;
        self.look(talk.carried()).await
    }

    /// Carries a handshake of TLS 1.3 to its end.
    pub(super) async fn carry13(
        &mut self,
        hello: ClientHello,
        certified: bool,
        then: Then,
    ) -> Result<Carried, Stop> {
        let own = self.order.own.filter(|_| certified).cloned();
        let shares = [Group::P256, Group::X25519]
            .into_iter()
            .filter(|group| hello.groups.contains(group))
            .filter_map(Share::generate)
            .collect();
        let mut talk = Full13::new(hello, shares, own, then);
        self.line.hold(&mut talk).await?;
        let carried = self.look(talk.carried()).await?;
        if let Some(flight) = &carried.flight
            && goes_beyond_hello(flight)
        {
            self.notes.keep_chain(&flight.chain);
        }
        Ok(carried)
    }

    /// A handshake that fell before the server said anything is looked at twice.
    async fn look(&mut self, carried: Carried) -> Result<Carried, Stop> {
        if carried.flight.is_none()
            && let Some(refusal) = &carried.refused
            && !refusal.is_certain()
        {
            self.confirm().await?;
        }
        Ok(carried)
    }

    pub(super) fn fresh_session_id(&mut self) -> Vec<u8> {
        self.fresh().to_vec()
    }

    fn note(&mut self, flight: &Flight, hello: &ClientHello) {
        let Some(version) = flight.version() else {
            return;
        };
        let notes = &mut self.notes;
        notes.keep_chain(&flight.chain);
        if version == Version::Tls13 {
            return;
        }
        notes.without_rfc5746 |= flight.hello.renegotiation.is_none();
        notes.without_extended_master_secret |= !flight.hello.extended_master_secret;
        if version == Version::Tls12 {
            notes.numbers_sessions |= !flight.hello.session_id.is_empty()
                // An echo of ours is no number of theirs.
                && flight.hello.session_id != hello.session_id;
            notes.promises_tickets |= flight.hello.ticket;
        }
        if flight.complete && !flight.resumed {
            match notes
                .requests
                .iter_mut()
                .find(|(which, _)| *which == version)
            {
                None => notes.requests.push((version, flight.request.clone())),
                // Asked for with one suite and not with another: not asked for.
                Some((_, request)) if flight.request.is_none() => *request = None,
                Some(_) => {}
            }
        }
        let Some(exchange) = &flight.key_exchange else {
            return;
        };
        let seen = &mut notes.key_exchange;
        match &exchange.parameters {
            Parameters::ExplicitCurve => seen.explicit_curve = true,
            Parameters::Curve { .. } => {}
            Parameters::Field { prime, .. } => {
                let bits = u32::try_from(bits(prime)).unwrap_or(u32::MAX);
                if !seen.dhe_bits.contains(&bits) {
                    seen.dhe_bits.push(bits);
                    seen.dhe_bits.sort_unstable();
                }
            }
        }
        if let Some(scheme) = exchange.scheme
            && !seen.schemes.contains(&scheme)
        {
            seen.schemes.push(scheme);
        }
    }
}

impl Notes {
    fn keep_chain(&mut self, chain: &[Vec<u8>]) {
        let known = |kept: &Vec<Vec<u8>>| kept.first() == chain.first();
        if !chain.is_empty() && self.chains.len() < CHAINS_MAX && !self.chains.iter().any(known) {
            self.chains.push(chain.to_vec());
        }
    }
}

fn goes_beyond_hello(flight: &Flight) -> bool {
    !flight.chain.is_empty()
}

/// Whether a refusal leaves open what the server meant.
pub(super) fn unreadable(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Malformed(_) | Refusal::NotTls(_))
}
