//! The first flight: one hello of ours, and all that the server says in plain.

use super::{Conversation, Ending, Refusal, plain_farewell};
use crate::suite::{KeyExchange, Suite};
use crate::text::shown_octets;
use crate::version::Version;
use crate::wire::client_hello::ClientHello;
use crate::wire::key_exchange::ServerKeyExchange;
use crate::wire::record::{
    ContentType, Message, Messages, Record, RecordError, Records, put_record,
};
use crate::wire::server::{CertificateRequest, ServerHello, read_chain};
use crate::wire::{Alert, Malformed, message as kind};

/// What a server said in its first flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) hello: ServerHello,
    /// In DER, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key_exchange: Option<ServerKeyExchange>,
    pub(crate) request: Option<CertificateRequest>,
    /// It went on as with a session of before, without its certificate.
    pub(crate) resumed: bool,
    /// It came to its end; else a later message was missing or malformed.
    pub(crate) complete: bool,
    /// Alerts of the level "warning" on the way.
    pub(crate) warnings: Vec<Alert>,
}

impl Flight {
    pub(crate) fn begun(hello: ServerHello) -> Self {
        Self {
            hello,
            chain: Vec::new(),
            key_exchange: None,
            request: None,
            resumed: false,
            complete: false,
            warnings: Vec::new(),
        }
    }

    /// The agreed version; `None` for a number that is none.
    pub(crate) fn version(&self) -> Option<Version> {
        self.hello.version
    }
}

/// What came of a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Flight(Box<Flight>),
    Refused(Refusal),
}

/// Our hello as its record: SSL 3.0 in its own, everything else in TLS 1.0's,
/// which every server reads (RFC 8446 section 5.1).
pub(crate) fn hello_record(message: &Message, legacy_version: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.whole.len() + 5);
    let version = legacy_version.min(Version::Tls10.code());
    put_record(&mut out, ContentType::Handshake, version, &message.whole);
    out
}

/// Reads the plain messages of a first flight, one after the other.
#[derive(Debug, Default)]
pub(crate) struct FlightReader {
    flight: Option<Flight>,
    warnings: Vec<Alert>,
}

impl FlightReader {
    /// Takes one message; `Ok(true)` at the flight's end.
    pub(crate) fn take(&mut self, message: &Message) -> Result<bool, Malformed> {
        let Some(flight) = &mut self.flight else {
            return match message.kind {
                // A server may ask for a hello at any time; ours is on its way.
                kind::HELLO_REQUEST => Ok(false),
                kind::SERVER_HELLO => {
                    let hello = ServerHello::read(message.body())?;
                    let plain = hello
                        .version
                        .is_some_and(|version| version <= Version::Tls12);
                    let mut flight = Flight::begun(hello);
                    flight.complete = !plain;
                    self.flight = Some(flight);
                    // TLS 1.3 says no more in plain.
                    Ok(!plain)
                }
                _ => Err(Malformed {
                    what: "the order of the server's messages",
                }),
            };
        };
        let version = flight.hello.version.unwrap_or(Version::Tls12);
        match message.kind {
            kind::HELLO_REQUEST | kind::CERTIFICATE_STATUS => {}
            kind::CERTIFICATE => flight.chain = read_chain(message.body())?,
            kind::SERVER_KEY_EXCHANGE => {
                let suite = flight.hello.suite;
                // A hint for shared secrets, and kinds that are not read here.
                if reads_key_exchange(suite) {
                    flight.key_exchange = Some(ServerKeyExchange::read(
                        message.body(),
                        suite.key_exchange(),
                        suite.name().contains("ECDH_anon"),
                        version,
                    )?);
                }
            }
            kind::CERTIFICATE_REQUEST => {
                flight.request = Some(CertificateRequest::read(message.body(), version)?);
            }
            kind::NEW_SESSION_TICKET => {
                // Before any certificate: the session of before goes on.
                flight.resumed = flight.chain.is_empty();
                flight.complete = true;
                return Ok(true);
            }
            kind::SERVER_HELLO_DONE => {
                flight.complete = true;
                return Ok(true);
            }
            _ => {
                return Err(Malformed {
                    what: "the order of the server's messages",
                });
            }
        }
        Ok(false)
    }

