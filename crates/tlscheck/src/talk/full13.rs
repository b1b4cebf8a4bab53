//! A whole handshake of TLS 1.3 (RFC 8446), with or without a certificate of
//! ours, and what comes after it.

use super::after::Hearing;
use super::carried::{Carried, Then, Ticket};
use super::flight::{Flight, hello_record, read_alert, refusal};
use super::{Conversation, Ending, Refusal, Wait, plain_farewell};
use crate::crypto::agree::Share;
use crate::crypto::protect::Protection;
use crate::crypto::schedule::{Epoch, Traffic};
use crate::crypto::sign::OwnIdentity;
use crate::crypto::tls12::End;
use crate::crypto::verify::verify;
use crate::crypto::{Cipher, Failed};
use crate::version::Version;
use crate::wire::client_hello::ClientHello;
use crate::wire::codec::{Reader, put_vec, put16};
use crate::wire::record::{ContentType, Message, Messages, Record, Records, put_record};
use crate::wire::server::{CertificateRequest, ServerHello, read_chain13};
use crate::wire::{Alert, Malformed, message as kind};

/// Most tickets that are kept of one connection.
const TICKETS_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The server's hello is due.
    Hello,
    /// Its protected flight is due.
    Flight,
    Stands,
    Over,
}

/// The conversation.
#[derive(Debug)]
pub(crate) struct Full13 {
    hello: ClientHello,
    shares: Vec<Share>,
    own: Option<OwnIdentity>,
    then: Then,
    state: State,
    retried: bool,
    records: Records,
    messages: Messages,
    transcript: Vec<u8>,
    cipher: Option<Cipher>,
    epoch: Option<Epoch>,
    client_traffic: Option<Traffic>,
    server_traffic: Option<Traffic>,
    read: Option<Protection>,
    write: Option<Protection>,
    flight: Option<Flight>,
    hearing: Hearing,
    carried: Carried,
}

impl Full13 {
    /// `hello` needs no key shares; they are made here, one for each of
    /// `shares`.
    pub(crate) fn new(
        mut hello: ClientHello,
        shares: Vec<Share>,
        own: Option<OwnIdentity>,
        then: Then,
    ) -> Self {
        hello.key_shares = Some(
            shares
                .iter()
                .map(|share| (share.group(), share.public().to_vec()))
                .collect(),
        );
        Self {
            hello,
            shares,
            own,
            then,
            state: State::Hello,
            retried: false,
            records: Records::default(),
            messages: Messages::default(),
            transcript: Vec::new(),
            cipher: None,
            epoch: None,
            client_traffic: None,
            server_traffic: None,
            read: None,
            write: None,
            flight: None,
            hearing: Hearing::default(),
            carried: Carried::new(),
        }
    }

    /// What came of it, once it is over.
    pub(crate) fn carried(mut self) -> Carried {
        self.carried.flight = self.flight;
        self.carried
    }

    fn fail(&mut self, refusal: Refusal) {
        if self.state != State::Over {
            self.carried.refused = Some(refusal);
            self.state = State::Over;
        }
    }

