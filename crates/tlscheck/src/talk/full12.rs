//! A whole handshake of TLS 1.2 (RFC 5246), with or without a certificate of
//! ours, and what comes after it.

use super::after::Hearing;
use super::carried::{After, Carried, Then, Ticket};
use super::flight::{FlightReader, hello_record, read_alert, refusal};
use super::{Conversation, Ending, Refusal, Wait, plain_farewell};
use crate::crypto::agree::{Share, agree_in_field};
use crate::crypto::protect::Protection;
use crate::crypto::sign::OwnIdentity;
use crate::crypto::tls12::{End, Master};
use crate::crypto::verify::verify;
use crate::crypto::{Cipher, Failed};
use crate::version::Version;
use crate::wire::client_hello::ClientHello;
use crate::wire::codec::{Reader, put_vec, put16};
use crate::wire::key_exchange::{Parameters, ServerKeyExchange};
use crate::wire::record::{ContentType, Message, Messages, Record, Records, put_record};
use crate::wire::{Alert, Malformed, message as kind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Reading the server's flight.
    Flight,
    /// Ours is sent; the server's "finished" is due.
    Finishing,
    Stands,
    Over,
}

/// The conversation.
#[derive(Debug)]
pub(crate) struct Full12 {
    hello: ClientHello,
    own: Option<OwnIdentity>,
    then: Then,
    exponent: [u8; 32],
    state: State,
    records: Records,
    messages: Messages,
    reader: FlightReader,
    transcript: Vec<u8>,
    master: Option<Master>,
    write: Option<Protection>,
    /// Made with the keys, used once the server changes its cipher.
    read_next: Option<Protection>,
    read: Option<Protection>,
    /// What our "finished" said, which a second handshake refers to.
    our_finished: Vec<u8>,
    hearing: Hearing,
    carried: Carried,
}

impl Full12 {
    /// `exponent` is used when a finite field is agreed on.
    pub(crate) fn new(
        hello: ClientHello,
        own: Option<OwnIdentity>,
        then: Then,
        exponent: [u8; 32],
    ) -> Self {
        Self {
            hello,
            own,
            then,
            exponent,
            state: State::Flight,
            records: Records::default(),
            messages: Messages::default(),
            reader: FlightReader::default(),
            transcript: Vec::new(),
            master: None,
            write: None,
            read_next: None,
            read: None,
            our_finished: Vec::new(),
            hearing: Hearing::default(),
            carried: Carried::new(),
        }
    }

    /// What came of it, once it is over.
    pub(crate) fn carried(self) -> Carried {
        self.carried
    }

    fn fail(&mut self, refusal: Refusal) {
        if self.state != State::Over {
            if self.carried.flight.is_none() {
                self.carried.flight = self.reader.finish();
            }
            self.carried.refused = Some(refusal);
            self.state = State::Over;
        }
    }

