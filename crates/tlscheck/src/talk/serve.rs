//! The mirror: a client's hello is read and, when we have a certificate of our
//! own, the handshake goes on far enough to see the client's.

use super::flight::{read_alert, refusal};
use super::{Conversation, Ending, Refusal, plain_farewell};
use crate::crypto::agree::{CURVES, Share};
use crate::crypto::protect::Protection;
use crate::crypto::schedule::{Epoch, Traffic};
use crate::crypto::sign::OwnIdentity;
use crate::crypto::tls12::{End, Master};
use crate::crypto::verify::verify;
use crate::crypto::{Cipher, Failed};
use crate::group::Group;
use crate::scheme::Scheme;
use crate::suite::Suite;
use crate::talk::full13::signed_content;
use crate::version::Version;
use crate::wire::client_hello::HelloRead;
use crate::wire::codec::{Reader, put_vec, put16};
use crate::wire::message::extension;
use crate::wire::record::{ContentType, Message, Messages, Record, Records, put_record};
use crate::wire::server::{read_chain, read_chain13};
use crate::wire::{Alert, Malformed, message as kind};

/// What was heard of a client.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) hello: Option<HelloRead>,
    /// The version in which the handshake went on.
    pub(crate) version: Option<Version>,
    /// What it showed; `Some(empty)` when it said that it has none.
    pub(crate) chain: Option<Vec<Vec<u8>>>,
    /// Whether it signed with the key of its certificate; `None` when it did
    /// not sign, or it cannot be checked here.
    pub(crate) proved: Option<bool>,
    /// Why it ended before its end.
    pub(crate) refused: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hello,
    Client12,
    Client13,
    Over,
}

/// The conversation.
#[derive(Debug)]
pub(crate) struct Serve {
    own: Option<OwnIdentity>,
    /// Taken before the other, when the client offers both.
    preferred: Version,
    random: [u8; 32],
    state: State,
    records: Records,
    messages: Messages,
    transcript: Vec<u8>,
    cipher: Option<Cipher>,
    suite: Option<Suite>,
    share: Option<Share>,
    extended: bool,
    master: Option<Master>,
    read_next: Option<Protection>,
    read: Option<Protection>,
    write: Option<Protection>,
    client_traffic: Option<Traffic>,
    heard: Heard,
}

impl Serve {
    pub(crate) fn new(own: Option<OwnIdentity>, preferred: Version, random: [u8; 32]) -> Self {
        Self {
            own,
            preferred,
            random,
            state: State::Hello,
            records: Records::default(),
            messages: Messages::default(),
            transcript: Vec::new(),
            cipher: None,
            suite: None,
            share: None,
            extended: false,
            master: None,
            read_next: None,
            read: None,
            write: None,
            client_traffic: None,
            heard: Heard::default(),
        }
    }

    /// What was heard, once it is over.
    pub(crate) fn heard(self) -> Heard {
        self.heard
    }

    fn fail(&mut self, refusal: Refusal) {
        if self.state != State::Over {
            self.heard.refused = Some(refusal);
            self.state = State::Over;
        }
    }

    fn take(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if record.content == ContentType::ChangeCipherSpec {
            if self.state == State::Client12 {
                self.read = self.read_next.take();
            }
            return Ok(());
        }
        let (content, body) = match &mut self.read {
            // The client's alert may come before it has keys.
            Some(_) if self.state == State::Client13 && record.content == ContentType::Alert => {
                (record.content, record.body.clone())
            }
            Some(protection) => protection
                .open(record.content, &record.body)
                .map_err(|_| malformed("a record that cannot be decrypted"))?,
            None => (record.content, record.body.clone()),
        };
        match content {
            ContentType::Handshake => {
                self.messages.push(&body);
                loop {
                    match self.messages.next().map_err(broken)? {
                        Some(message) if self.state != State::Over => {
                            self.message(&message, out)?;
                        }
                        _ => return Ok(()),
                    }
                }
            }
            ContentType::Alert => read_alert(&body).map(|_| ()),
            _ => Err(malformed("data before the handshake stands")),
        }
    }

