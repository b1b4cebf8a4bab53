//! A country that could be: institutions in the real mix of kinds and
//! prefectures, with valid codes, and names and addresses made of parts that
//! real ones are made of. Always the same.

use iryonet_domain::{InstitutionCode, InstitutionKind, ParticipantKind, Prefecture, ScoreTable};
use iryonet_registry::ListRow;
use iryonet_registry::applicant::RowError;

/// How many there are of each kind, in thousands (national statistics of 2023;
/// care offices and stations of home nursing in round numbers).
const KINDS: [(InstitutionKind, u32); 6] = [
    (InstitutionKind::Hospital, 8),
    (InstitutionKind::Clinic, 105),
    (InstitutionKind::DentalClinic, 67),
    (InstitutionKind::Pharmacy, 63),
    (InstitutionKind::CareOffice, 230),
    (InstitutionKind::HomeNursing, 16),
];

/// People of each prefecture in ten thousands (census of 2020): institutions
/// are where people are.
const PEOPLE: [u32; 47] = [
    522, 124, 121, 230, 96, 107, 183, 287, 193, 194, 734, 628, 1405, 924, 220, 103, 113, 77, 81,
    205, 198, 363, 754, 177, 141, 258, 884, 547, 132, 92, 55, 67, 189, 280, 134, 72, 95, 133, 69,
    514, 81, 131, 174, 112, 107, 159, 147,
];

const FAMILIES: [&str; 40] = [
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "佐々木",
    "山口",
    "松本",
    "井上",
    "木村",
    "林",
    "斎藤",
    "清水",
    "山崎",
    "森",
    "池田",
    "橋本",
    "阿部",
    "石川",
    "山下",
    "中島",
    "石井",
    "小川",
    "前田",
    "岡田",
    "長谷川",
    "藤田",
    "後藤",
    "近藤",
    "村上",
    "遠藤",
    "青木",
    "坂本",
];
const PLACES: [&str; 40] = [
    "中央",
    "本町",
    "駅前",
    "東",
    "西",
    "南",
    "北",
    "緑が丘",
    "桜台",
    "若葉",
    "みどり",
    "さくら",
    "ひまわり",
    "あおば",
    "希望",
    "大手町",
    "栄",
    "旭",
    "泉",
    "松原",
    "桜井",
    "清水台",
    "富士見",
    "八幡",
    "神明",
    "稲荷",
    "城山",
    "川崎",
    "高松",
    "宮前",
    "新町",
    "上野",
    "下町",
    "小松",
    "大原",
    "青葉台",
    "光が丘",
    "平和",
    "昭和",
    "寿",
];
const FIELDS: [&str; 20] = [
    "内科",
    "外科",
    "小児科",
    "眼科",
    "耳鼻咽喉科",
    "皮膚科",
    "整形外科",
    "産婦人科",
    "泌尿器科",
    "脳神経外科",
    "循環器内科",
    "消化器内科",
    "胃腸科",
    "心療内科",
    "呼吸器内科",
    "糖尿病内科",
    "リハビリテーション科",
    "アレルギー科",
    "こども",
    "ファミリー",
];

/// Draws that are always the same (xorshift).
#[derive(Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as u32) % end.max(1)
    }

    pub(crate) fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len() as u32) as usize)
            .copied()
            .unwrap_or_default()
    }

    fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        for (place, weight) in weights.enumerate() {
            if left < weight {
                return place;
            }
            left -= weight;
        }
        0
    }
}

/// An institution.
#[derive(Debug, Clone)]
pub(crate) struct Institution {
    pub(crate) kind: ParticipantKind,
    pub(crate) prefecture: Prefecture,
    pub(crate) name: String,
    pub(crate) code: Option<InstitutionCode>,
    pub(crate) postal: String,
    pub(crate) address: String,
}

impl Institution {
    /// As a public list would have it; nothing for those that have no code.
    pub(crate) fn row(&self) -> Option<Result<ListRow, RowError>> {
        let code = self.code?;
        Some(ListRow::new(code, &self.name, &self.postal, &self.address))
    }
}

