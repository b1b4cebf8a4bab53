//! The rules and service descriptions that come with the program. A network may
//! publish its own later versions; these follow the seed's papers and the
//! guideline clauses that it names.

/// The first version: name and text of each file.
pub const VERSION_1: [(&str, &str); 5] = [
    ("site.toml", include_str!("../../../rules/1/site.toml")),
    (
        "provider.toml",
        include_str!("../../../rules/1/provider.toml"),
    ),
    (
        "examination.toml",
        include_str!("../../../rules/1/examination.toml"),
    ),
    (
        "opening.toml",
        include_str!("../../../rules/1/opening.toml"),
    ),
    ("audit.toml", include_str!("../../../rules/1/audit.toml")),
];

/// The six services of the pilot, and those of tomorrow.
pub const SERVICES: (&str, &str) = (
    "services.toml",
    include_str!("../../../rules/services.toml"),
);
