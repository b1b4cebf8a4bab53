//! Two questions in DNS (RFC 1035), as octets: to which addresses does a name
//! lead, and to which names an address? Whoever answers is not believed to be
//! well-behaved: what does not fit the question is an error, and no loop of
//! pointers or aliases goes on for ever.
//!
//! It must not know how they travel.

use iryonet_domain::DnsName;
use std::net::Ipv6Addr;

/// Most answers that are taken; a name with more is for a person.
pub(crate) const ANSWERS_MAX: usize = iryonet_rules::facts::ANSWERS_MAX;
/// Most records that are read.
const RECORDS_MAX: u16 = 256;
/// Most aliases in a row.
const ALIASES_MAX: usize = 8;
/// Longest name, in octets (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 255;

const PTR: u16 = 12;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const IN: u16 = 1;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The addresses of a name.
    Addresses(DnsName),
    /// The names of an address (RFC 3596, section 2.5).
    Names(Ipv6Addr),
}

/// What was answered. A name that is not there has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Ascending.
    Addresses(Vec<Ipv6Addr>),
    /// Ascending, in small letters.
    Names(Vec<String>),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the resolver's answer is malformed, or to another question")]
    Malformed,
    #[error("the resolver cannot answer (RCODE {0})")]
    Refused(u8),
    #[error("there are more than {ANSWERS_MAX} answers")]
    TooMany,
}

impl Question {
    fn name(&self) -> String {
        match self {
            Self::Addresses(name) => name.as_str().to_ascii_lowercase(),
            Self::Names(address) => {
                let mut text = String::with_capacity(72);
                for octet in address.octets().iter().rev() {
                    for half in [octet & 15, octet >> 4] {
                        text.extend(char::from_digit(u32::from(half), 16));
                        text.push('.');
                    }
                }
                text.push_str("ip6.arpa");
                text
            }
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Addresses(_) => AAAA,
            Self::Names(_) => PTR,
        }
    }

    /// The question to a resolver, with recursion wanted.
    pub(crate) fn to_octets(&self, id: u16) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in self.name().split('.').filter(|label| !label.is_empty()) {
            // A label of a name has at most 63 octets.
            out.push(u8::try_from(label.len()).unwrap_or(0) & 63);
            out.extend_from_slice(label.as_bytes());
        }
        out.push(0);
        out.extend_from_slice(&self.kind().to_be_bytes());
        out.extend_from_slice(&IN.to_be_bytes());
        out
    }

    /// Reads the answer to this question.
    pub(crate) fn read(&self, id: u16, octets: &[u8]) -> Result<Answer, NoAnswer> {
        let mut reader = Reader { octets, at: 0 };
        let wanted_id = reader.two()?;
        let flags = reader.two()?;
        let (questions, records) = (reader.two()?, reader.two()?);
        let _authorities = (reader.two()?, reader.two()?);
        // An answer (QR), to a plain query (opcode 0), not cut short (TC).
        if wanted_id != id || flags & 0xfa00 != 0x8000 || questions != 1 {
            return Err(NoAnswer::Malformed);
        }
        let asked = (reader.name()?, reader.two()?, reader.two()?);
        if asked != (self.name(), self.kind(), IN) {
            return Err(NoAnswer::Malformed);
        }
        match (flags & 15) as u8 {
            // No error, or no such name: both are answers.
            0 | 3 => {}
            code => return Err(NoAnswer::Refused(code)),
        }
        if records > RECORDS_MAX {
            return Err(NoAnswer::TooMany);
        }
        let mut aliases = Vec::new();
        let mut addresses = Vec::new();
        let mut names = Vec::new();
        for _ in 0..records {
            let owner = reader.name()?;
            let (kind, class) = (reader.two()?, reader.two()?);
            let _life = (reader.two()?, reader.two()?);
            let length = usize::from(reader.two()?);
            let end = reader.at.checked_add(length).ok_or(NoAnswer::Malformed)?;
            let data = octets.get(reader.at..end).ok_or(NoAnswer::Malformed)?;
            match (kind, class) {
                (AAAA, IN) => {
                    let octets: [u8; 16] = data.try_into().map_err(|_| NoAnswer::Malformed)?;
                    addresses.push((owner, Ipv6Addr::from(octets)));
                }
                (PTR | CNAME, IN) => {
                    let target = reader.name()?;
                    if reader.at != end {
                        return Err(NoAnswer::Malformed);
                    }
                    if kind == CNAME {
                        aliases.push((owner, target));
                    } else {
                        names.push((owner, target));
                    }
                }
                _ => {}
            }
            reader.at = end;
        }
        let mut owners = vec![self.name()];
        while let Some((_, target)) = aliases
            .iter()
            .find(|(owner, target)| owners.contains(owner) && !owners.contains(target))
        {
            owners.push(target.clone());
            if owners.len() > ALIASES_MAX {
                return Err(NoAnswer::Malformed);
            }
        }
        match self {
            Self::Addresses(_) => of(&owners, addresses).map(Answer::Addresses),
            Self::Names(_) => of(&owners, names).map(Answer::Names),
        }
    }
}