/// So many institutions, by prefecture: a country is filled region by region.
pub(crate) fn country(institutions: u32) -> Vec<Institution> {
    let mut draws = Draws::new(1);
    // The next code of each prefecture and score table.
    let mut next = std::collections::BTreeMap::<(u8, u8), u32>::new();
    let mut out: Vec<Institution> = (0..institutions)
        .filter_map(|_| institution(&mut draws, &mut next))
        .collect();
    out.sort_by_key(|one| one.prefecture.number());
    out
}

fn institution(
    draws: &mut Draws,
    next: &mut std::collections::BTreeMap<(u8, u8), u32>,
) -> Option<Institution> {
    let (kind, _) = KINDS.get(draws.weighted(KINDS.iter().map(|(_, many)| *many)))?;
    let prefecture = draws.weighted(PEOPLE.iter().copied()) as u8 + 1;
    let prefecture = Prefecture::new(prefecture).ok()?;
    let code = kind.score_table().map(|table: ScoreTable| {
        let count = next
            .entry((prefecture.number(), table.digit()))
            .or_insert(0);
        *count += 1;
        InstitutionCode::generate(
            prefecture,
            table,
            (*count / 2_000 + 1) as u8,
            (*count % 2_000) as u16,
        )
    });
    let who = match draws.below(3) {
        0 => draws.of(&FAMILIES).to_owned(),
        1 => draws.of(&PLACES).to_owned(),
        _ => format!("{}{}", draws.of(&PLACES), draws.of(&FAMILIES)),
    };
    let house = if draws.below(3) == 0 {
        "医療法人社団"
    } else {
        ""
    };
    let name = match kind {
        InstitutionKind::Hospital => format!("{house}{who}病院"),
        InstitutionKind::Clinic => match draws.below(3) {
            0 => format!("{house}{who}クリニック"),
            1 => format!("{house}{who}{}医院", draws.of(&FIELDS)),
            _ => format!("{who}{}クリニック", draws.of(&FIELDS)),
        },
        InstitutionKind::DentalClinic => match draws.below(2) {
            0 => format!("{house}{who}歯科医院"),
            _ => format!("{who}デンタルクリニック"),
        },
        InstitutionKind::Pharmacy => format!("{who}薬局{}店", draws.of(&PLACES)),
        InstitutionKind::CareOffice => format!("デイサービスセンター{who}"),
        InstitutionKind::HomeNursing => format!("訪問看護ステーション{who}"),
    };
    Some(Institution {
        kind: ParticipantKind::Institution(*kind),
        prefecture,
        name,
        code,
        postal: format!(
            "{:07}",
            10_000 * u32::from(prefecture.number()) * 20 + draws.below(200_000)
        ),
        address: format!(
            "{}市{}区{}{}丁目{}番{}号",
            draws.of(&PLACES),
            draws.of(&PLACES),
            draws.of(&PLACES),
            draws.below(9) + 1,
            draws.below(60) + 1,
            draws.below(30) + 1
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::country;

    #[test]
    fn a_country_has_each_code_once_and_is_the_same_every_time() {
        let one = country(60_000);
        assert_eq!(one.len(), 60_000);
        let mut codes: Vec<_> = one.iter().filter_map(|it| it.code).collect();
        let many = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), many);
        assert!((25_000..40_000).contains(&many), "{many}");
        let again = country(60_000);
        assert!(
            one.iter()
                .zip(&again)
                .all(|(a, b)| a.name == b.name && a.code == b.code)
        );
        assert!(one.iter().all(|it| it.row().is_none_or(|row| row.is_ok())));
        // Tokyo has more than an eleventh of all.
        let tokyo = one.iter().filter(|it| it.prefecture.number() == 13).count();
        assert!((5_000..9_000).contains(&tokyo), "{tokyo}");
    }
}
