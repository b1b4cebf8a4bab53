//! Why the re-check does not do something.

use super::Tick;

/// See the module. Names, texts and languages as those of [`crate::Refusal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message beside each variant names its fields and explains it"
)]
pub enum RecheckRefusal {
    #[error("slot {tick} is not due; {due}", due = due_text(*.due))]
    NotDue { tick: Tick, due: Option<Tick> },
    #[error(
        "the re-check stopped before slot {0} as too many would be cut off; confirm or dismiss its findings"
    )]
    Halted(Tick),
    #[error("the re-check did not stop before slot {0}; there is nothing to confirm or to dismiss")]
    NotHalted(Tick),
    #[error("a hold of {0} days cannot be; it is 1 to 30")]
    HoldDays(u16),
    #[error("an alert at {0} per cent cannot be; it is 1 to 100")]
    AlertPercent(u8),
}

impl RecheckRefusal {
    /// The name by which programs know it; it never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotDue { .. } => "recheck-not-due",
            Self::Halted(_) => "recheck-halted",
            Self::NotHalted(_) => "recheck-not-halted",
            Self::HoldDays(_) => "recheck-hold-days",
            Self::AlertPercent(_) => "recheck-alert-percent",
        }
    }

    /// What was wrong and what would be right, in Japanese.
    #[must_use]
    pub fn ja(&self) -> String {
        match self {
            Self::NotDue { tick, due } => format!(
                "枠 {tick} の再確認の時ではありません。{next}",
                next = due.map_or_else(
                    || "いま行う枠はありません".to_owned(),
                    |due| format!("次は枠 {due} です")
                )
            ),
            Self::Halted(a) => format!(
                "再確認は、遮断の対象が多すぎるため枠 {a} の前で停止しています。結果を確認するか棄却してください"
            ),
            Self::NotHalted(a) => {
                format!("再確認は枠 {a} の前で停止していません。確認・棄却することはありません")
            }
            Self::HoldDays(a) => {
                format!("保留の日数 {a} は指定できません。1 から 30 を指定してください")
            }
            Self::AlertPercent(a) => {
                format!("警報の割合 {a} は指定できません。1 から 100 を指定してください")
            }
        }
    }
}

fn due_text(due: Option<Tick>) -> String {
    due.map_or_else(|| "none is".to_owned(), |due| format!("slot {due} is"))
}
