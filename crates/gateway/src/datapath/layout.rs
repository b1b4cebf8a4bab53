//! The entry that tells what pinned maps were made for, so that a new process
//! takes over only tables that it understands.

use iryonet_verdict::slot::Seed;

use super::config::Config;

/// To be raised with every change of a map's name, kind, key or value.
const VERSION: u64 = 5;
const MAGIC: u64 = 0x4952_594f_4e45_5400;

/// The words of the LAYOUT map's one entry.
pub(super) type Words = [u64; 16];

const SEED: usize = 8;

/// What the maps of this configuration are made for.
pub(super) fn words(config: &Config, Seed([first, second]): Seed) -> Words {
    [
        MAGIC | VERSION,
        u64::from(config.network32()),
        u64::from(config.participants_max),
        u64::from(config.grants_max),
        u64::from(config.endpoints_max),
        u64::from(config.lines_max),
        u64::from(config.flows_max),
        0,
        first,
        second,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
}

/// The seed of tables that fit, or what does not fit.
pub(super) fn adopt(config: &Config, found: &Words) -> Result<Seed, String> {
    let wanted = words(config, Seed([0, 0]));
    let names = [
        "layout version",
        "network prefix",
        "participants_max",
        "grants_max",
        "endpoints_max",
        "lines_max",
        "flows_max",
    ];
    if found.iter().all(|&word| word == 0) {
        return Err("an earlier process died while it made the tables".into());
    }
    for ((name, found), wanted) in names.iter().zip(found).zip(wanted) {
        if *found != wanted {
            return Err(format!(
                "{name} of the pinned tables is {found:#x}, not {wanted:#x}"
            ));
        }
    }
    match found.get(SEED..SEED + 2) {
        Some(&[first, second]) => Ok(Seed([first, second])),
        _ => Err("the layout entry is too short".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_same_sizes_are_adopted_with_their_seed_and_others_are_not() {
        let config = Config::default();
        let seed = Seed([7, 9]);
        assert_eq!(adopt(&config, &words(&config, seed)), Ok(seed));
        let larger = Config {
            grants_max: config.grants_max + 1,
            ..config.clone()
        };
        assert!(
            adopt(&larger, &words(&config, seed))
                .unwrap_err()
                .contains("grants_max")
        );
        assert!(adopt(&config, &[0; 16]).is_err());
    }
}
