//! What a table is made of, and the statements that follow from it.

/// What a column holds; any may be NULL where the layout lets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Text,
    Blob,
}

impl Kind {
    /// PostgreSQL's name of a list of such.
    pub(crate) fn postgres_array(self) -> &'static str {
        match self {
            Self::Integer => "bigint[]",
            Self::Text => "text[]",
            Self::Blob => "bytea[]",
        }
    }
}

/// A table, by its columns in the order in which they are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// So many columns, the first ones, are the key.
    pub(crate) key: usize,
    /// So many columns, the first ones, are read; the others follow from these.
    pub(crate) read: usize,
}

impl Table {
    /// The columns that are read, for a SELECT.
    pub(crate) fn read_columns(&self) -> String {
        let read = self.columns.get(..self.read).unwrap_or(self.columns);
        join(read.iter().map(|(name, _)| (*name).to_owned()))
    }

    /// The row with a key.
    pub(crate) fn get(&self) -> String {
        let key = self.columns.iter().take(self.key).enumerate();
        let conditions: Vec<String> = key
            .map(|(place, (name, _))| format!("{name} = ?{}", place + 1))
            .collect();
        format!(
            "SELECT {} FROM {} WHERE {}",
            self.read_columns(),
            self.name,
            conditions.join(" AND ")
        )
    }

    /// The rows with these keys, on PostgreSQL: each value is a list.
    pub(crate) fn get_lists(&self) -> String {
        let key = || self.columns.iter().take(self.key).enumerate();
        let lists = join(
            key().map(|(place, (_, kind))| format!("?{}::{}", place + 1, kind.postgres_array())),
        );
        let names = join(key().map(|(_, (name, _))| (*name).to_owned()));
        format!(
            "SELECT {} FROM {} JOIN UNNEST({lists}) AS wanted ({names}) USING ({names})",
            self.read_columns(),
            self.name
        )
    }

    /// Inserts one row whose key must be new.
    pub(crate) fn append(&self) -> String {
        let places = join((1..=self.columns.len()).map(|place| format!("?{place}")));
        format!("{} VALUES ({places})", self.insert())
    }

    /// Inserts one row, or replaces the one with its key.
    pub(crate) fn put(&self) -> String {
        format!("{}{}", self.append(), self.conflict())
    }

    /// The same for many rows, on PostgreSQL: each value is a list.
    pub(crate) fn put_lists(&self) -> String {
        let lists = join(
            self.columns
                .iter()
                .enumerate()
                .map(|(place, (_, kind))| format!("?{}::{}", place + 1, kind.postgres_array())),
        );
        format!(
            "{} SELECT * FROM UNNEST({lists}){}",
            self.insert(),
            self.conflict()
        )
    }

    fn insert(&self) -> String {
        let names = join(self.columns.iter().map(|(name, _)| (*name).to_owned()));
        format!("INSERT INTO {} ({names})", self.name)
    }

    fn conflict(&self) -> String {
        let (key, rest) = self.columns.split_at(self.key.min(self.columns.len()));
        if rest.is_empty() {
            return " ON CONFLICT DO NOTHING".to_owned();
        }
        let key = join(key.iter().map(|(name, _)| (*name).to_owned()));
        let sets = join(
            rest.iter()
                .map(|(name, _)| format!("{name} = excluded.{name}")),
        );
        format!(" ON CONFLICT ({key}) DO UPDATE SET {sets}")
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Kind, Table};

    const TABLE: Table = Table {
        name: "site",
        columns: &[
            ("participant", Kind::Integer),
            ("site", Kind::Integer),
            ("name", Kind::Text),
        ],
        key: 2,
        read: 3,
    };

    #[test]
    fn a_table_knows_its_statements() {
        assert_eq!(TABLE.read_columns(), "participant, site, name");
        assert_eq!(
            TABLE.get(),
            "SELECT participant, site, name FROM site WHERE participant = ?1 AND site = ?2"
        );
        assert_eq!(
            TABLE.get_lists(),
            "SELECT participant, site, name FROM site \
             JOIN UNNEST(?1::bigint[], ?2::bigint[]) AS wanted (participant, site) \
             USING (participant, site)"
        );
        assert_eq!(
            TABLE.put(),
            "INSERT INTO site (participant, site, name) VALUES (?1, ?2, ?3) \
             ON CONFLICT (participant, site) DO UPDATE SET name = excluded.name"
        );
        assert_eq!(
            TABLE.put_lists(),
            "INSERT INTO site (participant, site, name) \
             SELECT * FROM UNNEST(?1::bigint[], ?2::bigint[], ?3::text[]) \
             ON CONFLICT (participant, site) DO UPDATE SET name = excluded.name"
        );
    }
}