    fn take(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if record.content == ContentType::ChangeCipherSpec {
            if self.state != State::Finishing || self.read.is_some() {
                return Err(malformed("a change of cipher out of turn"));
            }
            self.read = self.read_next.take();
            return Ok(());
        }
        let opened = match &mut self.read {
            Some(protection) => {
                let (_, body) = protection
                    .open(record.content, &record.body)
                    .map_err(|_| malformed("a record that cannot be decrypted"))?;
                body
            }
            None => record.body.clone(),
        };
        match (record.content, self.state) {
            (ContentType::Handshake, _) => {
                self.messages.push(&opened);
                loop {
                    let next = self.messages.next();
                    match next.map_err(|error| malformed(error.what))? {
                        Some(message) if self.state != State::Over => {
                            self.message(&message, out)?;
                        }
                        _ => break,
                    }
                }
            }
            (content, State::Stands) => {
                self.hearing.take(content, &opened, &mut self.carried);
                if self.hearing.is_over() {
                    self.state = State::Over;
                }
            }
            (ContentType::Alert, _) => {
                let alert = read_alert(&opened)?;
                self.reader.warn(alert);
            }
            _ => return Err(malformed("data before the handshake stands")),
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self.state {
            State::Flight => {
                if message.kind != kind::HELLO_REQUEST {
                    self.transcript.extend_from_slice(&message.whole);
                }
                let complete = self.reader.take(message).map_err(broken)?;
                if complete {
                    let flight = self.reader.finish();
                    self.carried.flight = flight;
                    self.answer(out)?;
                }
            }
            State::Finishing => match message.kind {
                kind::NEW_SESSION_TICKET => {
                    self.transcript.extend_from_slice(&message.whole);
                    let mut reader = Reader::new(message.body(), "the ticket");
                    let read = |reader: &mut Reader<'_>| {
                        Ok::<_, Malformed>((reader.u32()?, reader.vec16()?.to_vec()))
                    };
                    let (lifetime_s, ticket) = read(&mut reader).map_err(broken)?;
                    if !ticket.is_empty() {
                        self.carried.tickets.push(Ticket {
                            lifetime_s,
                            age_add: 0,
                            nonce: Vec::new(),
                            ticket,
                        });
                    }
                }
                kind::FINISHED if self.read.is_some() => self.finish(message, out)?,
                _ => return Err(malformed("a message out of turn")),
            },
            State::Stands => {
                if message.kind == kind::SERVER_HELLO {
                    self.hearing.decide(After::Renegotiates, &mut self.carried);
                    self.state = State::Over;
                }
                // A request of the server's for a second handshake is not ours
                // to follow.
            }
            State::Over => {}
        }
        Ok(())
    }

    /// Our second flight.
    fn answer(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let flight = self
            .carried
            .flight
            .clone()
            .ok_or_else(|| malformed("the server's flight"))?;
        let hello = &flight.hello;
        if hello.version != Some(Version::Tls12) || flight.resumed {
            return Err(malformed("another version or session than asked for"));
        }
        let cipher = Cipher::of(hello.suite)
            .filter(|_| !hello.suite.is_tls13())
            .ok_or_else(|| malformed("a suite that was not offered"))?;
        let exchange = flight
            .key_exchange
            .as_ref()
            .ok_or_else(|| malformed("no key exchange where one is due"))?;
        self.carried.key_proved = self.proves(&flight.chain, exchange, &hello.random);
        let (ours, agreed) = self.agree(exchange)?;

        if flight.request.is_some() {
            let mut list = Vec::new();
            for certificate in self.own.iter().flat_map(OwnIdentity::chain) {
                put_vec(&mut list, 3, certificate);
            }
            let mut body = Vec::new();
            put_vec(&mut body, 3, &list);
            self.say(kind::CERTIFICATE, &body, out);
        }
        self.say(kind::CLIENT_KEY_EXCHANGE, &ours, out);
        let (client, server) = (self.hello.random, hello.random);
        let master = if hello.extended_master_secret {
            Master::derive_extended(cipher.hash, &agreed, &self.transcript)
        } else {
            Master::derive(cipher.hash, &agreed, &client, &server)
        }
        .map_err(failed)?;
        if let (Some(request), Some(own)) = (&flight.request, self.own.clone()) {
            let common = |scheme: &&_| request.schemes.contains(scheme);
            let scheme = own.schemes().iter().find(common).copied().ok_or_else(|| {
                malformed("it asks for a signature that the client key cannot make")
            })?;
            let signed = own.sign(scheme, &self.transcript).map_err(failed)?;
            let mut body = Vec::new();
            put16(&mut body, scheme.0);
            put_vec(&mut body, 2, &signed);
            self.say(kind::CERTIFICATE_VERIFY, &body, out);
        }
        let (mut write, read) = master
            .protections(cipher, &client, &server)
            .map_err(failed)?;
        put_record(
            out,
            ContentType::ChangeCipherSpec,
            Version::Tls12.code(),
            &[1],
        );
        self.our_finished = master
            .finished(End::Client, &self.transcript)
            .map_err(failed)?;
        let message = Message::build(kind::FINISHED, &self.our_finished);
        self.transcript.extend_from_slice(&message.whole);
        write
            .seal(ContentType::Handshake, &message.whole, out)
            .map_err(failed)?;
        self.master = Some(master);
        self.write = Some(write);
        self.read_next = Some(read);
        self.state = State::Finishing;
        self.carried.answered = true;
        Ok(())
    }

