//! Readiness of the store.

use async_trait::async_trait;

use crate::probes::Ready;
use crate::refusal::Refusal;

/// The database answers. Its schema is there, since nothing listens before the migrations are done.
#[async_trait]
impl Ready for store::Db {
    async fn ready(&self) -> Result<(), Refusal> {
        let answered: Result<i64, store::Error> =
            self.read(|tx| tx.query_one("SELECT 1 AS one", &[], |row| row.get::<i64>("one"))).await;
        answered.map(|_| ()).map_err(Refusal::from)
    }
}
