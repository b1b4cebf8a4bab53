//! The page.

use crate::code::{Code, Noun};
use crate::reach::Reach;
use crate::text::{Both, Texts};
use iryonet_domain::Role;
use iryonet_registry::{Act, permission};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use strum::IntoEnumIterator as _;

const HEAD: &str = "\
# 監査イベント — Audit events

この文書は、台帳（監査記録）に現れるすべての操作・事象・拒否の仕様です。プログラムと常に一致することを
テスト（`crates/registry/tests/audit_events`）が確かめます。文章の元は `docs/audit-events.toml` です。直接編集しないでください。

The specification of everything that the ledger can hold: commands (what was asked), events (what became so) and refusals. A
test keeps it equal to the code; the human text stands in `docs/audit-events.toml`. Do not edit this page by hand.

台帳の一項目は一つの操作です。次の欄を持ちます。 One entry of the ledger is one act:

| 欄 field | 意味 | meaning |
|---|---|---|
| `sequence` | 通し番号（1から、欠番なし） | number, from 1, without a gap |
| `at` | 記録時刻（1970年からのミリ秒） | when, milliseconds since 1970 |
| `actor` | 行為者 `役割:名前` | who, `role:name`; never defaulted |
| `command` | 求められた操作（JSON、`type` が下の識別子） | what was asked, JSON; `type` is the id below |
| `outcome` | 受理（`accepted` と事象の列）または拒否（`refused` と拒否コード・理由） | accepted, with its events, or refused, with code and text |
| `previous`, `hash` | 直前の項目と当項目のハッシュ | hashes of the entry before and of this one |

役割の範囲: `all` すべて、`own` 自らの参加者のみ、`officers` 担当者のアカウントのみ、`self` 自分のアカウントのみ、
`applicant` 自らの申請と、担当する参加者についての申請のみ。
Scope of a role: `all` anybody's, `own` that of the own participant, `officers` accounts of officers, `self` the own account,
`applicant` the own applications and those about the participant that it speaks for.

型の `T?` は省略され得る値、`[T]` は列です。 In types `T?` may be left out, `[T]` is a list.
";

pub(crate) fn write(code: &Code, reach: &Reach, texts: &Texts) -> String {
    let mut page = String::from(HEAD);
    let acts: BTreeMap<&str, Act> = Act::iter()
        .map(|act| (<&'static str>::from(act), act))
        .collect();

    page.push_str("\n## 操作 Commands\n");
    let _ = writeln!(
        page,
        "\nどの操作も、内容を見る前に次のコードで拒否され得ます。 Every command may be refused before it is looked at, with: {}.",
        list(reach.every_command.iter())
    );
    for command in &code.commands {
        let reached = &reach.of_command[&command.id];
        noun(&mut page, command, &texts.command[&command.id], texts);
        let row: Vec<String> = permission::row(acts[command.id.as_str()])
            .iter()
            .map(|(role, scope)| {
                format!(
                    "{} `{}` ({})",
                    role_ja(*role),
                    role.as_str(),
                    scope.as_str()
                )
            })
            .collect();
        let _ = writeln!(page, "- 行えるのは Who may: {}", row.join("、"));
        let _ = writeln!(page, "- 事象 Events: {}", list(reached.events.iter()));
        let _ = writeln!(page, "- 拒否 Refusals: {}", list(reached.refusals.iter()));
    }

    page.push_str("\n## 事象 Events\n");
    for event in &code.events {
        noun(&mut page, event, &texts.event[&event.id], texts);
        let by = code
            .commands
            .iter()
            .filter(|command| reach.of_command[&command.id].events.contains(&event.id))
            .map(|command| &command.id);
        let _ = writeln!(page, "- 起こす操作 Brought about by: {}", list(by));
    }

    page.push_str("\n## 拒否コード Refusals\n\n`…` は場合ごとの値です。 `…` stands for what differs from case to case.\n\n| code | 日本語 | English |\n|---|---|---|\n");
    for refused in &code.refusals {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            refused.code,
            plain(&refused.ja),
            plain(&refused.en)
        );
    }
    page
}

fn noun(page: &mut String, noun: &Noun, text: &Both, texts: &Texts) {
    let _ = writeln!(page, "\n### `{}`\n\n{}\n{}\n", noun.id, text.ja, text.en);
    if noun.fields.is_empty() {
        return;
    }
    page.push_str("| 項目 field | 型 type | 意味 | meaning |\n|---|---|---|---|\n");
    for field in &noun.fields {
        let said = &texts.field[&field.name];
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            field.name,
            kind(&field.kind),
            said.ja,
            said.en
        );
    }
    page.push('\n');
}

/// A type in words that a reader of JSON can use.
fn kind(kind: &str) -> String {
    let inner = |of: &str| {
        kind.strip_prefix(of)
            .and_then(|rest| rest.strip_suffix('>'))
            .map(self::kind)
    };
    if let Some(inner) = inner("Option<") {
        return format!("{inner}?");
    }
    if let Some(inner) = inner("Vec<").or_else(|| inner("BTreeSet<")) {
        return format!("[{inner}]");
    }
    kind.replace('<', "&lt;").replace('|', "\\|")
}

fn list<'a>(ids: impl Iterator<Item = &'a String>) -> String {
    let ids: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
    if ids.is_empty() {
        "なし none".to_owned()
    } else {
        ids.join(", ")
    }
}

/// A text with its values taken out.
fn plain(template: &str) -> String {
    let mut out = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' | '}' if letters.peek() == Some(&letter) => {
                letters.next();
                out.push(letter);
            }
            '{' => {
                for inner in letters.by_ref() {
                    if inner == '}' {
                        break;
                    }
                }
                out.push('…');
            }
            '|' => out.push_str("\\|"),
            '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

fn role_ja(role: Role) -> &'static str {
    match role {
        Role::Officer => "機関担当者",
        Role::Examiner => "審査",
        Role::Approver => "承認",
        Role::Operator => "運用",
        Role::SecurityOfficer => "セキュリティ責任者",
        Role::Auditor => "監査",
        Role::System => "システム",
    }
}
