//! What the gateways counted: refused packets by line and reason, refused
//! attach attempts by line and reason.

use super::Check;
use crate::error::PilotError;
use crate::files;
use crate::operator::{Answer, answer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Counters of one gateway: {interface, reason} -> how often.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(BTreeMap<(String, String), u64>);

impl Counters {
    /// Refused packets.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub(crate) fn packets(check: &Check<'_, '_>, gateway: &str) -> Result<Self, PilotError> {
        Self::read(&drops(check, gateway)?, "/lines", "packets")
    }

    /// Refused handshakes and attachments.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub(crate) fn attaches(check: &Check<'_, '_>, gateway: &str) -> Result<Self, PilotError> {
        Self::read(&drops(check, gateway)?, "/attach", "attempts")
    }

    fn read(drops: &Answer, list: &str, number: &str) -> Result<Self, PilotError> {
        let mut all = BTreeMap::new();
        for row in drops.list(list)? {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let key = (text("interface").to_owned(), text("reason").to_owned());
            *all.entry(key).or_insert(0) += row.get(number).and_then(Value::as_u64).unwrap_or(0);
        }
        Ok(Self(all))
    }

    /// The first of `reasons` that went up at this interface since `before`.
    pub(crate) fn risen(&self, before: &Self, interface: &str, reasons: &[&str]) -> Option<String> {
        reasons
            .iter()
            .find(|reason| {
                let key = (interface.to_owned(), (**reason).to_owned());
                self.0.get(&key).copied().unwrap_or(0) > before.0.get(&key).copied().unwrap_or(0)
            })
            .map(|reason| (*reason).to_owned())
    }

    /// Everything that went up at this interface, for a row that went wrong.
    pub(crate) fn all_risen(&self, before: &Self, interface: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(key, count)| {
                key.0 == interface && **count > before.0.get(*key).copied().unwrap_or(0)
            })
            .map(|(key, _)| key.1.clone())
            .collect()
    }
}

fn drops(check: &Check<'_, '_>, gateway: &str) -> Result<Answer, PilotError> {
    let call = check
        .operator
        .program()
        .args(["gateway", "drops", "--json", "--config"])
        .path(&files::gateway_config(check.plan, gateway));
    answer("asking the gateway what it refused", &call)
}