    /// Whether the server signed its share with its certificate's key.
    fn proves(
        &self,
        chain: &[Vec<u8>],
        exchange: &ServerKeyExchange,
        server_random: &[u8; 32],
    ) -> Option<bool> {
        let signed = [
            &self.hello.random[..],
            &server_random[..],
            &exchange.signed[..],
        ]
        .concat();
        match verify(
            chain.first()?,
            exchange.scheme?,
            &signed,
            &exchange.signature,
        ) {
            Ok(Some(())) => Some(true),
            Ok(None) => None,
            Err(_) => Some(false),
        }
    }

    /// The body of our key exchange, and what is agreed.
    fn agree(&self, exchange: &ServerKeyExchange) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let mut body = Vec::new();
        match &exchange.parameters {
            Parameters::Curve { group, point } => {
                let share = Share::generate(*group)
                    .filter(|_| self.hello.groups.contains(group))
                    .ok_or_else(|| malformed("a curve that was not offered"))?;
                put_vec(&mut body, 1, share.public());
                Ok((body, share.agree(point).map_err(failed)?))
            }
            Parameters::Field {
                prime,
                generator,
                public,
            } => {
                let (ours, agreed) = agree_in_field(prime, generator, public, &self.exponent)
                    .map_err(|_| malformed("a finite field that cannot be used"))?;
                put_vec(&mut body, 2, &ours);
                Ok((body, agreed))
            }
            Parameters::ExplicitCurve => Err(malformed("a curve described by numbers")),
        }
    }

    fn say(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) {
        let message = Message::build(kind, body);
        self.transcript.extend_from_slice(&message.whole);
        put_record(
            out,
            ContentType::Handshake,
            Version::Tls12.code(),
            &message.whole,
        );
    }

    fn finish(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let right = self
            .master
            .as_ref()
            .ok_or(Failed)
            .and_then(|master| master.finished(End::Server, &self.transcript))
            .map_err(failed)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&right, message.body())
            .map_err(|_| malformed("its \"finished\" is wrong"))?;
        self.state = State::Stands;
        match self.then.clone() {
            Then::Wait => {}
            Then::Leave => self.state = State::Over,
            Then::Ask(request) => self.write(ContentType::Application, &request, out)?,
            Then::Renegotiate => {
                let mut hello = self.hello.clone();
                hello.renegotiation = Some(self.our_finished.clone());
                hello.session_id = Vec::new();
                hello.ticket = None;
                self.write(ContentType::Handshake, &hello.message().whole, out)?;
            }
        }
        Ok(())
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

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(what.to_owned())
}

fn broken(error: Malformed) -> Refusal {
    Refusal::Malformed(error.to_string())
}

fn failed(error: Failed) -> Refusal {
    Refusal::Malformed(error.to_string())
}

impl Conversation for Full12 {
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
                    // After the handshake, nonsense ends the connection.
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
            (State::Stands, Then::Wait) => Wait::Settle,
            _ => Wait::Answer,
        }
    }

    fn farewell(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let alert = [1, Alert::CLOSE_NOTIFY.0];
        if self.write.is_none() {
            return plain_farewell();
        }
        let sealed = self.write(ContentType::Alert, &alert, &mut out);
        if sealed.is_err() {
            out.clear();
        }
        out
    }
}
