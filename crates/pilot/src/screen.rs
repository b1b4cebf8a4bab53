//! What a person sees while a region is raised: each step, how it went, how
//! long it took.

use crate::error::PilotError;
use std::io::Write;
use std::time::Instant;

/// Steps on a screen.
pub(crate) struct Steps<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Steps<'a> {
    /// Steps written to `out`.
    pub(crate) fn on(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    /// A line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), PilotError> {
        writeln!(self.out, "{line}")
            .and_then(|()| self.out.flush())
            .map_err(PilotError::Screen)
    }

    /// Does one step: its name at once, its result and time when it is done.
    ///
    /// # Errors
    /// Those of the step.
    pub(crate) fn step(
        &mut self,
        name: &str,
        act: impl FnOnce() -> Result<String, PilotError>,
    ) -> Result<(), PilotError> {
        write!(self.out, "  {name} … ")
            .and_then(|()| self.out.flush())
            .map_err(PilotError::Screen)?;
        let begun = Instant::now();
        let done = act();
        let word = match &done {
            Ok(result) if result.is_empty() => "done".to_owned(),
            Ok(result) => result.clone(),
            Err(_) => "FAILED".to_owned(),
        };
        self.say(&format!("{word} ({:.1} s)", begun.elapsed().as_secs_f64()))?;
        done.map(drop)
    }
}