    fn message(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let before = self.transcript.len();
        self.transcript.extend_from_slice(&message.whole);
        let said = self.transcript.get(..before).unwrap_or_default().to_vec();
        match (self.state, message.kind) {
            (State::Hello, kind::CLIENT_HELLO) => {
                let hello = HelloRead::read(message.body()).map_err(broken)?;
                self.heard.hello = Some(hello.clone());
                self.answer(&hello, out)
            }
            (State::Client12, kind::CERTIFICATE) => {
                self.heard.chain = Some(read_chain(message.body()).map_err(broken)?);
                Ok(())
            }
            (State::Client13, kind::CERTIFICATE) => {
                self.heard.chain = Some(read_chain13(message.body()).map_err(broken)?);
                Ok(())
            }
            (State::Client12, kind::CLIENT_KEY_EXCHANGE) => self.agree12(message),
            (State::Client12, kind::CERTIFICATE_VERIFY) => self.proof(message, &said),
            (State::Client13, kind::CERTIFICATE_VERIFY) => {
                let cipher = self.cipher.ok_or_else(|| malformed("no suite"))?;
                let signed = signed_content(End::Client, cipher, &said);
                self.proof(message, &signed)
            }
            (State::Client12, kind::FINISHED) if self.read.is_some() => {
                self.finish12(message, &said, out)
            }
            (State::Client13, kind::FINISHED) => {
                let right = self
                    .client_traffic
                    .as_ref()
                    .is_some_and(|traffic| traffic.is_finished(&said, message.body()));
                if right {
                    self.state = State::Over;
                    Ok(())
                } else {
                    Err(malformed("its \"finished\" is wrong"))
                }
            }
            _ => Err(malformed("a message out of turn")),
        }
    }

    /// Our flight, in the version and with the suite that fit.
    fn answer(&mut self, hello: &HelloRead, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some(own) = self.own.clone() else {
            return self.decline(Alert::HANDSHAKE_FAILURE, out);
        };
        let offered = hello.offered_versions();
        let other = if self.preferred == Version::Tls13 {
            Version::Tls12
        } else {
            Version::Tls13
        };
        let version = [self.preferred, other]
            .into_iter()
            .find(|version| offered.contains(version));
        match version {
            Some(Version::Tls13) => self.answer13(hello, &own, out),
            Some(Version::Tls12) => self.answer12(hello, &own, out),
            _ => self.decline(Alert::PROTOCOL_VERSION, out),
        }
    }

    /// Its hello is all that there is to hear.
    fn decline(&mut self, alert: Alert, out: &mut Vec<u8>) -> Result<(), Refusal> {
        put_record(
            out,
            ContentType::Alert,
            Version::Tls12.code(),
            &[2, alert.0],
        );
        self.state = State::Over;
        Ok(())
    }

    fn answer12(
        &mut self,
        hello: &HelloRead,
        own: &OwnIdentity,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let codes: [u16; 3] = if own.is_rsa() {
            [0xC030, 0xC02F, 0xCCA8]
        } else {
            [0xC02C, 0xC02B, 0xCCA9]
        };
        let suite = codes.into_iter().find(|code| hello.suites.contains(code));
        let group = CURVES
            .into_iter()
            .find(|group| hello.groups.contains(&group.0));
        let scheme = own_scheme(own, hello, false);
        let (Some(suite), Some(share), Some(scheme)) =
            (suite.map(Suite), group.and_then(Share::generate), scheme)
        else {
            return self.decline(Alert::HANDSHAKE_FAILURE, out);
        };
        self.heard.version = Some(Version::Tls12);
        self.suite = Some(suite);
        self.cipher = Cipher::of(suite);
        self.extended = hello.extended_master_secret;

        let mut extensions = Vec::new();
        if hello.renegotiation {
            put16(&mut extensions, extension::RENEGOTIATION_INFO);
            put_vec(&mut extensions, 2, &[0]);
        }
        if self.extended {
            put16(&mut extensions, extension::EXTENDED_MASTER_SECRET);
            put_vec(&mut extensions, 2, &[]);
        }
        let mut body = self.hello_body(&[], suite);
        put_vec(&mut body, 2, &extensions);
        self.say(kind::SERVER_HELLO, &body, out);

        let mut list = Vec::new();
        for certificate in own.chain() {
            put_vec(&mut list, 3, certificate);
        }
        let mut body = Vec::new();
        put_vec(&mut body, 3, &list);
        self.say(kind::CERTIFICATE, &body, out);

        // A named curve (RFC 8422 section 5.4).
        let mut body = vec![3];
        put16(&mut body, share.group().0);
        put_vec(&mut body, 1, share.public());
        let signed = [&hello.random[..], &self.random[..], &body[..]].concat();
        let signature = own.sign(scheme, &signed).map_err(failed)?;
        put16(&mut body, scheme.0);
        put_vec(&mut body, 2, &signature);
        self.say(kind::SERVER_KEY_EXCHANGE, &body, out);

        // Of RSA and of ECDSA, of any authority.
        let mut body = vec![2, 1, 64];
        put_vec(&mut body, 2, &scheme_list());
        put_vec(&mut body, 2, &[]);
        self.say(kind::CERTIFICATE_REQUEST, &body, out);
        self.say(kind::SERVER_HELLO_DONE, &[], out);
        self.share = Some(share);
        self.state = State::Client12;
        Ok(())
    }