    fn take(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let (content, body) = match (&mut self.read, record.content) {
            // Sent for the sake of devices in between, and means nothing.
            (_, ContentType::ChangeCipherSpec) if self.state != State::Stands => return Ok(()),
            (Some(protection), ContentType::Application) => protection
                .open(record.content, &record.body)
                .map_err(|_| malformed("a record that cannot be decrypted"))?,
            (None, ContentType::Application) => {
                return Err(malformed("protected data before any key"));
            }
            (_, content) => (content, record.body.clone()),
        };
        match (content, self.state) {
            (ContentType::Handshake, _) => {
                self.messages.push(&body);
                loop {
                    match self.messages.next().map_err(broken)? {
                        Some(message) if self.state != State::Over => {
                            self.message(&message, out)?;
                        }
                        _ => break,
                    }
                }
            }
            (content, State::Stands) => {
                self.hearing.take(content, &body, &mut self.carried);
                if self.hearing.is_over() {
                    self.state = State::Over;
                }
            }
            (ContentType::Alert, _) => {
                read_alert(&body)?;
            }
            _ => return Err(malformed("data before the handshake stands")),
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match (self.state, message.kind) {
            (State::Hello, kind::SERVER_HELLO) => {
                let hello = ServerHello::read(message.body()).map_err(broken)?;
                if hello.version != Some(Version::Tls13) {
                    self.flight = Some(Flight::begun(hello));
                    return Err(malformed("another version than asked for"));
                }
                if hello.is_retry() {
                    self.retry(&hello, message, out)
                } else {
                    self.keys(hello, message)
                }
            }
            (State::Flight, kind::FINISHED) => self.finish(message, out),
            (State::Flight, which) => {
                let said_before = self.transcript.len();
                self.transcript.extend_from_slice(&message.whole);
                let flight = self
                    .flight
                    .as_mut()
                    .ok_or_else(|| malformed("the order of the server's messages"))?;
                match which {
                    kind::ENCRYPTED_EXTENSIONS => {}
                    kind::CERTIFICATE_REQUEST => {
                        flight.request =
                            Some(CertificateRequest::read13(message.body()).map_err(broken)?);
                    }
                    kind::CERTIFICATE => {
                        flight.chain = read_chain13(message.body()).map_err(broken)?;
                    }
                    kind::CERTIFICATE_VERIFY => {
                        let said = self.transcript.get(..said_before).unwrap_or_default();
                        let proved = proves(self.cipher, flight, said, message.body());
                        self.carried.key_proved = proved.map_err(broken)?;
                    }
                    _ => return Err(malformed("a message out of turn")),
                }
                Ok(())
            }
            (State::Stands, kind::NEW_SESSION_TICKET) => {
                let ticket = read_ticket(message.body()).map_err(broken)?;
                if self.carried.tickets.len() < TICKETS_MAX {
                    self.carried.tickets.push(ticket);
                }
                Ok(())
            }
            // New keys or another demand: nothing that is asked about here.
            (State::Stands, _) => Ok(()),
            _ => Err(malformed("a message out of turn")),
        }
    }

    /// The server wants another group or its cookie back (section 4.1.4).
    fn retry(
        &mut self,
        hello: &ServerHello,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if self.retried {
            return Err(malformed("a second request to retry"));
        }
        self.retried = true;
        let cipher = Cipher::of(hello.suite)
            .filter(|_| hello.suite.is_tls13())
            .ok_or_else(|| malformed("a suite that was not offered"))?;
        if let Some((group, _)) = hello.key_share {
            let share = Share::generate(group)
                .filter(|_| self.hello.groups.contains(&group))
                .ok_or_else(|| malformed("a group that was not offered"))?;
            self.hello.key_shares = Some(vec![(group, share.public().to_vec())]);
            self.shares = vec![share];
        }
        self.hello.cookie.clone_from(&hello.cookie);
        let stand_in = Message::build(kind::MESSAGE_HASH, &cipher.hash.of(&self.transcript));
        self.transcript = stand_in.whole;
        self.transcript.extend_from_slice(&message.whole);
        let again = self.hello.message();
        self.transcript.extend_from_slice(&again.whole);
        put_record(
            out,
            ContentType::Handshake,
            Version::Tls12.code(),
            &again.whole,
        );
        Ok(())
    }

    fn keys(&mut self, hello: ServerHello, message: &Message) -> Result<(), Refusal> {
        let cipher = Cipher::of(hello.suite).filter(|_| hello.suite.is_tls13());
        let key_share = hello.key_share.clone();
        self.flight = Some(Flight::begun(hello));
        let cipher = cipher.ok_or_else(|| malformed("a suite that was not offered"))?;
        let (group, theirs) = key_share.ok_or_else(|| malformed("no key share"))?;
        let place = self.shares.iter().position(|share| share.group() == group);
        let share = place
            .map(|place| self.shares.swap_remove(place))
            .ok_or_else(|| malformed("a group for which no share was sent"))?;
        let agreed = share.agree(&theirs).map_err(failed)?;
        self.transcript.extend_from_slice(&message.whole);
        let epoch = Epoch::handshake(cipher, &agreed).map_err(failed)?;
        let traffic = |end| epoch.handshake_traffic(end, &self.transcript);
        let (client, server) = (
            traffic(End::Client).map_err(failed)?,
            traffic(End::Server).map_err(failed)?,
        );
        self.read = Some(server.protection().map_err(failed)?);
        self.write = Some(client.protection().map_err(failed)?);
        self.client_traffic = Some(client);
        self.server_traffic = Some(server);
        self.epoch = Some(epoch);
        self.cipher = Some(cipher);
        self.state = State::Flight;
        Ok(())
    }

    fn finish(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let missing = || malformed("the order of the server's messages");
        let server = self.server_traffic.take().ok_or_else(missing)?;
        let client = self.client_traffic.take().ok_or_else(missing)?;
        let handshake = self.epoch.take().ok_or_else(missing)?;
        let cipher = self.cipher.ok_or_else(missing)?;
        if !server.is_finished(&self.transcript, message.body()) {
            return Err(malformed("its \"finished\" is wrong"));
        }
        self.transcript.extend_from_slice(&message.whole);
        if let Some(flight) = &mut self.flight {
            flight.complete = true;
        }
        let epoch = handshake.application().map_err(failed)?;
        let traffic = |end| {
            epoch
                .application_traffic(end, &self.transcript)
                .and_then(|traffic| traffic.protection())
                .map_err(failed)
        };
        let (next_write, next_read) = (traffic(End::Client)?, traffic(End::Server)?);

        put_record(
            out,
            ContentType::ChangeCipherSpec,
            Version::Tls12.code(),
            &[1],
        );
        self.certify(out)?;
        let finished = client.finished(&self.transcript).map_err(failed)?;
        self.say(kind::FINISHED, &finished, out)?;
        let resumption = epoch.resumption(&self.transcript).map_err(failed)?;
        self.carried.resumption = Some((cipher, resumption));
        self.carried.answered = true;
        self.read = Some(next_read);
        self.write = Some(next_write);
        self.state = State::Stands;
        if let Then::Ask(request) = self.then.clone() {
            self.write(ContentType::Application, &request, out)?;
        }
        Ok(())
    }

    /// Our certificate, when one is asked for: empty when we have none.
    fn certify(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let asked = self
            .flight
            .as_ref()
            .and_then(|flight| flight.request.clone());
        let Some(request) = asked else { return Ok(()) };
        let own = self.own.clone();
        let mut list = Vec::new();
        for certificate in own.iter().flat_map(OwnIdentity::chain) {
            put_vec(&mut list, 3, certificate);
            put16(&mut list, 0);
        }
        let mut body = Vec::new();
        put_vec(&mut body, 1, &request.context);
        put_vec(&mut body, 3, &list);
        self.say(kind::CERTIFICATE, &body, out)?;
        let Some(own) = own else { return Ok(()) };
        let fits = |scheme: &&crate::scheme::Scheme| {
            // PKCS#1 v1.5 signs no handshake of TLS 1.3.
            scheme.0 & 0xFF != 1 && request.schemes.contains(scheme)
        };
        let scheme =
            own.schemes().iter().find(fits).copied().ok_or_else(|| {
                malformed("it asks for a signature that the client key cannot make")
            })?;
        let cipher = self.cipher.ok_or_else(|| malformed("no suite"))?;
        let signed = signed_content(End::Client, cipher, &self.transcript);
        let signature = own.sign(scheme, &signed).map_err(failed)?;
        let mut body = Vec::new();
        put16(&mut body, scheme.0);
        put_vec(&mut body, 2, &signature);
        self.say(kind::CERTIFICATE_VERIFY, &body, out)
    }

    fn say(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let message = Message::build(kind, body);
        self.transcript.extend_from_slice(&message.whole);
        self.write(ContentType::Handshake, &message.whole, out)
    }

    fn write(
        &mut self,
        content: ContentType,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match &mut self.write {
            Some(write) => write.seal(content, body, out).map_err(failed),
            None => Ok(()),
        }
    }
}

/// What a "certificate verify" signs (RFC 8446 section 4.4.3).
pub(crate) fn signed_content(end: End, cipher: Cipher, transcript: &[u8]) -> Vec<u8> {
    let context: &[u8] = match end {
        End::Client => b"TLS 1.3, client CertificateVerify",
        End::Server => b"TLS 1.3, server CertificateVerify",
    };
    let mut content = vec![0x20; 64];
    content.extend_from_slice(context);
    content.push(0);
    content.extend(cipher.hash.of(transcript));
    content
}

fn proves(
    cipher: Option<Cipher>,
    flight: &mut Flight,
    transcript: &[u8],
    body: &[u8],
) -> Result<Option<bool>, Malformed> {
    let mut reader = Reader::new(body, "the server's signature");
    let scheme = crate::scheme::Scheme(reader.u16()?);
    let signature = reader.vec16()?;
    let (Some(cipher), Some(leaf)) = (cipher, flight.chain.first()) else {
        return Ok(None);
    };
    let signed = signed_content(End::Server, cipher, transcript);
    Ok(match verify(leaf, scheme, &signed, signature) {
        Ok(Some(())) => Some(true),
        Ok(None) => None,
        Err(_) => Some(false),
    })
}

fn read_ticket(body: &[u8]) -> Result<Ticket, Malformed> {
    let mut reader = Reader::new(body, "the ticket");
    Ok(Ticket {
        lifetime_s: reader.u32()?,
        age_add: reader.u32()?,
        nonce: reader.vec8()?.to_vec(),
        ticket: reader.vec16()?.to_vec(),
    })
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(what.to_owned())
}

fn broken(error: Malformed) -> Refusal {
    Refusal::Malformed(error.to_string())
}

fn failed(error: Failed) -> Refusal {
    Refusal::Malformed(error.to_string())
}

impl Conversation for Full13 {
    fn start(&mut self) -> Vec<u8> {
        let message = self.hello.message();
        self.transcript = message.whole.clone();
        hello_record(&message, self.hello.legacy_version)
    }

