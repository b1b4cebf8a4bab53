//! Hearing what comes once a handshake stands; the same for both versions.

use super::Ending;
use super::carried::{After, Carried};
use super::flight::read_alert;
use crate::wire::Alert;
use crate::wire::record::ContentType;

/// Most octets of an application's answer that are looked at: a status line.
const DATA_MAX: usize = 1024;

/// Collects until it is clear what the other side does.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    data: Vec<u8>,
    over: bool,
}

impl Hearing {
    /// Takes an opened record that is no handshake message.
    pub(crate) fn take(&mut self, content: ContentType, body: &[u8], carried: &mut Carried) {
        match content {
            ContentType::Application => {
                let room = DATA_MAX.saturating_sub(self.data.len());
                self.data.extend(body.iter().take(room));
                // The first line tells the status; a page may go on for long.
                if self.data.len() >= DATA_MAX || self.data.contains(&b'\n') {
                    self.decide(After::Data(self.data.clone()), carried);
                }
            }
            ContentType::Alert => match read_alert(body) {
                Ok(Alert::NO_RENEGOTIATION) => {
                    self.decide(After::Alert(Alert::NO_RENEGOTIATION), carried);
                }
                Ok(_) => {}
                Err(super::Refusal::Alert(alert)) => {
                    let after = match alert {
                        Alert::CLOSE_NOTIFY => self.ended(),
                        other => After::Alert(other),
                    };
                    self.decide(after, carried);
                }
                Err(_) => self.decide(After::Closed, carried),
            },
            ContentType::Handshake | ContentType::ChangeCipherSpec => {}
        }
    }

    pub(crate) fn end(&mut self, how: Ending, carried: &mut Carried) {
        let after = match how {
            Ending::Silent if self.data.is_empty() => After::Silence,
            Ending::Silent | Ending::Closed | Ending::Broken | Ending::TooMuch => self.ended(),
        };
        self.decide(after, carried);
    }

    pub(crate) fn decide(&mut self, after: After, carried: &mut Carried) {
        if !self.over {
            carried.after = after;
            self.over = true;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    fn ended(&self) -> After {
        if self.data.is_empty() {
            After::Closed
        } else {
            After::Data(self.data.clone())
        }
    }
}