    /// "change cipher spec" straight after the hello: a session of before.
    pub(crate) fn cipher_changes(&mut self) -> bool {
        match &mut self.flight {
            Some(flight) if flight.chain.is_empty() && flight.key_exchange.is_none() => {
                flight.resumed = true;
                flight.complete = true;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn warn(&mut self, alert: Alert) {
        // As many as anybody could mean.
        if self.warnings.len() < 8 {
            self.warnings.push(alert);
        }
    }

    pub(crate) fn finish(&mut self) -> Option<Flight> {
        let mut flight = self.flight.take()?;
        flight.warnings = std::mem::take(&mut self.warnings);
        Some(flight)
    }
}

fn reads_key_exchange(suite: Suite) -> bool {
    matches!(
        suite.key_exchange(),
        KeyExchange::Ecdhe | KeyExchange::Dhe | KeyExchange::Anonymous
    )
}

/// What an alert record says: `Err` for an end, `Ok` for a warning to go on from.
pub(crate) fn read_alert(body: &[u8]) -> Result<Alert, Refusal> {
    match body {
        [level, alert, ..] => {
            let alert = Alert(*alert);
            if *level == 1 && alert != Alert::CLOSE_NOTIFY {
                Ok(alert)
            } else {
                Err(Refusal::Alert(alert))
            }
        }
        _ => Err(Refusal::Malformed("an alert of one octet".to_owned())),
    }
}

pub(crate) fn refusal(error: &RecordError) -> Refusal {
    match error {
        RecordError::NotTls { beginning } => Refusal::NotTls(shown_octets(beginning)),
        RecordError::TooLong { .. } => Refusal::Malformed(error.to_string()),
    }
}

/// Sends one hello and reads the flight that answers it.
#[derive(Debug)]
pub(crate) struct FirstFlight {
    first: Vec<u8>,
    records: Records,
    messages: Messages,
    reader: FlightReader,
    answer: Option<Answer>,
}

impl FirstFlight {
    pub(crate) fn new(hello: &ClientHello) -> Self {
        Self::with_message(&hello.message(), hello.legacy_version)
    }

    /// With a message that is already whole (a binder filled in, say).
    pub(crate) fn with_message(message: &Message, legacy_version: u16) -> Self {
        Self {
            first: hello_record(message, legacy_version),
            records: Records::default(),
            messages: Messages::default(),
            reader: FlightReader::default(),
            answer: None,
        }
    }

    /// What came of it, once it is over.
    pub(crate) fn answer(self) -> Answer {
        self.answer.unwrap_or(Answer::Refused(Refusal::Silent))
    }

    fn stop(&mut self, refusal: Refusal) {
        if self.answer.is_none() {
            // What was said until then still tells something.
            self.answer = Some(match self.reader.finish() {
                Some(flight) => Answer::Flight(Box::new(flight)),
                None => Answer::Refused(refusal),
            });
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), Refusal> {
        match record.content {
            ContentType::Alert => {
                let alert = read_alert(&record.body)?;
                self.reader.warn(alert);
            }
            ContentType::Handshake => {
                self.messages.push(&record.body);
                let malformed = |error: Malformed| Refusal::Malformed(error.to_string());
                while self.answer.is_none()
                    && let Some(message) = self.messages.next().map_err(malformed)?
                {
                    if self.reader.take(&message).map_err(malformed)? {
                        self.stop(Refusal::Silent);
                    }
                }
            }
            ContentType::ChangeCipherSpec => {
                if self.reader.cipher_changes() {
                    self.stop(Refusal::Silent);
                } else {
                    return Err(Refusal::Malformed(
                        "a change of cipher out of turn".to_owned(),
                    ));
                }
            }
            ContentType::Application => {
                return Err(Refusal::Malformed("data before the handshake".to_owned()));
            }
        }
        Ok(())
    }
}

impl Conversation for FirstFlight {
    fn start(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.first)
    }

    fn receive(&mut self, octets: &[u8]) -> Vec<u8> {
        self.records.push(octets);
        while self.answer.is_none() {
            let taken = match self.records.next() {
                Ok(Some(record)) => self.take(&record),
                Ok(None) => break,
                Err(error) => Err(refusal(&error)),
            };
            if let Err(refusal) = taken {
                self.stop(refusal);
            }
        }
        Vec::new()
    }

    fn end(&mut self, how: Ending) {
        self.stop(Refusal::of(how));
    }

    fn is_over(&self) -> bool {
        self.answer.is_some()
    }

    fn farewell(&mut self) -> Vec<u8> {
        plain_farewell()
    }
}