    fn receive(&mut self, octets: &[u8]) -> Vec<u8> {
        self.records.push(octets);
        let mut out = Vec::new();
        while self.state != State::Over {
            let taken = match self.records.next() {
                Ok(Some(record)) => self.take(&record, &mut out),
                Ok(None) => break,
                Err(error) => Err(refusal(&error)),
            };
            match taken {
                Ok(()) => {}
                Err(_) if self.state == State::Stands => {
                    self.hearing.end(Ending::Broken, &mut self.carried);
                    self.state = State::Over;
                }
                Err(refusal) => self.fail(refusal),
            }
        }
        out
    }

    fn end(&mut self, how: Ending) {
        if self.state == State::Stands {
            self.hearing.end(how, &mut self.carried);
            self.state = State::Over;
        } else {
            self.fail(Refusal::of(how));
        }
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn wait(&self) -> Wait {
        match (self.state, &self.then) {
            (State::Stands, Then::Wait | Then::Renegotiate) => Wait::Settle,
            _ => Wait::Answer,
        }
    }

    fn farewell(&mut self) -> Vec<u8> {
        if self.write.is_none() {
            return plain_farewell();
        }
        let mut out = Vec::new();
        let alert = [1, Alert::CLOSE_NOTIFY.0];
        if self.write(ContentType::Alert, &alert, &mut out).is_err() {
            out.clear();
        }
        out
    }
}
