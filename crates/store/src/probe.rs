//! Whether the database takes a write.

use crate::{Db, Error};

impl Db {
    /// Writes one row that means nothing, through to the disk: `Ok` says that the next transaction can be kept. The same
    /// row every time, so nothing grows.
    pub async fn probe(&self) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute(
                "INSERT INTO counters (name, value) VALUES ('store.probe', 1)
                 ON CONFLICT (name) DO UPDATE SET value = 1",
                &[],
            )
            .map(drop)
        })
        .await
    }
}