/// What belongs to these owners, ascending and once.
fn of<T: Ord>(owners: &[String], found: Vec<(String, T)>) -> Result<Vec<T>, NoAnswer> {
    let mut own: Vec<T> = found
        .into_iter()
        .filter(|(owner, _)| owners.contains(owner))
        .map(|(_, it)| it)
        .collect();
    own.sort();
    own.dedup();
    if own.len() > ANSWERS_MAX {
        return Err(NoAnswer::TooMany);
    }
    Ok(own)
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn two(&mut self) -> Result<u16, NoAnswer> {
        let octets = self
            .octets
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<2>())
            .ok_or(NoAnswer::Malformed)?;
        self.at += 2;
        Ok(u16::from_be_bytes(*octets))
    }

    /// A name in small letters, its labels joined by dots. What is no letter,
    /// digit, `-` or `_` is written as `\065` (RFC 1035, section 5.1).
    fn name(&mut self) -> Result<String, NoAnswer> {
        let mut text = String::new();
        let mut at = self.at;
        let mut after = None;
        let mut total = 0;
        loop {
            let length = *self.octets.get(at).ok_or(NoAnswer::Malformed)?;
            match length {
                0 => {
                    self.at = after.unwrap_or(at + 1);
                    return Ok(text);
                }
                1..=63 => {
                    let label = self
                        .octets
                        .get(at + 1..at + 1 + usize::from(length))
                        .ok_or(NoAnswer::Malformed)?;
                    total += label.len() + 1;
                    if total > NAME_MAX {
                        return Err(NoAnswer::Malformed);
                    }
                    if !text.is_empty() {
                        text.push('.');
                    }
                    for octet in label {
                        match octet.to_ascii_lowercase() {
                            plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => {
                                text.push(char::from(plain));
                            }
                            other => text.push_str(&format!("\\{other:03}")),
                        }
                    }
                    at += 1 + label.len();
                }
                // A pointer leads backwards only: so it ends.
                192..=255 => {
                    let low = *self.octets.get(at + 1).ok_or(NoAnswer::Malformed)?;
                    let to = usize::from(length & 63) << 8 | usize::from(low);
                    if to >= at {
                        return Err(NoAnswer::Malformed);
                    }
                    after.get_or_insert(at + 2);
                    // What lies between was counted; a chain of pointers was not.
                    total += 1;
                    if total > NAME_MAX {
                        return Err(NoAnswer::Malformed);
                    }
                    at = to;
                }
                _ => return Err(NoAnswer::Malformed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        text.parse().unwrap()
    }

    fn wire(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for label in text.split('.') {
            out.push(label.len() as u8);
            out.extend_from_slice(label.as_bytes());
        }
        out.push(0);
        out
    }

    fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = owner.to_vec();
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend_from_slice(data);
        out
    }

    fn answer(question: &Question, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = question.to_octets(7);
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        out.extend(records.iter().flatten());
        out
    }

    #[test]
    fn an_address_is_asked_for_backwards_in_nibbles() {
        // RFC 3596, section 2.5.
        let address = "4321:0:1:2:3:4:567:89ab".parse().unwrap();
        assert_eq!(
            Question::Names(address).name(),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
    }

    #[test]
    fn what_belongs_to_the_name_or_its_alias_is_taken_and_nothing_else() {
        let question = Question::Addresses(name("claims.example"));
        let one: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let two: Ipv6Addr = "2001:db8::2".parse().unwrap();
        // The pointer of the first owner leads to the question (12).
        let octets = answer(
            &question,
            0x8180,
            &[
                record(&[0xc0, 12], CNAME, &wire("WWW.Claims.example")),
                record(&wire("www.claims.example"), AAAA, &one.octets()),
                record(&wire("www.claims.example"), AAAA, &one.octets()),
                record(&wire("elsewhere.example"), AAAA, &two.octets()),
                record(&[0xc0, 12], 1, &[192, 0, 2, 1]),
            ],
        );
        assert_eq!(question.read(7, &octets), Ok(Answer::Addresses(vec![one])));
        assert_eq!(question.read(8, &octets), Err(NoAnswer::Malformed));
        let other = Question::Addresses(name("claims.example2"));
        assert_eq!(other.read(7, &octets), Err(NoAnswer::Malformed));
        for cut in 0..octets.len() {
            assert_eq!(question.read(7, &octets[..cut]), Err(NoAnswer::Malformed));
        }
    }

    #[test]
    fn no_such_name_is_an_answer_and_a_resolver_that_fails_is_none() {
        let question = Question::Names("2001:db8::1".parse().unwrap());
        let none = answer(&question, 0x8183, &[]);
        assert_eq!(question.read(7, &none), Ok(Answer::Names(Vec::new())));
        for (code, flags) in [(2, 0x8182), (5, 0x8185)] {
            let failed = answer(&question, flags, &[]);
            assert_eq!(question.read(7, &failed), Err(NoAnswer::Refused(code)));
        }
        // A question, and an answer that was cut short.
        for flags in [0x0100, 0x8380] {
            let none = answer(&question, flags, &[]);
            assert_eq!(question.read(7, &none), Err(NoAnswer::Malformed));
        }
        let odd = wire("a b\u{7}.example");
        let octets = answer(&question, 0x8180, &[record(&[0xc0, 12], PTR, &odd)]);
        let names = vec!["a\\032b\\007.example".to_owned()];
        assert_eq!(question.read(7, &octets), Ok(Answer::Names(names)));
    }

    #[test]
    fn loops_and_floods_end() {
        let question = Question::Addresses(name("a.example"));
        let to_itself = record(&[0xc0, 27], CNAME, &[0xc0, 27]);
        let octets = answer(&question, 0x8180, &[to_itself]);
        assert_eq!(question.read(7, &octets), Err(NoAnswer::Malformed));
        let in_a_circle = [
            record(&wire("a.example"), CNAME, &wire("b.example")),
            record(&wire("b.example"), CNAME, &wire("a.example")),
        ];
        let octets = answer(&question, 0x8180, &in_a_circle);
        assert_eq!(question.read(7, &octets), Ok(Answer::Addresses(Vec::new())));
        let flood: Vec<_> = (0..65_u128)
            .map(|n| record(&[0xc0, 12], AAAA, &n.to_be_bytes()))
            .collect();
        let octets = answer(&question, 0x8180, &flood);
        assert_eq!(question.read(7, &octets), Err(NoAnswer::TooMany));
    }
}