    fn agree12(&mut self, message: &Message) -> Result<(), Refusal> {
        let missing = || malformed("a message out of turn");
        let mut reader = Reader::new(message.body(), "the client's key exchange");
        let theirs = reader.vec8().map_err(broken)?;
        let share = self.share.take().ok_or_else(missing)?;
        let agreed = share.agree(theirs).map_err(failed)?;
        let cipher = self.cipher.ok_or_else(missing)?;
        let client = self.heard.hello.as_ref().ok_or_else(missing)?.random;
        let master = if self.extended {
            Master::derive_extended(cipher.hash, &agreed, &self.transcript)
        } else {
            Master::derive(cipher.hash, &agreed, &client, &self.random)
        }
        .map_err(failed)?;
        let (read, write) = master
            .protections(cipher, &client, &self.random)
            .map_err(failed)?;
        self.master = Some(master);
        self.read_next = Some(read);
        self.write = Some(write);
        Ok(())
    }

    fn finish12(
        &mut self,
        message: &Message,
        said: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let master = self
            .master
            .take()
            .ok_or_else(|| malformed("a message out of turn"))?;
        let right = master.finished(End::Client, said).map_err(failed)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&right, message.body())
            .map_err(|_| malformed("its \"finished\" is wrong"))?;
        let ours = master
            .finished(End::Server, &self.transcript)
            .map_err(failed)?;
        put_record(
            out,
            ContentType::ChangeCipherSpec,
            Version::Tls12.code(),
            &[1],
        );
        let ours = Message::build(kind::FINISHED, &ours);
        if let Some(write) = &mut self.write {
            write
                .seal(ContentType::Handshake, &ours.whole, out)
                .map_err(failed)?;
        }
        self.state = State::Over;
        Ok(())
    }

    fn answer13(
        &mut self,
        hello: &HelloRead,
        own: &OwnIdentity,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let suite = [0x1302, 0x1301, 0x1303]
            .into_iter()
            .find(|code| hello.suites.contains(code))
            .map(Suite);
        let offered = |group: &Group| {
            hello
                .key_shares
                .iter()
                .find(|(code, _)| *code == group.0)
                .map(|(_, share)| (*group, share.clone()))
        };
        let theirs = CURVES.iter().find_map(offered);
        let scheme = own_scheme(own, hello, true);
        let (Some(suite), Some((group, theirs)), Some(scheme)) = (suite, theirs, scheme) else {
            return self.decline(Alert::HANDSHAKE_FAILURE, out);
        };
        let (Some(cipher), Some(share)) = (Cipher::of(suite), Share::generate(group)) else {
            return self.decline(Alert::HANDSHAKE_FAILURE, out);
        };
        self.heard.version = Some(Version::Tls13);
        self.suite = Some(suite);
        self.cipher = Some(cipher);

        let mut extensions = Vec::new();
        put16(&mut extensions, extension::SUPPORTED_VERSIONS);
        put_vec(&mut extensions, 2, &Version::Tls13.code().to_be_bytes());
        put16(&mut extensions, extension::KEY_SHARE);
        let mut ours = Vec::new();
        put16(&mut ours, group.0);
        put_vec(&mut ours, 2, share.public());
        put_vec(&mut extensions, 2, &ours);
        let mut body = self.hello_body(&hello.session_id, suite);
        put_vec(&mut body, 2, &extensions);
        self.say(kind::SERVER_HELLO, &body, out);

        let agreed = share.agree(&theirs).map_err(failed)?;
        let epoch = Epoch::handshake(cipher, &agreed).map_err(failed)?;
        let traffic = |end| {
            epoch
                .handshake_traffic(end, &self.transcript)
                .map_err(failed)
        };
        let (client, server) = (traffic(End::Client)?, traffic(End::Server)?);
        self.read = Some(client.protection().map_err(failed)?);
        self.write = Some(server.protection().map_err(failed)?);
        self.client_traffic = Some(client);

        self.say_sealed(kind::ENCRYPTED_EXTENSIONS, &[0, 0], out)?;
        let mut asked = Vec::new();
        put16(&mut asked, extension::SIGNATURE_ALGORITHMS);
        let mut list = Vec::new();
        put_vec(&mut list, 2, &scheme_list());
        put_vec(&mut asked, 2, &list);
        let mut body = vec![0];
        put_vec(&mut body, 2, &asked);
        self.say_sealed(kind::CERTIFICATE_REQUEST, &body, out)?;

        let mut list = Vec::new();
        for certificate in own.chain() {
            put_vec(&mut list, 3, certificate);
            put16(&mut list, 0);
        }
        let mut body = vec![0];
        put_vec(&mut body, 3, &list);
        self.say_sealed(kind::CERTIFICATE, &body, out)?;

        let signed = signed_content(End::Server, cipher, &self.transcript);
        let signature = own.sign(scheme, &signed).map_err(failed)?;
        let mut body = Vec::new();
        put16(&mut body, scheme.0);
        put_vec(&mut body, 2, &signature);
        self.say_sealed(kind::CERTIFICATE_VERIFY, &body, out)?;

        let finished = server.finished(&self.transcript).map_err(failed)?;
        self.say_sealed(kind::FINISHED, &finished, out)?;
        // Nothing but the farewell is said after this.
        let application = epoch.application().map_err(failed)?;
        let after = application.application_traffic(End::Server, &self.transcript);
        self.write = Some(
            after
                .and_then(|traffic| traffic.protection())
                .map_err(failed)?,
        );
        self.state = State::Client13;
        Ok(())
    }

    /// Whether the client signed with its certificate's key.
    fn proof(&mut self, message: &Message, signed: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(message.body(), "the client's signature");
        let read = |reader: &mut Reader<'_>| {
            Ok::<_, Malformed>((Scheme(reader.u16()?), reader.vec16()?.to_vec()))
        };
        let (scheme, signature) = read(&mut reader).map_err(broken)?;
        let leaf = self.heard.chain.as_ref().and_then(|chain| chain.first());
        let leaf = leaf.ok_or_else(|| malformed("a signature without a certificate"))?;
        self.heard.proved = match verify(leaf, scheme, signed, &signature) {
            Ok(Some(())) => Some(true),
            Ok(None) => None,
            Err(_) => Some(false),
        };
        Ok(())
    }

    fn hello_body(&self, session_id: &[u8], suite: Suite) -> Vec<u8> {
        let mut body = Vec::new();
        put16(&mut body, Version::Tls12.code());
        body.extend_from_slice(&self.random);
        put_vec(&mut body, 1, session_id);
        put16(&mut body, suite.0);
        body.push(0);
        body
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

    fn say_sealed(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let message = Message::build(kind, body);
        self.transcript.extend_from_slice(&message.whole);
        match &mut self.write {
            Some(write) => write
                .seal(ContentType::Handshake, &message.whole, out)
                .map_err(failed),
            None => Ok(()),
        }
    }
}

/// What a client may sign with: SHA-256 or better.
fn scheme_list() -> Vec<u8> {
    Scheme::all()
        .filter(|scheme| scheme.is_strong())
        .flat_map(|scheme| scheme.0.to_be_bytes())
        .collect()
}

fn own_scheme(own: &OwnIdentity, hello: &HelloRead, tls13: bool) -> Option<Scheme> {
    own.schemes()
        .iter()
        .copied()
        // PKCS#1 v1.5 signs no handshake of TLS 1.3.
        .filter(|scheme| !tls13 || scheme.0 & 0xFF != 1)
        .find(|scheme| hello.schemes.contains(&scheme.0))
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

impl Conversation for Serve {
    fn start(&mut self) -> Vec<u8> {
        Vec::new()
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
            if let Err(refusal) = taken {
                self.fail(refusal);
            }
        }
        out
    }

    fn end(&mut self, how: Ending) {
        self.fail(Refusal::of(how));
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn farewell(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let alert = [1, Alert::CLOSE_NOTIFY.0];
        match &mut self.write {
            Some(write) => {
                if write.seal(ContentType::Alert, &alert, &mut out).is_err() {
                    out.clear();
                }
                out
            }
            None => plain_farewell(),
        }
    }
}
