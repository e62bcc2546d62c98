//! Sealing anew: what a worn key sealed moves under its successor, so that the old key can go. The room that owns a value seals it,
//! by its own column or, for values inside larger texts, by its own code.

use base::WorkspaceId;
use store::{Tx, params};

use crate::{Aad, Error, Purpose, Vault};

/// A column of sealed values under keys that last, whose rows are sealed for the place (table, column, id).
#[derive(Clone, Copy, Debug)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// The column with the sealed value.
    pub column: &'static str,
    /// The column with the row's id, a text.
    pub id: &'static str,
    /// The column with the workspace; none for values of the organisation.
    pub workspace: Option<&'static str>,
    /// What the values are.
    pub purpose: Purpose,
}

/// The worn keys of a pass, and how much it may do.
#[derive(Clone, Debug)]
pub struct Pass {
    keys: Vec<i64>,
    left: u32,
    done: u64,
    stuck: u64,
}

impl Pass {
    pub(crate) const fn new(keys: Vec<i64>, limit: u32) -> Self {
        Self { keys, left: limit, done: 0, stuck: 0 }
    }

    /// How many values this pass may still take.
    pub const fn left(&self) -> u32 {
        self.left
    }

    /// What every value under one of the keys begins with.
    pub fn prefixes(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|id| format!("v1.{id}."))
    }

    /// A value was sealed anew.
    pub const fn sealed(&mut self) {
        self.done += 1;
        self.left = self.left.saturating_sub(1);
    }

    /// A value does not open: its key stays, and somebody has to look.
    pub fn stuck(&mut self, table: &'static str, row: &str) {
        tracing::error!(table, row, "a sealed value does not open and keeps its old key from going");
        self.stuck += 1;
    }

    pub(crate) const fn done(&self) -> u64 {
        self.done
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.done == 0 && self.stuck == 0
    }
}

impl Vault {
    /// Seals anew the values of a column that the pass is about.
    ///
    /// # Errors
    /// When the store fails. A value that does not open is left and [told](Pass::stuck).
    pub fn reseal_column(&self, tx: &mut Tx<'_>, pass: &mut Pass, of: &SealedColumn) -> Result<(), Error> {
        let SealedColumn { table, column, id, workspace, purpose } = *of;
        let place = workspace.unwrap_or("''");
        let prefixes: Vec<String> = pass.prefixes().collect();
        for prefix in prefixes {
            if pass.left() == 0 {
                return Ok(());
            }
            // The names are ours, never a user's.
            let sql = format!(
                "SELECT {id} AS id, {place} AS workspace, {column} AS sealed FROM {table} \
                 WHERE {column} LIKE $1 ORDER BY {id} LIMIT $2"
            );
            let rows = tx.query(&sql, &params![format!("{prefix}%"), pass.left()], |row| {
                let workspace: String = row.get("workspace")?;
                Ok((row.get::<String>("id")?, workspace, row.get::<String>("sealed")?))
            })?;
            for (row, workspace, old) in rows {
                let workspace: Option<WorkspaceId> = workspace.parse().ok();
                let Some(new) = self.reseal(tx, workspace, purpose, &Aad { table, column, row: &row }, &old)? else {
                    pass.stuck(table, &row);
                    continue;
                };
                let sql = format!("UPDATE {table} SET {column} = $2 WHERE {id} = $1 AND {column} = $3");
                tx.execute(&sql, &params![row.as_str(), new, old])?;
                pass.sealed();
            }
        }
        Ok(())
    }

    /// A value sealed anew for the same place, under the newest key; `None` when it does not open.
    ///
    /// # Errors
    /// When the store fails.
    pub fn reseal(
        &self,
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        purpose: Purpose,
        aad: &Aad<'_>,
        sealed: &str,
    ) -> Result<Option<String>, Error> {
        let plain = match self.open(tx, workspace, aad, sealed) {
            Ok(plain) => plain,
            Err(Error::Store(error)) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        let now = tx.now();
        let key = self.data_key(tx, workspace, purpose, now)?;
        Ok(Some(key.seal(tx.context().chance(), aad, &plain)))
    }
}
