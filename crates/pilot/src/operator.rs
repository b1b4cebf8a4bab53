//! The `iryonet` program as an operator uses it: every act of the pilot is a
//! command that a person could type.

use crate::command::Call;
use crate::error::PilotError;
use crate::plan::Plan;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The program, and whose center it talks to.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    binary: PathBuf,
    socket: PathBuf,
}

/// An answer of the program, and how it was asked.
#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    shown: String,
    /// The JSON.
    pub(crate) value: Value,
}

impl Operator {
    /// The program at `binary` and the center of this plan.
    pub(crate) fn new(binary: &Path, plan: &Plan) -> Self {
        Self {
            binary: binary.to_owned(),
            socket: plan.operator_socket(),
        }
    }

    /// A call of the program.
    pub(crate) fn program(&self) -> Call {
        Call::new(self.binary.display().to_string())
    }

    /// A call of the program in a namespace.
    pub(crate) fn program_in(&self, namespace: &str) -> Call {
        Call::inside(namespace, self.binary.display().to_string())
    }

    /// A command to the center in the pilot's name.
    ///
    /// # Errors
    /// When it is refused; the error holds the center's words.
    pub(crate) fn ask(&self, what: &str, words: &[&str]) -> Result<Answer, PilotError> {
        self.ask_as("operator:pilot", what, words)
    }

    /// A command in the network's own name: admission without a case, and the
    /// yes of both sides, for neither of which an operator has the right. A
    /// region that is raised in a minute has no examiners and no officers.
    ///
    /// # Errors
    /// When it is refused; the error holds the center's words.
    pub(crate) fn found(&self, what: &str, words: &[&str]) -> Result<Answer, PilotError> {
        self.ask_as("system:pilot", what, words)
    }

    fn ask_as(&self, actor: &str, what: &str, words: &[&str]) -> Result<Answer, PilotError> {
        let (noun, rest) = words.split_first().map_or(("", &[][..]), |(a, b)| (*a, b));
        let call = self
            .program()
            .args([noun, "--center"])
            .path(&self.socket)
            .args(["--as", actor, "--json"])
            .args(rest.iter().copied());
        answer(what, &call)
    }
}

/// Runs a call that answers in JSON.
///
/// # Errors
/// When it fails, or says something that is not JSON.
pub(crate) fn answer(what: &str, call: &Call) -> Result<Answer, PilotError> {
    let done = call.run(what)?;
    let value = serde_json::from_str(&done.stdout).map_err(|_| PilotError::Answer {
        what: what.to_owned(),
        command: call.shown(),
        missing: "JSON".to_owned(),
        answer: done.stdout.chars().take(400).collect(),
    })?;
    Ok(Answer {
        what: what.to_owned(),
        shown: call.shown(),
        value,
    })
}

impl Answer {
    /// The error for an answer without this part.
    pub(crate) fn missing(&self, pointer: &str) -> PilotError {
        PilotError::Answer {
            what: self.what.clone(),
            command: self.shown.clone(),
            missing: pointer.to_owned(),
            answer: self.value.to_string().chars().take(400).collect(),
        }
    }

    /// A number in it (RFC 6901 pointer).
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn number(&self, pointer: &str) -> Result<u64, PilotError> {
        self.value
            .pointer(pointer)
            .and_then(Value::as_u64)
            .ok_or_else(|| self.missing(pointer))
    }

    /// A text in it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn text(&self, pointer: &str) -> Result<&str, PilotError> {
        self.value
            .pointer(pointer)
            .and_then(Value::as_str)
            .ok_or_else(|| self.missing(pointer))
    }

    /// A yes or no in it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn flag(&self, pointer: &str) -> Result<bool, PilotError> {
        self.value
            .pointer(pointer)
            .and_then(Value::as_bool)
            .ok_or_else(|| self.missing(pointer))
    }

    /// A list in it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn list(&self, pointer: &str) -> Result<&[Value], PilotError> {
        self.value
            .pointer(pointer)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .ok_or_else(|| self.missing(pointer))
    }
}
