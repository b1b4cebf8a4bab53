//! 都道府県: the 47 prefectures by the two-digit number that every code of the
//! insurance system begins with (JIS X 0401).

use serde::{Deserialize, Serialize};

/// A prefecture, 01 (北海道) to 47 (沖縄県).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Prefecture(u8);

const NAMES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// The number is not that of a prefecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("prefecture {0:02} does not exist; the 47 prefectures are 01 to 47")]
pub struct UnknownPrefecture(pub u8);

impl Prefecture {
    /// The prefecture with this number.
    ///
    /// # Errors
    /// When the number is not within 1..=47.
    pub fn new(number: u8) -> Result<Self, UnknownPrefecture> {
        if (1..=47).contains(&number) {
            Ok(Self(number))
        } else {
            Err(UnknownPrefecture(number))
        }
    }

    /// The prefecture of a number that was checked before; clamped, so that a
    /// mistake here cannot panic elsewhere.
    pub(crate) fn from_checked(number: u8) -> Self {
        debug_assert!((1..=47).contains(&number));
        Self(number.clamp(1, 47))
    }

    /// 1..=47.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The Japanese name, as 東京都.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0) - 1).copied().unwrap_or("")
    }

    /// All of them, 01 to 47.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=47).map(Self)
    }
}

impl TryFrom<u8> for Prefecture {
    type Error = UnknownPrefecture;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::new(number)
    }
}

impl From<Prefecture> for u8 {
    fn from(prefecture: Prefecture) -> Self {
        prefecture.0
    }
}

impl std::fmt::Display for Prefecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}", self.0)
    }
}
